/* dataset/verify.h: judges a sealed dataset in its folder, with or without its key.
 *
 * Without the key: the documents' form and signatures, that policy and manifest belong together, and every
 * part's size, leaves and root, all recomputed from the ciphertext. With the key also: the commitment, that
 * every segment of every part opens, that no octet of the sealed files is unaccounted for, and that what the
 * metadata sections say of each column is what the manifest says: name, ranges, rows. The first thing that
 * does not hold is the error; `where` names the file. One thread per folder. */
#pragma once

#include "contract/manifest.h"
#include "party/dataset/progress.h"
#include "privacy/policy.h"

struct dataset_verify_options {
    const char *folder;
    const struct key *owner_key;   /* public; NULL leaves the signatures unchecked, and the outcome says so */
    const struct secret *data_key; /* NULL: without the key */
    unsigned threads;              /* 0: all cores */
    struct dataset_listener listener;
};

struct dataset_verified {
    struct digest manifest;
    struct digest policy;
    struct digest data;
    bool signatures_checked;
    bool contents_checked;
    size_t part_count;
    uint64_t rows;
    uint64_t size; /* ciphertext */
};

/* UNTRUSTED: "jws.signature", "dataset.policy.other" (not the policy that the manifest names, or for other
 * data), "dataset.part.size", "part.leaves.size", "part.leaves.root", "part.segment", "part.key_commitment",
 * "stream.header", "aead.tag", "dataset.part.metadata". NOT_FOUND "dataset.file.missing"; INVALID for
 * malformed documents. `arena` keeps the `where`. */
fallible dataset_verify(struct arena *arena, const struct dataset_verify_options *options,
                        struct dataset_verified *out);

/* The documents of a folder, parsed and compared with each other, signatures unchecked: what `dataset show`
 * prints. Both live as long as the arena; the caller releases them. */
struct dataset_documents {
    struct manifest manifest;
    struct policy policy;
};
fallible dataset_load(struct arena *arena, const char *folder, struct dataset_documents *out);
void dataset_documents_release(struct dataset_documents *documents);
#define scoped_dataset_documents defer(dataset_documents_release) struct dataset_documents

/* The data key of a sealed folder, for a grant: `storage_key` as it was given to `dataset_seal`. Checked
 * against the manifest's commitment: UNTRUSTED "part.key_commitment". */
fallible dataset_open_key(const char *folder, const struct manifest *manifest,
                          const struct secret *storage_key, struct secret *out);
