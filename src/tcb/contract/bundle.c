#include "contract/bundle.h"

/* --- parsing ------------------------------------------------------------------------------------- */

static fallible text_of_document(struct arena *arena, const json_t *value, struct bytes *out)
{
    struct text text;
    REQUIRE(json_is_object(value), INVALID, "bundle.document.form");
    TRY(json_encode_text(arena, value, &text));
    *out = bytes_of_text(text);
    return OK;
}

static fallible place_manifest(struct arena *arena, struct bytes document, struct bundle *bundle)
{
    scoped_manifest manifest = {0};
    TRY(manifest_parse(arena, document, &manifest));
    for (size_t i = 0; i < bundle->contract.dataset_count; i++) {
        if (!digest_equal(&bundle->contract.datasets[i].manifest, &manifest.document.digest)) {
            continue;
        }
        REQUIRE(bundle->manifests[i].part_count == 0, INVALID, "bundle.manifest.duplicate");
        bundle->manifests[i] = manifest;
        manifest = (struct manifest){0};
        return OK;
    }
    return FAIL(INVALID, "bundle.manifest.unknown");
}

static fallible place_policy(struct arena *arena, struct bytes document, struct bundle *bundle)
{
    scoped_policy policy = {0};
    TRY(policy_parse(arena, document, &policy));
    for (size_t i = 0; i < bundle->contract.dataset_count; i++) {
        if (!digest_equal(&bundle->contract.datasets[i].policy, &policy.document.digest)) {
            continue;
        }
        REQUIRE(bundle->policies[i].mode == POLICY_MODE_NONE, INVALID, "bundle.policy.duplicate");
        bundle->policies[i] = policy;
        policy = (struct policy){0};
        return OK;
    }
    return FAIL(INVALID, "bundle.policy.unknown");
}

/* By the owner's name only: whether it is the right grant, `grant_verify` decides. */
static fallible place_grant(struct arena *arena, struct bytes document, struct bundle *bundle)
{
    scoped_grant grant = {0};
    TRY(grant_parse(arena, document, &grant));
    for (size_t i = 0; i < bundle->grant_count; i++) {
        if (!text_equal(bundle->contract.parties[bundle->grant_owner[i]].name, grant.owner)) {
            continue;
        }
        REQUIRE(bundle->grants[i].key_count == 0, INVALID, "bundle.grant.duplicate");
        bundle->grants[i] = grant;
        grant = (struct grant){0};
        return OK;
    }
    return FAIL(INVALID, "bundle.grant.unknown");
}

static fallible place_all(struct arena *arena, const json_t *object, const char *member, size_t max,
                          fallible (*place)(struct arena *, struct bytes, struct bundle *),
                          struct bundle *bundle)
{
    json_t *array;
    size_t count;
    TRY(document_get_array(object, member, 0, max, &array, &count));
    for (size_t i = 0; i < count; i++) {
        struct bytes document;
        TRY(document_within(arena, text_of_document(arena, json_array_get(array, i), &document), "%s[%zu]",
                            member, i));
        TRY(document_within(arena, place(arena, document, bundle), "%s[%zu]", member, i));
    }
    return OK;
}

static fallible refuse_missing(const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->contract.dataset_count; i++) {
        const char *where = bundle->contract.datasets[i].dataset.data;
        if (bundle->manifests[i].part_count == 0) {
            return FAIL_AT(INVALID, "bundle.manifest.missing", where);
        }
        if (bundle->policies[i].mode == POLICY_MODE_NONE) {
            return FAIL_AT(INVALID, "bundle.policy.missing", where);
        }
    }
    for (size_t i = 0; i < bundle->grant_count; i++) {
        if (bundle->grants[i].key_count == 0) {
            return FAIL_AT(INVALID, "bundle.grant.missing",
                           bundle->contract.parties[bundle->grant_owner[i]].name.data);
        }
    }
    return OK;
}

static fallible read_contract(struct arena *arena, const json_t *object, struct bundle *bundle)
{
    json_t *value;
    struct bytes document;
    TRY(json_get_object(object, "contract", &value));
    TRY(text_of_document(arena, value, &document));
    TRY(document_within(arena, contract_parse(arena, document, &bundle->contract), "contract"));
    for (size_t i = 0; i < bundle->contract.party_count; i++) {
        if (bundle->contract.parties[i].is_owner) {
            bundle->grant_owner[bundle->grant_count++] = i;
        }
    }
    return OK;
}

