/* jose/jwt.h: compact JWS tokens (RFC 7515 §7.1, RFC 7519): access tokens, attestation tokens, release
 * answers.
 *
 * Verification is strict: the caller's key set and algorithm, never a key from the token's own header
 * (`jwk`, `jku`, `x5c`, `x5u` are ignored as keys; `crit` is refused), alg none does not exist. Times are
 * compared by the caller's clock with a stated skew. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/key.h"

enum { JWT_SIZE_MAX = 512 * 1024, JWT_KEYS_MAX = 32 };

/* A JSON Web Key Set whose keys can be found by kid. */
struct jwt_keys {
    struct {
        struct text kid;
        struct key key;
        struct digest pin; /* SHA-256 of its SubjectPublicKeyInfo */
    } rows[JWT_KEYS_MAX];
    size_t count;
};
void jwt_keys_release(struct jwt_keys *keys);
#define scoped_jwt_keys defer(jwt_keys_release) struct jwt_keys

/* Reads {"keys":[…]}: each key as JWK members (n, e or crv, x, y). Keys of a kind or size that we do not
 * use, without a kid or with `"use":"enc"` are left out. A key that has only `x5c` is left out here (attest/
 * reads those, it knows X.509). A malformed or private key makes the whole set INVALID. Several keys may
 * have one kid; each is tried. */
fallible jwt_keys_from_jwks(struct arena *arena, struct bytes untrusted_jwks, struct jwt_keys *out);

struct jwt {
    json_t *header;  /* owned */
    json_t *claims;  /* owned */
    struct text kid; /* empty if the header has none */
    struct text signing_input;
    struct bytes signature;
};
void jwt_release(struct jwt *jwt);
#define scoped_jwt defer(jwt_release) struct jwt

/* Form only: everything in it is still untrusted. Payload must be a JSON object. The token must outlive
 * `out` (`signing_input` is a part of it). INVALID "jwt.form", "jwt.crit" and those of base/json.h; LIMIT
 * "jwt.size". */
fallible jwt_parse(struct arena *arena, struct text untrusted_token, struct jwt *out);

/* UNTRUSTED "jwt.algorithm", "jwt.key_unknown", "jwt.signature" ("key.signature.high_s" is told apart).
 * `algorithm` is the one accepted. A token without kid has no key in a set. */
fallible jwt_verify(const struct jwt *jwt, const struct jwt_keys *keys, enum key_algorithm algorithm);
fallible jwt_verify_by_key(const struct jwt *jwt, const struct key *key, enum key_algorithm algorithm);

/* exp must be there and not passed, nbf and iat, if there, not in the future; all with `skew_seconds`.
 * INVALID for a time that is not an integer, EXPIRED "jwt.expired", UNTRUSTED "jwt.not_yet_valid". */
fallible jwt_check_times(const struct jwt *jwt, int64_t unix_seconds, int64_t skew_seconds);

/* `header` holds members beside alg (kid, typ, x5c …), borrowed, or is NULL. INVALID "jwt.header.reserved"
 * where it holds alg or crit. The token goes to `out`. */
fallible jwt_sign(const json_t *header, const json_t *claims, const struct key *key,
                  enum key_algorithm algorithm, struct buffer *out);
