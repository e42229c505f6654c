/* contract/bundle.h: a contract with everything it pins, judged together.
 *
 * The room, the verifier of receipts and `truce contract verify` all judge by these functions. `bundle_parse`
 * takes the documents in the contract's order: manifests[i] and policies[i] belong to contract.datasets[i],
 * grants[k] to the k-th party that is an owner, key_updates[j] to the j-th dataset that is refreshed. Judging
 * is `bundle_verify`, and then `bundle_check_time` with a time that the caller trusts; both are needed. One
 * arena per bundle. */
#pragma once

#include "contract/grant.h"
#include "contract/manifest.h"
#include "contract/run_request.h"

struct bundle {
    struct contract contract;
    struct manifest manifests[CONTRACT_DATASETS_MAX]; /* contract.dataset_count of them */
    struct policy policies[CONTRACT_DATASETS_MAX];
    struct grant grants[CONTRACT_PARTIES_MAX];
    size_t grant_owner[CONTRACT_PARTIES_MAX]; /* index of the party */
    size_t grant_count;
    struct key_update key_updates[CONTRACT_DATASETS_MAX]; /* of the datasets that are refreshed, in order */
    size_t key_update_count;
    struct bytes wrapped[CONTRACT_DATASETS_MAX]; /* each dataset's data key; set by bundle_verify */
    bool has_run_request;
    struct run_request run_request;
    size_t query; /* that the run request asks for; set by bundle_verify */
};

/* Reads the members contract, grants, manifests, policies, where the contract has refreshed datasets
 * key_updates and, if there, run_request (each a JWS object) of the object, which may have others: the
 * payload of a job, or a receipt bundle. Each list has exactly as many documents as the contract asks for
 * ("document.too_few", "document.too_many"); that they are the right ones is `bundle_verify`'s question. On
 * failure `out` is empty. A bundle is big: keep it in an arena or static storage. */
fallible bundle_parse(struct arena *arena, const json_t *untrusted_object, struct bundle *out);
void bundle_release(struct bundle *bundle);
#define scoped_bundle defer(bundle_release) struct bundle

/* All signatures and all that the documents say about each other. `known` as in `contract_verify`. Sets
 * `query` when there is a run request. */
fallible bundle_verify(struct arena *arena, struct bundle *bundle, const struct contract_known_party known[],
                       size_t known_count);
/* The same with `contract_verify_unexplained`: for the room only. */
fallible bundle_verify_unexplained(struct arena *arena, struct bundle *bundle);

/* That the contract, every policy and the run request, if there, are valid at that time. */
fallible bundle_check_time(const struct bundle *bundle, int64_t unix_seconds);

/* What the contract's dataset `index` and its queries say about this manifest and policy: digests, owner's
 * signatures, the same data, the same entity and threshold, every column that is read is in the schema and
 * permitted, max_rows within the policy. For `bundle_verify`, and for a party before it signs a draft.
 * UNTRUSTED "bundle.manifest.digest", "bundle.manifest.schema", "bundle.policy.digest", "bundle.policy.data",
 * DENIED "bundle.manifest.version", "bundle.read.column", "bundle.query.max_rows" and so on. */
fallible bundle_check_dataset(struct arena *arena, const struct contract *contract, size_t index,
                              const struct manifest *manifest, const struct policy *policy);
