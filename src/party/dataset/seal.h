/* dataset/seal.h: turns the rows of a source into a sealed dataset in a folder.
 *
 * The folder gets `manifest.json`, `policy.json`, `parts/000000.sealed`, `parts/000000.leaves`, …, which may
 * be given to anybody, and `data.key`, which is for the owner (dataset/data_key.h). Rows are sealed part by
 * part, on all cores, and exist as plaintext only in memory. A sealing that was interrupted is resumed by the
 * same call: finished parts are kept when the source still gives the same rows for them. The manifest is
 * written last; a folder with a manifest is complete.
 *
 *     struct query_source source;
 *     TRY(query_source_open(&arena, &(struct query_source_options){.program = …, .files = …}, &source));
 *     TRY(dataset_seal(&arena, &options, &source.source, &sealed));
 *
 * One thread per folder. */
#pragma once

#include "contract/manifest.h"
#include "party/dataset/progress.h"
#include "party/dataset/source.h"
#include "privacy/policy.h"

enum { DATASET_MAX_ROWS_DEFAULT = 10000 };

/* The owner's rules; doc/formats.md §1.2. Mode `approved`. */
struct dataset_rules {
    struct policy_entity entity; /* {0}: the data is about nobody */
    const struct text
        *readable; /* columns that approved templates may read, the entity's among them; none: all */
    size_t readable_count;
    uint64_t max_rows; /* of a result; 0: DATASET_MAX_ROWS_DEFAULT */
    bool is_refreshed; /* the policy names no data, so that it holds for later versions too */
    bool has_valid;
    int64_t valid_from;
    int64_t valid_until;
};

struct dataset_seal_options {
    const struct world *world;
    const char *folder;               /* made if it does not exist */
    struct text dataset;              /* owner/name */
    uint64_t version;                 /* from 1; another version is another folder */
    const struct key *signing_key;    /* the owner's private key */
    const struct secret *storage_key; /* 32 octets; protects `data.key` */
    struct dataset_rules rules;
    uint64_t rows_per_part; /* 0: so many that a part has about 256 MB at most */
    unsigned threads;       /* 0: all cores */
    bool restart;           /* forget an interrupted sealing instead of resuming it */
    struct dataset_listener listener;
};

struct dataset_sealed {
    struct digest manifest;
    struct digest policy;
    struct digest data;
    uint64_t rows;
    uint64_t size; /* ciphertext */
    size_t part_count;
    size_t kept_count; /* parts of an interrupted sealing that were kept */
};

/* The options are checked before any row is read: INVALID "dataset.name", "dataset.rules.column" (where = the
 * column) and what `policy_parse` says. CONFLICT: "dataset.folder.sealed" (there is a manifest already),
 * "dataset.source.changed" (the input changed since the interrupted sealing; or while it was read),
 * "dataset.resume.rows_per_part". INVALID "dataset.column.type" when the source announces a type that its
 * Parquet cannot keep. A failure of the source is returned as it is. `arena` only keeps the `where` of a
 * failure. */
fallible dataset_seal(struct arena *arena, const struct dataset_seal_options *options, struct source *source,
                      struct dataset_sealed *out);
