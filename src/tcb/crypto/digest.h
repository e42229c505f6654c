/* crypto/digest.h: SHA-2 digests and what Truce derives from them. Any thread. */
#pragma once

#include "base/json.h"

enum { DIGEST_BYTES = 32, DIGEST384_BYTES = 48, DIGEST512_BYTES = 64 };

struct digest {
    uint8_t octets[DIGEST_BYTES];
};

struct digest384 {
    uint8_t octets[DIGEST384_BYTES];
};

static inline struct bytes digest_view(const struct digest *digest)
{
    return (struct bytes){digest->octets, DIGEST_BYTES};
}

/* SHA-256 and SHA-384 (FIPS 180-4) of one view, or of two one after the other. Never fail, and allocate
 * nothing. */
struct digest digest_of(struct bytes bytes);
struct digest digest_of_two(struct bytes first, struct bytes second);
struct digest384 digest384_of(struct bytes bytes);

/* In time independent of the values. */
bool digest_equal(const struct digest *left, const struct digest *right);

/* "sha256:" and 64 lower-case hex digits, the form in every document of ours. Reading refuses any other
 * form with INVALID "digest.form". */
fallible digest_to_text(struct arena *arena, const struct digest *digest, struct text *out);
fallible digest_from_text(struct text untrusted_text, struct digest *out);
/* The same as a JSON text, which the caller owns; NULL without memory, as `json_set` and json_pack take it.
 */
json_t *digest_to_json(const struct digest *digest);

/* SHA-256 of a sequence of views, without allocating. `hasher_finish` may be called once. */
struct hasher {
    uint64_t state[16];
};
fallible hasher_init(struct hasher *hasher);
fallible hasher_add(struct hasher *hasher, struct bytes bytes);
fallible hasher_finish(struct hasher *hasher, struct digest *out);
void hasher_release(struct hasher *hasher);
#define scoped_hasher defer(hasher_release) struct hasher

/* HMAC-SHA-256 (RFC 2104) under a secret key. */
struct secret;
fallible digest_hmac(const struct secret *key, struct bytes bytes, struct digest *out);

/* HKDF-SHA-256 (RFC 5869), `size` octets into a fresh secret. LIMIT "digest.hkdf.size" beyond 255 * 32
 * octets and "digest.hkdf.info" beyond 1024; INVALID for an empty key. */
fallible digest_hkdf(const struct secret *key, struct bytes salt, struct bytes info, size_t size,
                     struct secret *out);

/* The one-step key derivation of NIST SP 800-56C with SHA-256, which RFC 7518 §4.6.2 calls Concat KDF: one
 * round, so at most 32 octets (LIMIT "digest.concat_kdf.size"). */
fallible digest_concat_kdf(const struct secret *shared, struct bytes other_info, size_t size,
                           struct secret *out);

/* RFC 6962 §2.1 Merkle tree hashes: leaf = SHA-256(0 ‖ data), node = SHA-256(1 ‖ left ‖ right), the empty
 * tree SHA-256(""). `leaves` are leaf hashes. `merkle_root` needs count * 32 octets of scratch from the
 * arena. */
struct digest merkle_leaf(struct bytes data);
struct digest merkle_node(const struct digest *left, const struct digest *right);
fallible merkle_root(struct arena *arena, const struct digest *leaves, size_t count, struct digest *out);
