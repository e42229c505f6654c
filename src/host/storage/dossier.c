#include "host/storage/dossier.h"

#include "base/encode.h"
#include "contract/manifest.h"

static fallible read_json(const struct storage *storage, const struct storage_path *path, json_t **out)
{
    scoped_buffer text;
    buffer_init(&text, JWS_SIZE_MAX);
    TRY(storage_get(storage, path, &text));
    return json_decode(buffer_view(&text), out);
}

static struct result missing(struct result result, struct result instead)
{
    return result.code == RESULT_NOT_FOUND ? instead : result;
}

static fallible path_of_digest(struct arena *arena, const struct digest *digest, struct storage_path *out)
{
    struct text hex;
    TRY(encode_hex(arena, digest_view(digest), &hex));
    return storage_path_document(hex, out);
}

static fallible read_document(struct arena *arena, const struct storage *storage, const struct digest *digest,
                              json_t **out)
{
    struct storage_path path;
    TRY(path_of_digest(arena, digest, &path));
    return read_json(storage, &path, out);
}

static fallible read_grants(struct arena *arena, const struct storage *storage, struct text contract_hex,
                            const struct contract *contract, json_t *out)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        const struct contract_party *party = &contract->parties[i];
        if (!party->is_owner) {
            continue;
        }
        struct storage_path path;
        TRY(storage_path_grant(contract_hex, party->name, &path));
        json_t *grant = NULL;
        const char *where = arena_where(arena, "%.*s", TEXT_ARGS(party->name));
        TRY(missing(read_json(storage, &path, &grant), FAIL_AT(NOT_FOUND, "dossier.grant.missing", where)));
        TRY(json_add(out, grant));
    }
    return OK;
}

/* Of data that is refreshed the run says which version. */
static fallible manifest_of(const struct contract_dataset *dataset, const struct run_request *run,
                            struct digest *out)
{
    if (dataset->is_refreshed) {
        return run_request_find_manifest(run, dataset->table, out);
    }
    *out = dataset->manifest;
    return OK;
}

static fallible read_key_update(struct arena *arena, const struct storage *storage, struct text contract_hex,
                                const json_t *manifest_document, json_t *out)
{
    struct text text;
    scoped_manifest manifest = {0};
    struct storage_dataset dataset;
    struct storage_path path;
    json_t *update = NULL;
    TRY(json_encode_text(arena, manifest_document, &text));
    TRY(manifest_parse(arena, bytes_of_text(text), &manifest));
    TRY(storage_dataset_named(manifest.dataset, manifest.version, &dataset));
    TRY(storage_path_key_update(contract_hex, &dataset, &path));
    TRY(missing(read_json(storage, &path, &update),
                FAIL_AT(NOT_FOUND, "dossier.key_update.missing", manifest.dataset.data)));
    return json_add(out, update);
}

static fallible read_dataset(struct arena *arena, const struct storage *storage, struct text contract_hex,
                             const struct contract_dataset *dataset, const struct run_request *run,
                             json_t *out)
{
    const char *where = arena_where(arena, "%.*s", TEXT_ARGS(dataset->dataset));
    struct digest digest;
    json_t *manifest = NULL;
    json_t *policy = NULL;
    TRY(manifest_of(dataset, run, &digest));
    TRY(missing(read_document(arena, storage, &digest, &manifest),
                FAIL_AT(NOT_FOUND, "dossier.manifest.missing", where)));
    TRY(json_add(json_object_get(out, "manifests"), manifest));
    TRY(missing(read_document(arena, storage, &dataset->policy, &policy),
                FAIL_AT(NOT_FOUND, "dossier.policy.missing", where)));
    TRY(json_add(json_object_get(out, "policies"), policy));
    if (!dataset->is_refreshed) {
        return OK;
    }
    if (!json_has(out, "key_updates")) {
        TRY(json_set(out, "key_updates", json_array()));
    }
    return read_key_update(arena, storage, contract_hex, manifest, json_object_get(out, "key_updates"));
}

static fallible read_all(struct arena *arena, const struct storage *storage, struct text contract_hex,
                         const struct contract *contract, const struct run_request *run, json_t *out)
{
    json_t *grants = json_array();
    TRY(json_set(out, "grants", grants));
    TRY(read_grants(arena, storage, contract_hex, contract, grants));
    TRY(json_set(out, "manifests", json_array()));
    TRY(json_set(out, "policies", json_array()));
    for (size_t i = 0; i < contract->dataset_count; i++) {
        TRY(read_dataset(arena, storage, contract_hex, &contract->datasets[i], run, out));
    }
    return OK;
}

fallible dossier_build(struct arena *arena, const struct storage *storage, struct text contract_hex,
                       struct text run, struct buffer *out)
{
    struct storage_path path;
    TRY(storage_path_contract(contract_hex, &path));
    scoped_buffer text;
    buffer_init(&text, JWS_SIZE_MAX);
    TRY(missing(storage_get(storage, &path, &text), FAIL(NOT_FOUND, "dossier.contract.missing")));
    scoped_contract contract = {0};
    TRY(contract_parse(arena, buffer_view(&text), &contract));
    scoped_json *dossier = json_object();
    json_t *document = NULL;
    TRY(json_decode(buffer_view(&text), &document));
    TRY(json_set(dossier, "contract", document));
    TRY(storage_path_request(run, &path));
    TRY(missing(read_json(storage, &path, &document), FAIL(NOT_FOUND, "dossier.request.missing")));
    TRY(json_set(dossier, "run_request", document));
    scoped_run_request request = {0};
    struct text request_text;
    TRY(json_encode_text(arena, document, &request_text));
    TRY(run_request_parse(arena, bytes_of_text(request_text), &request));
    TRY(read_all(arena, storage, contract_hex, &contract, &request, dossier));
    return json_encode(dossier, out);
}

static fallible check_parts(const struct storage *storage, const struct manifest *manifest, const char *where)
{
    struct storage_dataset dataset;
    TRY(storage_dataset_named(manifest->dataset, manifest->version, &dataset));
    for (size_t i = 0; i < manifest->part_count; i++) {
        struct storage_path sealed;
        struct storage_path leaves;
        TRY(storage_path_sealed(&dataset, manifest->parts[i].number, &sealed));
        TRY(storage_path_leaves(&dataset, manifest->parts[i].number, &leaves));
        bool are_there = storage_has(storage, &sealed) && storage_has(storage, &leaves);
        if (!are_there) {
            return FAIL_AT(NOT_FOUND, "dossier.part.missing", where);
        }
    }
    return OK;
}

fallible dossier_check(struct arena *arena, const struct storage *storage, struct text contract_hex,
                       const struct contract *contract, const struct run_request *run)
{
    scoped_json *documents = json_object();
    TRY(read_all(arena, storage, contract_hex, contract, run, documents));
    json_t *manifests = json_object_get(documents, "manifests");
    size_t index;
    json_t *document;
    json_array_foreach (manifests, index, document) {
        struct text text;
        TRY(json_encode_text(arena, document, &text));
        scoped_manifest manifest = {0};
        TRY(manifest_parse(arena, bytes_of_text(text), &manifest));
        TRY(check_parts(storage, &manifest, arena_where(arena, "%.*s", TEXT_ARGS(manifest.dataset))));
    }
    return OK;
}
