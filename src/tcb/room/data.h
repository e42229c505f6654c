/* room/data.h: the granted data of one run, as ciphertext in the room's memory, and what the engine's child
 * is shown of it.
 *
 * For each part the room pulls the leaf hashes and every ciphertext segment that a granted column touches,
 * once, in ascending order: first those with the columns' metadata, of all parts, then the pages. That is a
 * function of contract, query and manifest alone, so that the host learns nothing from what is asked. The
 * child sees a virtual Parquet file: the granted columns' octets at their places, zeros everywhere else, and
 * a footer of the granted columns only. A segment is shown when it is first touched, or before: its
 * ciphertext is checked against its leaf, decrypted into memory that is private to the thread, and only
 * granted octets are copied into the window. Nothing that another process can write is ever looked at.
 *
 * Loading on demand is for data that is larger than memory, where the contract allows that the host sees
 * what a query touches: a segment is pulled when the child wishes for it, its ciphertext goes as soon as it
 * is shown, and what was shown longest ago makes place.
 *
 * One thread pulls; `data_show` and `data_answer` are for several at once, each with a reader of its own. */
#pragma once

#include "contract/manifest.h"
#include "room/window.h"
#include "seal/footer.h"
#include "seal/stream.h"

#include <stdatomic.h>

enum {
    DATA_SEGMENTS_PER_PULL_MAX = 64,    /* 4 MiB in one message */
    DATA_ON_DEMAND_SEGMENTS_MAX = 1024, /* shown at a time: 64 MiB */
};

/* Of a segment that a granted column touches. */
enum data_state {
    DATA_ABSENT = 0,
    DATA_WANTED, /* absent, and somebody waits */
    DATA_HERE,   /* its ciphertext */
    DATA_TAKEN,  /* being shown, or shown, or refused */
};

struct data_part {
    const struct manifest_part *part;
    struct stream_key key;
    const struct digest *leaves;
    struct manifest_range *granted; /* plaintext, ascending, disjoint; pages only */
    size_t granted_count;
    uint64_t *segments; /* numbers of the segments to pull, ascending */
    size_t segment_count;
    _Atomic uint8_t *states; /* of them: enum data_state; at first WANTED are those with metadata */
    uint64_t first;          /* where the part's segments begin among those of the window */
    uint8_t *ciphertext;     /* segments one after another, STREAM_SEGMENT_BYTES apart */
    size_t ciphertext_mapped;
    bool is_ready;
    bool is_checked; /* by the run before, from which the ciphertext was kept */
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

/* A wish for segments that are absent, from a reader to the thread that pulls: within the room. */
struct data_load {
    struct data_part *part;
    uint64_t offset;
    uint64_t size;
};

/* A shown segment of a run that loads on demand. */
struct data_shown {
    struct data_part *part;
    size_t index;
};

/* Ciphertext that a room keeps from one run for the next, if it was started so: checked, and found again by
 * the part's root and the segments that were pulled. What is then asked of the host depends on the run before
 * too, which it knows. */
struct data_store {
    struct data_kept {
        struct digest root;
        struct digest plan;
        uint8_t *ciphertext;
        size_t ciphertext_mapped;
    } * parts;
    size_t part_count;
};
void data_store_release(struct data_store *store);

struct data {
    const struct window *window;
    struct data_store *store; /* or NULL: nothing is kept */
    struct data_table *tables;
    size_t table_count;
    uint64_t segments_used; /* of the window */
    uint64_t memory_used;   /* octets of ciphertext */
    uint64_t memory_max;
    _Atomic(const struct data_part *)
        untrusted_part; /* one with a segment that did not authenticate, or NULL */

    /* Loading on demand: wishes for absent segments go to the thread that pulls. */
    bool on_demand;
    int load_socket;          /* the readers' end */
    struct data_shown *shown; /* a ring, oldest at shown_count % MAX once it is full */
    uint64_t shown_count;
};

/* Starts a table: `columns` are the names that the grant lists. NOT_FOUND "manifest.column.unknown". The
 * arrays live in the arena. Tables are added in the order in which the engine's dataset numbers are given. */
fallible data_add_table(struct arena *arena, struct data *data, struct text name,
                        const struct manifest *manifest, const struct text columns[], size_t column_count);
void data_release(struct data *data); /* wipes keys and unmaps */
/* Before the release of a run in which everything was shown: its ciphertext takes the place of what was kept.
 */
void data_keep(struct data *data);

/* Takes the leaves of a part. UNTRUSTED "part.leaves.root" or ".size". LIMIT "data.memory" when the granted
 * ciphertext would not fit into `memory_max`. */
fallible data_part_take_leaves(struct arena *arena, struct data *data, struct data_part *part,
                               struct bytes untrusted_leaves);

/* Consecutive segments to pull, at most DATA_SEGMENTS_PER_PULL_MAX; `count` 0 when there are none. */
struct data_run {
    size_t index; /* of the first in `segments` */
    uint64_t first;
    size_t count;
    size_t size; /* of their ciphertext, exactly */
};
/* The first that are absent, from index `from` on, or only the first that are wanted. */
void data_part_next(const struct data_part *part, size_t from, bool only_wanted, struct data_run *out);
/* Where their ciphertext goes: a buffer that takes `size` octets and cannot grow. */
struct buffer data_part_place(const struct data_part *part, const struct data_run *run);
/* What was received there is here now, and is shown at once where somebody waits; what does not authenticate
 * then is told by `untrusted_part`. UNTRUSTED "data.segments.size". */
struct data_reader;
fallible data_part_keep(struct data *data, struct data_part *part, const struct data_run *run, size_t got,
                        struct data_reader *reader);

/* With the metadata's segments here: derives the part's key from the data key, checks and opens the granted
 * columns' metadata sections, composes the footer and shows it. UNTRUSTED when they do not authenticate,
 * CORRUPT when they are not well formed, LIMIT "data.window". */
fallible data_part_ready(struct arena *arena, struct data *data, const struct data_table *table,
                         struct data_part *part, const struct secret *data_key);

/* The size of the virtual file. */
uint64_t data_part_file_size(const struct data_part *part);

/* What one thread needs: an open stream of the part it read last, and a private segment. */
struct data_reader {
    const struct data_part *part;
    struct stream stream;
    uint8_t plain[STREAM_SEGMENT_BYTES];
};
void data_reader_release(struct data_reader *reader); /* wipes */

/* Shows segment `index` of the part's list, if it is here and nobody has taken it yet. UNTRUSTED
 * "part.segment", "aead.tag": then the child's reads of it fail, and `untrusted_part` says so to the room. */
fallible data_show(struct data *data, struct data_part *part, size_t index, struct data_reader *reader);
/* All segments that are here, in ascending order. */
fallible data_show_all(struct data *data, struct data_part *part, struct data_reader *reader);

/* A wish of the child: shows what is here of the range, and what no granted column touches. False for a wish
 * outside the file. */
bool data_answer(struct data *data, struct data_part *part, struct data_reader *reader, uint64_t offset,
                 uint64_t size);
