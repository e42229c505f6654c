#include "contract/bundle.h"

/* --- parsing ------------------------------------------------------------------------------------- */

static fallible read_one(struct arena *arena, const json_t *value, const struct document_kind *kind,
                         void *out)
{
    struct text text;
    REQUIRE(json_is_object(value), INVALID, "bundle.document.form");
    TRY(json_encode_text(arena, value, &text));
    return document_parse(arena, bytes_of_text(text), kind, out);
}

/* Exactly `count` documents, in the order in which the contract speaks of them. */
static fallible read_list(struct arena *arena, const json_t *object, const char *member, size_t count,
                          const struct document_kind *kind, void *out)
{
    json_t *array;
    TRY(document_get_array(object, member, count, count, &array, &count));
    for (size_t i = 0; i < count; i++) {
        char *record = (char *)out + i * kind->record_bytes;
        TRY(document_within(arena, read_one(arena, json_array_get(array, i), kind, record), "%s[%zu]", member,
                            i));
    }
    return OK;
}

static fallible read_contract(struct arena *arena, const json_t *object, struct bundle *bundle)
{
    json_t *value;
    struct text text;
    TRY(json_get_object(object, "contract", &value));
    TRY(json_encode_text(arena, value, &text));
    TRY(document_within(arena, contract_parse(arena, bytes_of_text(text), &bundle->contract), "contract"));
    for (size_t i = 0; i < bundle->contract.party_count; i++) {
        if (bundle->contract.parties[i].is_owner) {
            bundle->grant_owner[bundle->grant_count++] = i;
        }
    }
    for (size_t i = 0; i < bundle->contract.dataset_count; i++) {
        bundle->key_update_count += bundle->contract.datasets[i].is_refreshed;
    }
    return OK;
}

static fallible read_bundle(struct arena *arena, const json_t *object, struct bundle *bundle)
{
    TRY(read_contract(arena, object, bundle));
    size_t datasets = bundle->contract.dataset_count;
    TRY(read_list(arena, object, "manifests", datasets, &manifest_kind, bundle->manifests));
    TRY(read_list(arena, object, "policies", datasets, &policy_kind, bundle->policies));
    TRY(read_list(arena, object, "grants", bundle->grant_count, &grant_kind, bundle->grants));
    if (bundle->key_update_count > 0) {
        TRY(read_list(arena, object, "key_updates", bundle->key_update_count, &key_update_kind,
                      bundle->key_updates));
    } else if (json_has(object, "key_updates")) {
        return FAIL_AT(INVALID, "bundle.key_updates.unexpected", "key_updates");
    }
    bundle->has_run_request = json_has(object, "run_request");
    return !bundle->has_run_request ? OK
                                    : document_within(arena,
                                                      read_one(arena, json_object_get(object, "run_request"),
                                                               &run_request_kind, &bundle->run_request),
                                                      "run_request");
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
        key_update_release(&bundle->key_updates[i]);
    }
    for (size_t i = 0; i < CONTRACT_PARTIES_MAX; i++) {
        grant_release(&bundle->grants[i]);
    }
    run_request_release(&bundle->run_request);
    contract_release(&bundle->contract);
    *bundle = (struct bundle){0};
}

/* --- judging ------------------------------------------------------------------------------------- */

/* Pinned data has a policy that names it; refreshed data one that names none and holds for every version. */
static fallible check_pins(struct arena *arena, const struct contract *contract, size_t index,
                           const struct manifest *manifest, const struct policy *policy)
{
    const struct contract_dataset *dataset = &contract->datasets[index];
    const struct contract_party *owner = &contract->parties[dataset->owner];
    bool refreshed = dataset->is_refreshed;
    REQUIRE(refreshed || digest_equal(&manifest->document.digest, &dataset->manifest), UNTRUSTED,
            "bundle.manifest.digest");
    REQUIRE(digest_equal(&policy->document.digest, &dataset->policy), UNTRUSTED, "bundle.policy.digest");
    TRY(manifest_verify(manifest, &owner->signing));
    TRY(policy_verify(policy, &owner->signing));
    REQUIRE(text_equal(manifest->dataset, dataset->dataset), UNTRUSTED, "bundle.manifest.dataset");
    REQUIRE(text_equal(policy->dataset, dataset->dataset), UNTRUSTED, "bundle.policy.dataset");
    REQUIRE(digest_equal(&manifest->policy, &dataset->policy), UNTRUSTED, "bundle.manifest.policy");
    REQUIRE(policy->has_data != refreshed && (refreshed || digest_equal(&policy->data, &manifest->data)),
            UNTRUSTED, "bundle.policy.data");
    REQUIRE(policy_entity_equal(&policy->entity, &dataset->entity), UNTRUSTED, "bundle.policy.entity");
    struct digest schema;
    TRY(manifest_schema_digest(arena, manifest, &schema));
    REQUIRE(!refreshed || digest_equal(&schema, &dataset->schema), UNTRUSTED, "bundle.manifest.schema");
    REQUIRE(!refreshed || manifest->version >= dataset->version, DENIED, "bundle.manifest.version");
    return OK;
}

