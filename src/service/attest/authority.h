/* attest/authority.h: the state of a truce-attest: its name, its signing key, the roots that it was told to
 * trust.
 *
 * `authority_create` writes into a folder, once: attest.json (configuration), signing-key.pem, signing.der
 * (the certificate that `x5c` shows), the TLS authority (setup/tls.h) and authority.json, which is what every
 * party is given. Roots come from simulation.json files and from nowhere else: without one, all evidence of
 * family `sim` is refused. After `authority_open` it is not changed, so any thread may read it. */
#pragma once

#include "attest/judge.h"
#include "base/world.h"
#include "crypto/key.h"

enum { AUTHORITY_TOKEN_SECONDS = 28800, AUTHORITY_ANSWER_SECONDS = 3600 };

struct authority {
    struct text url; /* the issuer, without a slash at the end */
    struct text listen;
    struct key signing_key;
    struct text kid;
    struct text policy_hash; /* x-ms-policy-hash */
    struct bytes jwks;       /* what /certs answers */
    struct evidence_trust trust;
};

struct authority_options {
    struct text folder;
    struct text url;
    struct text listen;             /* empty: 127.0.0.1 and the port of the URL */
    const struct text *simulations; /* paths of simulation.json files */
    size_t simulation_count;
};

/* INVALID "attest.url", "attest.simulation"; CONFLICT when the folder was used before; what setup/file.h
 * gives. */
fallible authority_create(const struct world *world, struct arena *arena,
                          const struct authority_options *options);
fallible authority_open(struct arena *arena, struct text folder, struct authority *out);
void authority_release(struct authority *authority);
#define scoped_authority defer(authority_release) struct authority

/* The one policy: what is permitted, in the language of Azure Attestation. Its rules are what attest/sim.c
 * does. */
struct text authority_policy(void);
