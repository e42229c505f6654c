/* contract/revocation.h: a party tells hosts to stop queueing runs of a contract. Formats §1.7.
 *
 * What stops releases is the owner disabling its release key; this document is the courtesy beside it. One
 * arena per parse. */
#pragma once

#include "contract/contract.h"

#define REVOCATION_TYP "truce-revocation+jws"

struct revocation {
    struct jws document;
    struct digest contract;
    struct text party;
    int64_t time;
};

fallible revocation_parse(struct arena *arena, struct bytes untrusted_bytes, struct revocation *out);
DOCUMENT_RECORD(revocation)
#define scoped_revocation defer(revocation_release) struct revocation

/* The payload for `jws_sign` with REVOCATION_TYP. */
fallible revocation_build(const struct revocation *revocation, json_t **out);

/* That it is of this contract and signed by the party that it names. UNTRUSTED "revocation.contract", DENIED
 * "revocation.party". */
fallible revocation_verify(const struct revocation *revocation, const struct contract *contract);
