/* party/agreement/data_key.h: opening the data key of a dataset that this party sealed. */
#pragma once

#include "contract/manifest.h"
#include "crypto/secret.h"

/* The data key kept in the dataset's folder, opened with the party's storage key and checked against the manifest's commitment:
 * UNTRUSTED "owner.key_commitment". */
fallible data_key_open(struct arena *arena, const char *party_folder, const char *dataset_folder,
                       const struct secret *storage, const struct manifest *manifest, struct secret *out);
