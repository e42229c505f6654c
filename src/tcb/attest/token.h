/* attest/token.h: attestation tokens in the manner of Azure Attestation (JWT, RS256, `x-ms-*` claims).
 *
 * A token counts when it is signed by a key that the verifier has pinned for that authority, and only then.
 * The JWKS that comes with it is a convenience: a key in it that is not pinned is as good as absent, and keys
 * in a token's own header are never looked at. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "jose/jwt.h"

enum { TOKEN_AUTHORITY_KEYS_MAX = 16, TOKEN_SKEW_SECONDS = 300 };

/* Whom a verifier believes, from a signed contract, a release policy or a trust file. */
struct token_authority {
    struct text issuer;                           /* a trailing slash does not count */
    struct digest keys[TOKEN_AUTHORITY_KEYS_MAX]; /* pins: SHA-256 of SubjectPublicKeyInfo */
    size_t key_count;
    struct text policy_hash; /* demanded `x-ms-policy-hash`, or empty for any */
};

struct token_demand {
    /* True: `unix_seconds` is not known, and freshness comes from `nonce`, which must then be given. For the
     * room. */
    bool without_clock;
    int64_t unix_seconds;
    int64_t skew_seconds;
    struct text nonce; /* demanded `nonce` claim, or empty for none demanded */
};

/* Verifies a token and gives its claims (the caller owns them). `keys` are those of the token's JWKS
 * (`jwt_keys_from_jwks`, or `x5c_keys_from_jwks` where X.509 may be linked). UNTRUSTED
 * "token.key_not_pinned", "token.issuer", "token.version", "token.policy_hash", "token.nonce"; EXPIRED
 * "jwt.expired" and what jose/jwt.h gives; INVALID "token.claims". */
fallible token_verify(struct arena *arena, struct text untrusted_token, const struct jwt_keys *untrusted_keys,
                      const struct token_authority *authority, const struct token_demand *demand,
                      json_t **out_claims);

/* Times of claims that are verified: when the token was made, and whether it holds at a time learned later
 * (the room's time is the newest `iat` of its tokens). */
fallible token_issued_at(const json_t *claims, int64_t *out_unix_seconds);
fallible token_check_times(const json_t *claims, int64_t unix_seconds, int64_t skew_seconds);

/* That verified claims speak of these runtime data: `x-ms-runtime` is them, and the report data of the family
 * is their digest. UNTRUSTED "token.runtime". */
fallible token_check_runtime(const json_t *claims, struct bytes runtime_data);

/* Equal but for one trailing slash. */
bool token_issuer_equal(struct text left, struct text right);
