/* dataset/publish.h: the signed documents of a sealed dataset: policy and manifest. */
#pragma once

#include "party/dataset/part_sealer.h"
#include "party/dataset/seal.h"

#define DATASET_MANIFEST_FILE "manifest.json"
#define DATASET_POLICY_FILE "policy.json"

struct publication {
    const struct dataset_seal_options *options;
    const struct folder *folder;
    const struct secret *data_key;
    const struct part_sealed *parts;
    size_t part_count;
};

/* That name and rules make a policy for the columns of the source, before anything is sealed. */
fallible publish_check_rules(struct arena *arena, struct text dataset, const struct dataset_rules *rules,
                             const struct source *source);

/* Signs and writes the policy, then the manifest. What is written has been parsed again. Sets the digests and
 * `size`. */
fallible publish(struct arena *arena, const struct publication *publication, struct dataset_sealed *out);
