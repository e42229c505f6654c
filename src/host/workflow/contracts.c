#include "base/encode.h"
#include "host/workflow/handlers.h"

/* ---- Contracts ---- */

/* Every signature is by a party of the contract and holds, so that nobody can fill a contract with noise. */
static fallible check_signatures(struct arena *arena, const struct contract *contract)
{
    size_t signed_count = 0;
    for (size_t i = 0; i < contract->party_count; i++) {
        if (contract->parties[i].is_signed) {
            TRY(contract_verify_signature(arena, contract, i));
            signed_count++;
        }
    }
    REQUIRE(signed_count > 0, INVALID, "workflow.contract.unsigned");
    REQUIRE(signed_count == contract->document.signature_count, UNTRUSTED, "workflow.contract.stranger");
    return OK;
}

static bool has_signature_by(const struct jws *document, struct text kid)
{
    for (size_t i = 0; i < document->signature_count; i++) {
        if (text_equal(document->signatures[i].kid, kid)) {
            return true;
        }
    }
    return false;
}

/* Adds to `merged` the stored signatures of parties that have not signed the new document. */
static fallible merge(struct arena *arena, struct bytes stored, const struct contract *incoming,
                      json_t *merged)
{
    scoped_contract present = {0};
    TRY(contract_parse(arena, stored, &present));
    scoped_json *document = NULL;
    TRY(json_decode(stored, &document));
    json_t *signatures;
    TRY(json_get_array(document, "signatures", &signatures));
    for (size_t i = 0; i < present.document.signature_count; i++) {
        if (!has_signature_by(&incoming->document, present.document.signatures[i].kid)) {
            TRY(json_add(json_object_get(merged, "signatures"), json_incref(json_array_get(signatures, i))));
        }
    }
    return OK;
}

static fallible names_of(const struct contract *contract, bool is_signed, json_t *out)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        if (contract->parties[i].is_signed == is_signed) {
            TRY(json_add_text(out, contract->parties[i].name));
        }
    }
    return OK;
}

static fallible add_names(const struct contract *contract, json_t *out)
{
    json_t *names = json_array();
    TRY(json_set(out, "signed", names));
    TRY(names_of(contract, true, names));
    names = json_array();
    TRY(json_set(out, "missing", names));
    return names_of(contract, false, names);
}

static fallible reply_contract(struct http_request *request, struct http_reply *reply, struct bytes octets,
                               bool is_new)
{
    scoped_contract contract = {0};
    TRY(contract_parse(request->arena, octets, &contract));
    scoped_json *value = json_object();
    struct text digest;
    TRY(digest_to_text(request->arena, &contract.document.digest, &digest));
    TRY(json_set_text(value, "contract", digest));
    TRY(add_names(&contract, value));
    return reply_json(request, reply, is_new ? 201 : 200, value);
}

static fallible store_merged(struct workflow *workflow, struct http_request *request,
                             struct http_reply *reply, const struct contract *incoming)
{
    struct storage_path path;
    TRY(storage_path_contract(request->captures.rows[0], &path));
    scoped_json *merged = NULL;
    TRY(json_decode(request->body, &merged));
    scoped_buffer stored;
    buffer_init(&stored, JWS_SIZE_MAX);
    struct result present = storage_get(workflow->storage, &path, &stored);
    if (result_is_ok(present)) {
        TRY(merge(request->arena, buffer_view(&stored), incoming, merged));
    } else if (present.code != RESULT_NOT_FOUND) {
        return present;
    }
    struct text text;
    TRY(json_encode_text(request->arena, merged, &text));
    bool is_changed;
    TRY(storage_put(workflow->storage, &path, bytes_of_text(text), STORAGE_REPLACE, &is_changed));
    return reply_contract(request, reply, bytes_of_text(text), present.code == RESULT_NOT_FOUND);
}

static fallible put_contract(struct workflow *workflow, struct http_request *request,
                             struct http_reply *reply, struct workflow_documents *documents)
{
    struct contract *contract = &documents->contract;
    TRY(contract_parse(request->arena, request->body, contract));
    struct text hex;
    TRY(workflow_hex_of(request->arena, &contract->document.digest, &hex));
    REQUIRE(text_equal(hex, request->captures.rows[0]), INVALID, "workflow.contract.other_digest");
    TRY(check_signatures(request->arena, contract));
    pthread_mutex_lock(&workflow->contract_mutex);
    struct result result = store_merged(workflow, request, reply, contract);
    pthread_mutex_unlock(&workflow->contract_mutex);
    return result;
}
DOCUMENT_HANDLER(workflow_put_contract, put_contract)

