/* dataset/part_check.h: reads a whole part again, in parallel, and checks all that can be checked. */
#pragma once

#include "contract/manifest.h"
#include "party/dataset/folder.h"
#include "party/dataset/progress.h"

struct part_check {
    const struct folder *folder;
    const struct manifest *manifest;
    const struct manifest_part *part;
    const struct secret *data_key; /* or NULL */
    unsigned threads;
    /* Told about the octets of this part on top of `progress.done`. */
    const struct dataset_listener *listener;
    struct dataset_progress progress;
};

/* The errors of `dataset_verify` that concern one part. */
fallible part_check(const struct part_check *check);
