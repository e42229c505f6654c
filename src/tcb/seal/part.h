/* seal/part.h: what binds the ciphertext of a part to the manifest (doc/formats.md §1.3).
 *
 * Leaf j is RFC 6962's leaf hash of ciphertext segment j, header included; the root in the signed manifest
 * pins all of them, so that not even the owner, who has the key, can exchange rows after signing. The leaf
 * hashes travel beside the part as an object of 32 octets each; whoever fetches them checks them against the
 * root once, and then every segment against its leaf, before decrypting it. Any thread. */
#pragma once

#include "base/arena.h"
#include "crypto/digest.h"
#include "crypto/secret.h"
#include "seal/stream.h"

enum { PART_COMMITMENT_BYTES = 32 };

/* The associated data of a part's stream. */
fallible part_associated_data(struct arena *arena, struct text dataset, uint64_t version, uint64_t number,
                              struct bytes *out);

/* The commitment to a dataset's data key that its manifest carries. */
fallible part_key_commitment(struct arena *arena, const struct secret *data_key, struct text dataset,
                             uint64_t version, struct digest *out);
/* UNTRUSTED "part.key_commitment" when the data key is not the one that the manifest commits to. */
fallible part_check_key(struct arena *arena, const struct secret *data_key, struct text dataset,
                        uint64_t version, const struct digest *want);

/* The Merkle root over all parts' roots, in order: the `data` of manifest and policy. */
fallible part_data_root(struct arena *arena, const struct digest *roots, size_t count, struct digest *out);

/* Takes the leaves object of a part of `plain_size` octets: UNTRUSTED "part.leaves.size" or
 * "part.leaves.root" unless it has one hash per segment and they give `root`. The array is in the arena (64
 * octets per segment are used). */
fallible part_take_leaves(struct arena *arena, struct bytes untrusted_leaves, uint64_t plain_size,
                          const struct digest *root, const struct digest **out);

/* UNTRUSTED "part.segment" unless the segment is the one that the leaf stands for. */
fallible part_check_segment(const struct digest *leaf, struct bytes untrusted_segment);
