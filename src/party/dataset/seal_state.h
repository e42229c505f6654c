/* dataset/seal_state.h: what a sealing has finished, so that it can be resumed.
 *
 * `seal.state` says which source is being sealed, and `parts/K.state` what is known of each finished part.
 * Both are JSON, encrypted under a key derived from the data key: the hashes of rows in them would tell
 * something about the rows, and a range that was changed on disk would end up in a signed manifest. They are
 * removed when the manifest is written. */
#pragma once

#include "party/dataset/part_sealer.h"

struct seal_state {
    const struct folder *folder;
    const struct world *world;
    const struct secret *data_key;
    struct text dataset;
    uint64_t version;
};

#define SEAL_STATE_FILE "seal.state"

/* What decides which rows are in which part. `source` is a digest of columns and number of rows. */
struct seal_plan {
    struct digest source;
    uint64_t rows_per_part;
};
fallible seal_state_begin(const struct seal_state *state, const struct seal_plan *plan);
/* CONFLICT when the interrupted sealing had another plan: "dataset.source.changed",
 * "dataset.resume.rows_per_part". */
fallible seal_state_check(const struct seal_state *state, const struct seal_plan *plan);

/* `part_seal` has put the part's files in place before. */
fallible seal_state_put_part(const struct seal_state *state, const struct part_sealed *part);
/* NOT_FOUND "dataset.file.missing" when the part is not finished. Also checks that the part's files are there
 * with the right size and that the leaves give the root: CORRUPT "dataset.resume.part". */
fallible seal_state_get_part(struct arena *arena, const struct seal_state *state, uint64_t number,
                             struct part_sealed *out);

/* Removes `seal.state` and the state of parts 0 to count-1. */
fallible seal_state_end(const struct seal_state *state, uint64_t count);
