/* dataset/source.h: where the rows of a dataset come from while it is sealed.
 *
 * A source knows its columns and its number of rows, and gives any range of rows as one Parquet file, octet
 * by octet, or only a hash of them, with which a resumed sealing recognises what it has sealed already. The
 * real one is `query_source` (dataset/query_source.h); tests bring their own. One thread at a time. */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct source_column {
    struct text name;
    struct text type; /* in the spelling of doc/formats.md §1.3 */
};

struct source_rows {
    uint64_t first;
    uint64_t count;
};

/* What the source says about rows that it gave. The hash is not cryptographic: it tells an accident, not an
 * attack. */
struct source_seen {
    uint64_t rows;
    uint64_t hash;
};

/* Takes the next octets of a Parquet file. A failure ends the range and is returned by `part`. */
struct source_sink {
    void *self;
    fallible (*add)(void *self, struct bytes octets);
};

/* Hears how far the source is with what it is computing, 0 to 100. */
struct source_listener {
    void *self;
    void (*percent)(void *self, unsigned percent); /* or NULL */
};

struct source {
    void *self;
    struct source_listener listener; /* may be set between calls */
    const struct source_column *columns;
    size_t column_count;
    uint64_t rows;
    fallible (*part)(void *self, struct source_rows rows, const struct source_sink *sink,
                     struct source_seen *out);
    fallible (*check)(void *self, struct source_rows rows, struct source_seen *out);
};