/* A policy speaks of columns that exist, or its author had other data in mind. */
static fallible check_policy_columns(struct arena *arena, const struct manifest *manifest,
                                     const struct policy *policy)
{
    for (size_t i = 0; i < policy->column_count; i++) {
        size_t column;
        REQUIRE_AT(result_is_ok(manifest_find_column(manifest, policy->columns[i].name, &column)), INVALID,
                   "bundle.policy.column", arena_where(arena, "%.*s", TEXT_ARGS(policy->columns[i].name)));
    }
    return OK;
}

static fallible check_read(struct arena *arena, const struct contract_read *read,
                           const struct manifest *manifest, const struct policy *policy)
{
    for (size_t i = 0; i < read->column_count; i++) {
        size_t column;
        const char *where = arena_where(arena, "%.*s", TEXT_ARGS(read->columns[i]));
        REQUIRE_AT(result_is_ok(manifest_find_column(manifest, read->columns[i], &column)), INVALID,
                   "bundle.read.unknown_column", where);
        REQUIRE_AT(policy_permits_column(policy, read->columns[i]) == VERDICT_ALLOW, DENIED,
                   "bundle.read.column", where);
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
    TRY(check_pins(arena, contract, index, manifest, policy));
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

/* The keys of pinned data: of the very versions that the contract pins. */
static fallible take_granted_keys(struct bundle *bundle, const struct grant *grant)
{
    for (size_t i = 0; i < grant->key_count; i++) {
        size_t dataset;
        TRY(contract_find_dataset(&bundle->contract, grant->keys[i].dataset, &dataset));
        REQUIRE_AT(grant->keys[i].version == bundle->manifests[dataset].version, DENIED,
                   "bundle.grant.version", bundle->contract.datasets[dataset].dataset.data);
        bundle->wrapped[dataset] = grant->keys[i].wrapped;
    }
    return OK;
}

/* The keys of refreshed data: what the owner signed about the very manifest that is here. */
static fallible take_updated_key(struct bundle *bundle, size_t dataset, const struct key_update *update)
{
    const struct manifest *manifest = &bundle->manifests[dataset];
    TRY(key_update_verify(update, &bundle->contract, dataset));
    bool same =
        digest_equal(&update->manifest, &manifest->document.digest) && update->version == manifest->version;
    REQUIRE(same, UNTRUSTED, "bundle.key_update.manifest");
    bundle->wrapped[dataset] = update->wrapped;
    return OK;
}

static fallible take_updated_keys(struct arena *arena, struct bundle *bundle)
{
    const struct key_update *next = bundle->key_updates;
    for (size_t i = 0; i < bundle->contract.dataset_count; i++) {
        if (bundle->contract.datasets[i].is_refreshed) {
            TRY(document_within(arena, take_updated_key(bundle, i, next++), "%.*s",
                                TEXT_ARGS(bundle->contract.datasets[i].dataset)));
        }
    }
    return OK;
}

/* The querier, not the host, says which versions of refreshed data the run is about. */
static fallible check_versions_asked(const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->contract.dataset_count; i++) {
        const struct contract_dataset *dataset = &bundle->contract.datasets[i];
        struct digest asked;
        if (!dataset->is_refreshed) {
            continue;
        }
        TRY(run_request_find_manifest(&bundle->run_request, dataset->table, &asked));
        REQUIRE_AT(digest_equal(&asked, &bundle->manifests[i].document.digest), UNTRUSTED, "run.manifest",
                   dataset->table.data);
    }
    REQUIRE(bundle->run_request.manifest_count == bundle->key_update_count, INVALID, "run.manifest.unknown");
    return OK;
}

static fallible verify_below_contract(struct arena *arena, struct bundle *bundle)
{
    const struct contract *contract = &bundle->contract;
    for (size_t i = 0; i < contract->dataset_count; i++) {
        TRY(bundle_check_dataset(arena, contract, i, &bundle->manifests[i], &bundle->policies[i]));
    }
    for (size_t i = 0; i < bundle->grant_count; i++) {
        struct text owner = contract->parties[bundle->grant_owner[i]].name;
        REQUIRE_AT(text_equal(bundle->grants[i].owner, owner), INVALID, "bundle.grant.owner", owner.data);
        TRY(grant_verify(&bundle->grants[i], contract));
        TRY(take_granted_keys(bundle, &bundle->grants[i]));
    }
    TRY(take_updated_keys(arena, bundle));
    if (!bundle->has_run_request) {
        return OK;
    }
    TRY(run_request_verify(arena, &bundle->run_request, contract, &bundle->query));
    return check_versions_asked(bundle);
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
        TRY(result_at(policy_check_time(&bundle->policies[i], unix_seconds),
                      contract->datasets[i].dataset.data));
    }
    return bundle->has_run_request ? run_request_check_time(&bundle->run_request, unix_seconds) : OK;
}
