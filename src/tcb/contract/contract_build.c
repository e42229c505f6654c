#include "base/encode.h"
#include "contract/contract_query.h"

static fallible build_parties(const struct contract *contract, json_t *object)
{
    json_t *array;
    TRY(document_set_array(object, "parties", &array));
    for (size_t i = 0; i < contract->party_count; i++) {
        json_t *row;
        TRY(document_add_object(array, &row));
        TRY(json_set_text(row, "name", contract->parties[i].name));
        TRY(document_set_key(row, "signing", &contract->parties[i].signing));
        TRY(document_set_key(row, "result", &contract->parties[i].result));
    }
    return OK;
}

static fallible name_of(const struct contract *contract, size_t party, struct text *out)
{
    REQUIRE(party < contract->party_count, INVALID, "contract.party.unknown");
    *out = contract->parties[party].name;
    return OK;
}

static fallible build_pin(const struct contract_dataset *dataset, json_t *row)
{
    json_t *refreshed;
    if (!dataset->is_refreshed) {
        return document_set_digest(row, "manifest", &dataset->manifest);
    }
    TRY(document_set_object(row, "refreshed", &refreshed));
    TRY(document_set_digest(refreshed, "schema", &dataset->schema));
    return json_set_i64(refreshed, "version", (int64_t)dataset->version);
}

static fallible build_datasets(const struct contract *contract, json_t *object)
{
    json_t *array;
    TRY(document_set_array(object, "datasets", &array));
    for (size_t i = 0; i < contract->dataset_count; i++) {
        const struct contract_dataset *dataset = &contract->datasets[i];
        json_t *row;
        struct text owner;
        TRY(name_of(contract, dataset->owner, &owner));
        TRY(document_add_object(array, &row));
        TRY(json_set_text(row, "table", dataset->table));
        TRY(json_set_text(row, "dataset", dataset->dataset));
        TRY(json_set_text(row, "owner", owner));
        TRY(build_pin(dataset, row));
        TRY(document_set_digest(row, "policy", &dataset->policy));
        TRY(policy_entity_build(&dataset->entity, row, row));
    }
    return OK;
}

static fallible build_party_set(const struct contract *contract, const char *member, const size_t indexes[],
                                size_t count, json_t *object)
{
    json_t *array;
    TRY(document_set_array(object, member, &array));
    for (size_t i = 0; i < count; i++) {
        struct text name;
        TRY(name_of(contract, indexes[i], &name));
        TRY(json_add_text(array, name));
    }
    return OK;
}

static fallible build_tees(const struct contract *contract, json_t *object)
{
    json_t *array;
    TRY(document_set_array(object, "tee", &array));
    for (size_t i = 0; i < contract->tee_count; i++) {
        const struct contract_tee *tee = &contract->tees[i];
        scoped_arena arena;
        arena_init(&arena, 4096);
        struct text measurement;
        json_t *row;
        TRY(encode_hex(&arena, tee->measurement, &measurement));
        TRY(document_add_object(array, &row));
        TRY(json_set_text(row, "type", tee->type));
        TRY(json_set_text(row, "measurement", measurement));
        if (tee->has_root) {
            TRY(document_set_digest(row, "root", &tee->root));
        }
    }
    return OK;
}

static fallible build_authority(const struct contract *contract, const struct contract_authority *authority,
                                json_t *array)
{
    json_t *row;
    json_t *keys;
    struct text party;
    TRY(name_of(contract, authority->party, &party));
    TRY(document_add_object(array, &row));
    TRY(json_set_text(row, "party", party));
    TRY(json_set_text(row, "issuer", authority->issuer));
    TRY(json_set_base64url(row, "policy_hash", digest_view(&authority->policy_hash)));
    TRY(document_set_array(row, "keys", &keys));
    for (size_t i = 0; i < authority->key_count; i++) {
        scoped_arena arena;
        arena_init(&arena, 1024);
        struct text text;
        TRY(digest_to_text(&arena, &authority->keys[i], &text));
        TRY(json_add_text(keys, text));
    }
    return OK;
}

static fallible build_authorities(const struct contract *contract, json_t *object)
{
    json_t *array;
    TRY(document_set_array(object, "authorities", &array));
    for (size_t i = 0; i < contract->authority_count; i++) {
        TRY(build_authority(contract, &contract->authorities[i], array));
    }
    return OK;
}

static fallible build_queries(const struct contract *contract, json_t *object)
{
    json_t *array;
    TRY(document_set_array(object, "queries", &array));
    for (size_t i = 0; i < contract->query_count; i++) {
        json_t *row;
        TRY(document_add_object(array, &row));
        TRY(contract_query_build(contract, &contract->queries[i], row));
    }
    return OK;
}

fallible contract_build(const struct contract *contract, json_t **out)
{
    scoped_json *object = NULL;
    json_t *valid;
    TRY(document_begin("contract/1", &object));
    TRY(json_set_text(object, "title", contract->title));
    TRY(json_set_base64url(object, "salt", contract->salt));
    TRY(build_parties(contract, object));
    TRY(build_datasets(contract, object));
    TRY(build_queries(contract, object));
    TRY(build_party_set(contract, "queriers", contract->queriers, contract->querier_count, object));
    TRY(build_party_set(contract, "recipients", contract->recipients, contract->recipient_count, object));
    TRY(build_tees(contract, object));
    TRY(build_authorities(contract, object));
    TRY(document_set_names(object, "residency", contract->residency, contract->residency_count));
    TRY(json_set_text(object, "loading", TEXT("all")));
    TRY(document_set_object(object, "valid", &valid));
    TRY(json_set_time(valid, "from", contract->valid_from));
    TRY(json_set_time(valid, "until", contract->valid_until));
    *out = json_incref(object);
    return OK;
}