HANDLER(workflow_get_contract)
{
    struct storage_path path;
    TRY(storage_path_contract(request->captures.rows[0], &path));
    return workflow_send_object(self, request, reply, &path, "application/json");
}

/* ---- The list ---- */

struct listing {
    struct workflow *workflow;
    json_t *rows;
};

static fallible add_grants(struct workflow *workflow, const struct contract *contract, struct text hex,
                           json_t *out)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        struct storage_path path;
        TRY(storage_path_grant(hex, contract->parties[i].name, &path));
        if (storage_has(workflow->storage, &path)) {
            TRY(json_add_text(out, contract->parties[i].name));
        }
    }
    return OK;
}

static fallible add_row(struct listing *listing, struct arena *arena, struct text hex)
{
    scoped_contract contract = {0};
    TRY(workflow_load_contract(listing->workflow, arena, hex, &contract));
    json_t *row = json_object();
    TRY(json_add(listing->rows, row));
    struct text digest;
    TRY(digest_to_text(arena, &contract.document.digest, &digest));
    TRY(json_set_text(row, "contract", digest));
    TRY(json_set_text(row, "title", contract.title));
    TRY(add_names(&contract, row));
    json_t *grants = json_array();
    TRY(json_set(row, "grants", grants));
    TRY(add_grants(listing->workflow, &contract, hex, grants));
    struct storage_path revocation;
    TRY(storage_path_revocation(hex, &revocation));
    return json_set(row, "revoked", json_boolean(storage_has(listing->workflow->storage, &revocation)));
}

/* A folder that holds no contract (yet) is left out. */
static fallible visit(void *self, const char *name)
{
    scoped_arena arena;
    arena_init(&arena, WORKFLOW_ARENA_BYTES);
    struct result result = add_row(self, &arena, text_of(name));
    bool is_fatal = result.code == RESULT_NO_MEMORY;
    return is_fatal ? result : OK;
}

HANDLER(workflow_list_contracts)
{
    struct workflow *workflow = self;
    scoped_json *value = json_object();
    struct listing listing = {workflow, json_array()};
    TRY(json_set(value, "contracts", listing.rows));
    TRY(storage_list(workflow->storage, "contracts", WORKFLOW_CONTRACTS_MAX, visit, &listing));
    return reply_json(request, reply, 200, value);
}

/* ---- Grants, key updates and revocations ---- */

static fallible check_grant(const struct http_request *request, const struct contract *contract,
                            const struct grant *grant)
{
    REQUIRE(digest_equal(&grant->contract, &contract->document.digest), INVALID,
            "workflow.grant.other_contract");
    REQUIRE(text_equal(grant->owner, request->captures.rows[1]), INVALID, "workflow.grant.other_owner");
    size_t owner;
    TRY(contract_find_party(contract, grant->owner, &owner));
    return document_verify_only(&grant->document, &contract->parties[owner].signing);
}

static fallible put_grant(struct workflow *workflow, struct http_request *request, struct http_reply *reply,
                          struct workflow_documents *documents)
{
    struct contract *contract = &documents->contract;
    TRY(workflow_load_contract(workflow, request->arena, request->captures.rows[0], contract));
    struct grant *grant = &documents->grant;
    TRY(grant_parse(request->arena, request->body, grant));
    TRY(check_grant(request, contract, grant));
    struct storage_path path;
    TRY(storage_path_grant(request->captures.rows[0], request->captures.rows[1], &path));
    bool is_new;
    TRY(storage_put(workflow->storage, &path, request->body, STORAGE_REPLACE, &is_new));
    return workflow_reply_stored(request, reply, &grant->document.digest, is_new);
}
DOCUMENT_HANDLER(workflow_put_grant, put_grant)

HANDLER(workflow_get_grant)
{
    struct storage_path path;
    TRY(storage_path_grant(request->captures.rows[0], request->captures.rows[1], &path));
    return workflow_send_object(self, request, reply, &path, "application/json");
}