static fallible read_run_request(struct arena *arena, const json_t *object, struct bundle *bundle)
{
    bundle->has_run_request = json_has(object, "run_request");
    if (!bundle->has_run_request) {
        return OK;
    }
    json_t *value;
    struct bytes document;
    TRY(json_get_object(object, "run_request", &value));
    TRY(text_of_document(arena, value, &document));
    return document_within(arena, run_request_parse(arena, document, &bundle->run_request), "run_request");
}

static fallible read_bundle(struct arena *arena, const json_t *object, struct bundle *bundle)
{
    TRY(read_contract(arena, object, bundle));
    TRY(place_all(arena, object, "manifests", CONTRACT_DATASETS_MAX, place_manifest, bundle));
    TRY(place_all(arena, object, "policies", CONTRACT_DATASETS_MAX, place_policy, bundle));
    TRY(place_all(arena, object, "grants", CONTRACT_PARTIES_MAX, place_grant, bundle));
    TRY(refuse_missing(bundle));
    return read_run_request(arena, object, bundle);
}

fallible bundle_parse(struct arena *arena, const json_t *untrusted_object, struct bundle *out)
{
    *out = (struct bundle){0};
    struct result result = read_bundle(arena, untrusted_object, out);
    if (!result_is_ok(result)) {
        bundle_release(out);
    }
    return result;
}

void bundle_release(struct bundle *bundle)
{
    for (size_t i = 0; i < CONTRACT_DATASETS_MAX; i++) {
        manifest_release(&bundle->manifests[i]);
        policy_release(&bundle->policies[i]);
    }
    for (size_t i = 0; i < CONTRACT_PARTIES_MAX; i++) {
        grant_release(&bundle->grants[i]);
    }
    run_request_release(&bundle->run_request);
    contract_release(&bundle->contract);
    *bundle = (struct bundle){0};
}

/* --- judging ------------------------------------------------------------------------------------- */

static fallible check_pins(const struct contract *contract, size_t index, const struct manifest *manifest,
                           const struct policy *policy)
{
    const struct contract_dataset *dataset = &contract->datasets[index];
    const struct contract_party *owner = &contract->parties[dataset->owner];
    REQUIRE(digest_equal(&manifest->document.digest, &dataset->manifest), UNTRUSTED,
            "bundle.manifest.digest");
    REQUIRE(digest_equal(&policy->document.digest, &dataset->policy), UNTRUSTED, "bundle.policy.digest");
    TRY(manifest_verify(manifest, &owner->signing));
    TRY(policy_verify(policy, &owner->signing));
    REQUIRE(text_equal(manifest->dataset, dataset->dataset), UNTRUSTED, "bundle.manifest.dataset");
    REQUIRE(text_equal(policy->dataset, dataset->dataset), UNTRUSTED, "bundle.policy.dataset");
    REQUIRE(digest_equal(&manifest->policy, &dataset->policy), UNTRUSTED, "bundle.manifest.policy");
    REQUIRE(digest_equal(&policy->data, &manifest->data), UNTRUSTED, "bundle.policy.data");
    REQUIRE(policy_entity_equal(&policy->entity, &dataset->entity), UNTRUSTED, "bundle.policy.entity");
    return OK;
}

/* A policy speaks of columns that exist, or its author had other data in mind. */
static fallible check_policy_columns(struct arena *arena, const struct manifest *manifest,
                                     const struct policy *policy)
{
    for (size_t i = 0; i < policy->column_count; i++) {
        size_t column;
        if (!result_is_ok(manifest_find_column(manifest, policy->columns[i].name, &column))) {
            return FAIL_AT(INVALID, "bundle.policy.column",
                           arena_where(arena, "%.*s", TEXT_ARGS(policy->columns[i].name)));
        }
    }
    return OK;
}

