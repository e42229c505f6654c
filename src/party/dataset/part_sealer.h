/* dataset/part_sealer.h: seals one range of rows as one part.
 *
 * The source gives a Parquet file as a stream. Its footer, whose place is known only at the end, is never
 * sealed: the last octets are held back in memory, the rest goes to the part writer at once. At the end the
 * footer is taken apart and what it says of each column follows the data as that column's metadata section.
 * Ciphertext and leaves are written to `parts/`; no plaintext is written anywhere. */
#pragma once

#include "contract/manifest.h"
#include "party/dataset/folder.h"
#include "party/dataset/source.h"

enum {
    /* More than any footer with bloom filters and indexes before it; what is held back at most is twice that.
     */
    PART_TAIL_BYTES_MAX = 32 * 1024 * 1024,
};

struct part_order {
    const struct folder *folder;
    const struct world *world;
    const struct secret *data_key;
    struct text dataset;
    uint64_t version;
    uint64_t number;
    struct source_rows rows;
    unsigned threads;
};

struct part_sealed {
    struct manifest_part part; /* as the manifest will say it */
    struct manifest_column *columns;
    size_t column_count;
    struct source_seen seen;
};

/* Everything in `out` lives in the arena. CONFLICT "dataset.source.changed" when the source gives another
 * number of rows than it was asked for; LIMIT "dataset.part.tail" for a file whose end is out of proportion.
 */
fallible part_seal(struct arena *arena, const struct part_order *order, const struct source *source,
                   struct part_sealed *out);