static fallible key_update_dataset(const struct http_request *request, struct text version,
                                   struct storage_dataset *out)
{
    return storage_dataset_of(request->captures.rows[1], request->captures.rows[2], version, out);
}

static fallible put_key_update(struct workflow *workflow, struct http_request *request,
                               struct http_reply *reply, struct workflow_documents *documents)
{
    struct contract *contract = &documents->contract;
    struct key_update *update = &documents->key_update;
    struct storage_dataset place;
    struct storage_dataset named;
    struct storage_path path;
    size_t dataset;
    bool is_new;
    TRY(key_update_dataset(request, request->captures.rows[3], &place));
    TRY(workflow_load_contract(workflow, request->arena, request->captures.rows[0], contract));
    TRY(key_update_parse(request->arena, request->body, update));
    TRY(storage_dataset_named(update->dataset, update->version, &named));
    bool is_this = text_equal(named.owner, place.owner) && text_equal(named.name, place.name) &&
                   named.version == place.version;
    REQUIRE(is_this, INVALID, "workflow.key_update.other_dataset");
    TRY(contract_find_dataset(contract, update->dataset, &dataset));
    REQUIRE(contract->datasets[dataset].is_refreshed, INVALID, "workflow.key_update.pinned");
    TRY(key_update_verify(update, contract, dataset));
    TRY(storage_path_key_update(request->captures.rows[0], &place, &path));
    TRY(storage_put(workflow->storage, &path, request->body, STORAGE_REPLACE, &is_new));
    return workflow_reply_stored(request, reply, &update->document.digest, is_new);
}
DOCUMENT_HANDLER(workflow_put_key_update, put_key_update)

static fallible keep_newest(void *self, const char *name)
{
    uint64_t version;
    uint64_t *newest = self;
    struct text text = text_of(name);
    if (text_ends_with(text, TEXT(".json")) &&
        result_is_ok(
            decode_u64((struct text){text.data, text.size - strlen(".json")}, INT32_MAX, &version))) {
        *newest = version > *newest ? version : *newest;
    }
    return OK;
}

HANDLER(workflow_get_newest_key_update)
{
    struct workflow *workflow = self;
    struct storage_dataset dataset;
    struct storage_path path;
    uint64_t newest = 0;
    TRY(key_update_dataset(request, TEXT("1"), &dataset));
    TRY(storage_path_key_updates(request->captures.rows[0], &dataset, &path));
    TRY(storage_list(workflow->storage, path.text, WORKFLOW_CONTRACTS_MAX, keep_newest, &newest));
    REQUIRE(newest > 0, NOT_FOUND, "workflow.key_update.missing");
    dataset.version = newest;
    TRY(storage_path_key_update(request->captures.rows[0], &dataset, &path));
    return workflow_send_object(self, request, reply, &path, "application/json");
}

HANDLER(workflow_get_key_update)
{
    struct storage_dataset dataset;
    struct storage_path path;
    TRY(key_update_dataset(request, request->captures.rows[3], &dataset));
    TRY(storage_path_key_update(request->captures.rows[0], &dataset, &path));
    return workflow_send_object(self, request, reply, &path, "application/json");
}

static fallible post_revocation(struct workflow *workflow, struct http_request *request,
                                struct http_reply *reply, struct workflow_documents *documents)
{
    struct text hex = request->captures.rows[0];
    struct contract *contract = &documents->contract;
    TRY(workflow_load_contract(workflow, request->arena, hex, contract));
    struct revocation *revocation = &documents->revocation;
    TRY(revocation_parse(request->arena, request->body, revocation));
    TRY(revocation_verify(revocation, contract));
    struct storage_path path;
    TRY(storage_path_revocation(hex, &path));
    bool is_new = false;
    if (!storage_has(workflow->storage, &path)) {
        TRY(storage_put(workflow->storage, &path, request->body, STORAGE_REPLACE, &is_new));
    }
    const char *contract_hex;
    TRY(arena_cstring(request->arena, hex, &contract_hex));
    TRY(queue_cancel(workflow->queue, contract_hex, "contract.revoked", world_now(workflow->world) * 1000));
    log_event(workflow->log, "contract.revoked", LOG_TEXT("contract", hex),
              LOG_TEXT("party", revocation->party));
    return workflow_reply_stored(request, reply, &revocation->document.digest, is_new);
}
DOCUMENT_HANDLER(workflow_post_revocation, post_revocation)