static fallible check_read(struct arena *arena, const struct contract_read *read,
                           const struct manifest *manifest, const struct policy *policy)
{
    for (size_t i = 0; i < read->column_count; i++) {
        size_t column;
        const char *where = arena_where(arena, "%.*s", TEXT_ARGS(read->columns[i]));
        if (!result_is_ok(manifest_find_column(manifest, read->columns[i], &column))) {
            return FAIL_AT(INVALID, "bundle.read.unknown_column", where);
        }
        if (policy_permits_column(policy, read->columns[i]) != VERDICT_ALLOW) {
            return FAIL_AT(DENIED, "bundle.read.column", where);
        }
    }
    return OK;
}

static fallible check_query(struct arena *arena, const struct contract_query *query, size_t index,
                            const struct manifest *manifest, const struct policy *policy)
{
    for (size_t i = 0; i < query->read_count; i++) {
        if (query->reads[i].dataset == index) {
            TRY(check_read(arena, &query->reads[i], manifest, policy));
            REQUIRE(query->max_rows <= policy->max_rows, DENIED, "bundle.query.max_rows");
        }
    }
    return OK;
}

static fallible check_dataset(struct arena *arena, const struct contract *contract, size_t index,
                              const struct manifest *manifest, const struct policy *policy)
{
    TRY(check_pins(contract, index, manifest, policy));
    TRY(check_policy_columns(arena, manifest, policy));
    for (size_t i = 0; i < contract->query_count; i++) {
        TRY(document_within(arena, check_query(arena, &contract->queries[i], index, manifest, policy),
                            "query %.*s", TEXT_ARGS(contract->queries[i].name)));
    }
    return OK;
}

fallible bundle_check_dataset(struct arena *arena, const struct contract *contract, size_t index,
                              const struct manifest *manifest, const struct policy *policy)
{
    REQUIRE(index < contract->dataset_count, NOT_FOUND, "contract.dataset.unknown");
    return document_within(arena, check_dataset(arena, contract, index, manifest, policy), "%.*s",
                           TEXT_ARGS(contract->datasets[index].dataset));
}

static fallible check_grant_versions(const struct bundle *bundle, const struct grant *grant)
{
    for (size_t i = 0; i < grant->key_count; i++) {
        size_t dataset;
        TRY(contract_find_dataset(&bundle->contract, grant->keys[i].dataset, &dataset));
        if (grant->keys[i].version != bundle->manifests[dataset].version) {
            return FAIL_AT(DENIED, "bundle.grant.version", bundle->contract.datasets[dataset].dataset.data);
        }
    }
    return OK;
}

static fallible verify_below_contract(struct arena *arena, struct bundle *bundle)
{
    const struct contract *contract = &bundle->contract;
    for (size_t i = 0; i < contract->dataset_count; i++) {
        TRY(bundle_check_dataset(arena, contract, i, &bundle->manifests[i], &bundle->policies[i]));
    }
    for (size_t i = 0; i < bundle->grant_count; i++) {
        TRY(grant_verify(&bundle->grants[i], contract));
        TRY(check_grant_versions(bundle, &bundle->grants[i]));
    }
    if (bundle->has_run_request) {
        TRY(run_request_verify(arena, &bundle->run_request, contract, &bundle->query));
    }
    return OK;
}

fallible bundle_verify(struct arena *arena, struct bundle *bundle, const struct contract_known_party known[],
                       size_t known_count)
{
    TRY(contract_verify(arena, &bundle->contract, known, known_count));
    return verify_below_contract(arena, bundle);
}

fallible bundle_verify_unexplained(struct arena *arena, struct bundle *bundle)
{
    TRY(contract_verify_unexplained(arena, &bundle->contract));
    return verify_below_contract(arena, bundle);
}

fallible bundle_check_time(const struct bundle *bundle, int64_t unix_seconds)
{
    const struct contract *contract = &bundle->contract;
    TRY(contract_check_time(contract, unix_seconds));
    for (size_t i = 0; i < contract->dataset_count; i++) {
        struct result result = policy_check_time(&bundle->policies[i], unix_seconds);
        if (!result_is_ok(result)) {
            result.where = contract->datasets[i].dataset.data;
            return result;
        }
    }
    return bundle->has_run_request ? run_request_check_time(&bundle->run_request, unix_seconds) : OK;
}
