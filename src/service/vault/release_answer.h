/* vault/release_answer.h: the signed answer of Secure Key Release (the JWS that `release` returns).
 *
 * {"request":{…},"response":{"key":{"key":{…,"key_hsm":b64u(TRANSFER)},"attributes","release_policy"}}} with
 * TRANSFER
 * {"schema_version":"1.0","header":{"alg":"dir","enc","kid"},"ciphertext":b64u}; signed RS256, with the
 * certificate chain in `x5c`. Pure but for randomness. */
#pragma once

#include "base/json.h"
#include "crypto/key.h"

enum { RELEASE_ANSWER_BYTES_MAX = 256 * 1024 };

struct release_answer {
    struct text api_version;
    struct text enc;
    enum key_oaep oaep;
    struct text kid;      /* of the released key */
    struct text nonce;    /* NULL data: none */
    const json_t *bundle; /* key bundle: kty, key_ops, attributes, release_policy are taken from it */
    const struct key *wrapping_key;
    struct text wrapping_kid;
};

struct release_signer {
    const struct key *key;
    struct text kid;
    struct text leaf;       /* base64 DER */
    struct text authority;  /* base64 DER */
    struct text thumbprint; /* base64url SHA-256 of the leaf's DER */
};

/* Wraps `material` (PKCS#8) to the wrapping key and signs; the compact JWS goes to `out`. */
fallible release_answer_make(const struct world *world, struct arena *arena,
                             const struct release_answer *answer, const struct secret *material,
                             const struct release_signer *signer, struct buffer *out);
