/* identity/identity.h: from a bearer token to a verified caller.
 *
 * Tokens are those of one pinned issuer and tenant, RS256 by a key the caller of this module holds, for one
 * of the listed audiences (a slash at the end does not count), within their times (five minutes of skew). The
 * caller is known by tenant and object id, never by a name. Nothing here decides what the caller may do
 * (access/). Pure. Any thread. */
#pragma once

#include "base/arena.h"
#include "jose/jwt.h"

enum { IDENTITY_AUDIENCES_MAX = 8, IDENTITY_SKEW_SECONDS = 300 };

struct identity_trust {
    struct text issuer; /* as in `iss`, a slash at the end does not count */
    struct text tenant;
    struct text audiences[IDENTITY_AUDIENCES_MAX]; /* up to the first empty one */
    const struct jwt_keys *keys;
};

struct principal {
    struct text tenant;
    struct text object;      /* `oid` */
    struct text application; /* `appid` or `azp` */
};

/* All refusals are UNAUTHENTICATED: "identity.token.missing", "identity.issuer", "identity.audience",
 * "identity.token.form", "identity.token.signature", "identity.token.expired",
 * "identity.token.not_yet_valid", "identity.token.claims", "identity.tenant". */
fallible identity_verify(struct arena *arena, const struct identity_trust *trust, struct text untrusted_token,
                         int64_t unix_seconds, struct principal *out);
