/* attest/x5c.h: JSON Web Key Sets whose keys come as certificates, as Azure Attestation serves them.
 *
 * Reads the key from the first certificate of `x5c`; where the entry has n and e too they must agree. The
 * certificate is a container here: no chain is judged, keys count by pin (attest/token.h). Its own library
 * (attest_x5c), because it reads X.509 and the room must not. Any thread. */
#pragma once

#include "base/arena.h"
#include "jose/jwt.h"

/* Like `jwt_keys_from_jwks`, with `x5c`. UNTRUSTED "x5c.key_differs" when n, e and the certificate disagree;
 * UNSUPPORTED "x5c.mixed" when only some of the keys have one. */
fallible x5c_keys_from_jwks(struct arena *arena, struct bytes untrusted_jwks, struct jwt_keys *out);
