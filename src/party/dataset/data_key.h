/* dataset/data_key.h: the key of a sealed dataset, at rest.
 *
 * `data.key` in the dataset's folder holds the 32 octets of the data key in a box under the party's own
 * storage key, bound to the dataset's name and version. It never leaves the party; who signs a contract opens
 * it to wrap the data key to the release key of that contract. */
#pragma once

#include "crypto/aead.h"
#include "party/dataset/folder.h"

#define DATA_KEY_FILE "data.key"

/* A fresh key, written to the folder. */
fallible data_key_make(const struct world *world, const struct folder *folder, struct text dataset,
                       uint64_t version, const struct secret *storage_key, struct secret *out);

/* NOT_FOUND "dataset.file.missing"; UNTRUSTED "dataset.data_key" with another storage key, dataset or
 * version. */
fallible data_key_open(const struct folder *folder, struct text dataset, uint64_t version,
                       const struct secret *storage_key, struct secret *out);
