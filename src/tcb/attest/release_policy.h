/* attest/release_policy.h: release policies in the grammar of Azure Key Vault's Secure Key Release.
 *
 * {"version":"1.0.0","anyOf":[{"authority":url,"allOf":[{"claim":path,"equals":value},…]},…]}. An entry has
 * an authority and an `anyOf` or `allOf`, whose members are conditions or nested lists. Operators: equals,
 * notEquals, less, lessOrEquals, greater, greaterOrEquals, exists; the older {"claim","condition","value"} is
 * read too.
 *
 * Decided where the grammar is silent: an unknown operator or member, an empty list and duplicate names are
 * errors of the policy; an absent claim denies (`exists` with false is the one condition it satisfies); claim
 * paths are dotted, and a name that itself has dots is found because the longest name is tried first; texts
 * match JSON booleans and integers by their text ("true" is true, "0" is 0); order is between integers only;
 * anything else denies. Evaluation is pure. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/digest.h"

enum {
    RELEASE_POLICY_SIZE_MAX = 64 * 1024,
    RELEASE_POLICY_DEPTH_MAX = 8,
    RELEASE_POLICY_NODES_MAX = 1024,
    RELEASE_POLICY_AUTHORITIES_MAX = 32,
};

struct release_policy {
    json_t *json;                                            /* checked form, owned */
    struct text authorities[RELEASE_POLICY_AUTHORITIES_MAX]; /* of each top entry, in order; borrowed */
    size_t authority_count;
};

void release_policy_release(struct release_policy *policy);
#define scoped_release_policy defer(release_policy_release) struct release_policy

/* Parses the octets (not base64url). INVALID "release_policy.…", LIMIT for size, depth and number. */
fallible release_policy_parse(struct bytes untrusted_bytes, struct release_policy *out);

struct release_decision {
    enum verdict verdict;
    const char *why;   /* static: "release_policy.claim.differs" … */
    struct text claim; /* the claim that failed, borrowed from the policy; never its value */
};

/* Decides for a token of `issuer`, whose signature, times and pins the caller has verified. Only entries
 * whose authority is the issuer count; one that holds allows. For a denial the first condition that failed in
 * the first such entry is named, or "release_policy.authority.none". */
struct release_decision release_policy_evaluate(const struct release_policy *policy, struct text issuer,
                                                const json_t *verified_claims);

/* True when every entry demands, by `equals`, an attestation type and the claims that identify code for
 * that type: `sim` the launch measurement and the simulation's root; `sevsnpvm` host data, and launch
 * measurement or compliance status; `sgx` MRENCLAVE. A policy for which this is false would release to any
 * program. */
bool release_policy_names_code_identity(const struct release_policy *policy);

/* True when every entry demands by `equals` that `x-ms-runtime.contract` is this digest. */
bool release_policy_names_contract(const struct release_policy *policy, const struct digest *contract);

/* What the policy of an owner is made of. */
struct release_policy_authority {
    struct text issuer;
    struct text policy_hash;
};
struct release_policy_tee {
    struct text type;        /* "sim" */
    struct text measurement; /* lower-case hex, 48 octets */
    struct digest root;
};
enum { RELEASE_POLICY_TEES_MAX = 8 };

/* Canonical octets of the policy of doc/formats.md §2: one entry per authority and TEE. UNSUPPORTED
 * "release_policy.tee" for families that no policy can be made for yet; INVALID where either list is empty.
 */
fallible release_policy_build(struct arena *arena, const struct release_policy_authority authorities[],
                              size_t authority_count, const struct release_policy_tee tees[],
                              size_t tee_count, const struct digest *contract, struct bytes *out);
