/* room/data.h: the granted data of one run, as ciphertext in the room's memory, and what a reader may see of
 * it.
 *
 * For each part the room pulls the leaf hashes and every ciphertext segment that a granted column touches,
 * once, in ascending order: a function of contract, query and manifest alone, so that the host learns nothing
 * from what is asked. Each segment is checked against its leaf before it is kept. A reader sees a virtual
 * Parquet file: the granted columns' octets at their places, zeros everywhere else, and a footer of the
 * granted columns only. Every read decrypts into memory that is private to the reader, and copies granted
 * octets out of it.
 *
 * `data_part_*` is used by one thread until the part is ready; `data_read` then by several at once, each with
 * a reader of its own. */
#pragma once

#include "contract/manifest.h"
#include "seal/footer.h"
#include "seal/stream.h"

enum {
    DATA_SEGMENTS_PER_PULL_MAX = 64, /* 4 MiB in one message */
};

struct data_part {
    const struct manifest_part *part;
    struct stream_key key;
    const struct digest *leaves;
    struct manifest_range *granted; /* plaintext, ascending, disjoint; pages only */
    size_t granted_count;
    uint64_t *segments; /* numbers of the segments to pull, ascending */
    size_t segment_count;
    size_t kept_count;   /* of them, how many are here */
    uint8_t *ciphertext; /* segments one after another, STREAM_SEGMENT_BYTES apart */
    size_t ciphertext_mapped;
    struct buffer footer;
};

struct data_table {
    struct text name; /* in the query */
    const struct manifest *manifest;
    size_t *columns; /* granted, ascending by index */
    size_t column_count;
    struct data_part *parts;
    size_t part_count;
};

struct data {
    struct data_table *tables;
    size_t table_count;
    uint64_t memory_used; /* octets of ciphertext */
    uint64_t memory_max;
};

/* Starts a table: `columns` are the names that the grant lists. NOT_FOUND "manifest.column.unknown". The
 * arrays live in the arena. Tables are added in the order in which the engine's dataset numbers are given. */
fallible data_add_table(struct arena *arena, struct data *data, struct text name,
                        const struct manifest *manifest, const struct text columns[], size_t column_count);
void data_release(struct data *data); /* wipes keys and unmaps */

/* Takes the leaves of a part. UNTRUSTED "part.leaves.root" or ".size". LIMIT "data.memory" when the granted
 * ciphertext would not fit into `memory_max`. */
fallible data_part_take_leaves(struct arena *arena, struct data *data, struct data_part *part,
                               struct bytes untrusted_leaves);

/* The next run of consecutive segments to pull, at most DATA_SEGMENTS_PER_PULL_MAX; count 0 when all are
 * here. `out_size` is the exact size of their ciphertext. */
void data_part_next(const struct data_part *part, uint64_t *out_first, uint64_t *out_count, size_t *out_size);

/* Keeps the run that `data_part_next` named. UNTRUSTED "data.segments.size", "part.segment". */
fallible data_part_keep(struct data_part *part, struct bytes untrusted_segments);

/* With all segments here: derives the part's key from the data key, opens the granted columns' metadata
 * sections and composes the footer. UNTRUSTED when they do not authenticate, CORRUPT when they are not well
 * formed. */
fallible data_part_ready(struct arena *arena, const struct data_table *table, struct data_part *part,
                         const struct secret *data_key);

/* The size of the virtual file. */
uint64_t data_part_file_size(const struct data_part *part);

/* What one reading thread needs: an open stream of the part it read last, and a private segment. */
struct data_reader {
    const struct data_part *part;
    struct stream stream;
    uint64_t segment; /* in `plain`, valid if has_segment */
    bool has_segment;
    uint8_t plain[STREAM_SEGMENT_BYTES];
};
void data_reader_release(struct data_reader *reader); /* wipes */

/* Octets [offset, offset + size) of the virtual file into `out`; `out_size` is less at its end and 0 beyond
 * it. Octets that are not granted are zeros. UNTRUSTED when a segment does not authenticate. */
fallible data_read(const struct data_part *part, struct data_reader *reader, uint64_t offset, size_t size,
                   uint8_t *out, size_t *out_size);
