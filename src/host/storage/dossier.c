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

static fallible read_datasets(struct arena *arena, const struct storage *storage,
                              const struct contract *contract, bool policies, json_t *out)
{
    for (size_t i = 0; i < contract->dataset_count; i++) {
        const struct contract_dataset *dataset = &contract->datasets[i];
        const char *where = arena_where(arena, "%.*s", TEXT_ARGS(dataset->dataset));
        struct result absent = policies ? FAIL_AT(NOT_FOUND, "dossier.policy.missing", where)
                                        : FAIL_AT(NOT_FOUND, "dossier.manifest.missing", where);
        json_t *document = NULL;
        const struct digest *digest = policies ? &dataset->policy : &dataset->manifest;
        TRY(missing(read_document(arena, storage, digest, &document), absent));
        TRY(json_add(out, document));
    }
    return OK;
}

static fallible read_all(struct arena *arena, const struct storage *storage, struct text contract_hex,
                         const struct contract *contract, json_t *out)
{
    json_t *grants = json_array();
    TRY(json_set(out, "grants", grants));
    TRY(read_grants(arena, storage, contract_hex, contract, grants));
    json_t *manifests = json_array();
    TRY(json_set(out, "manifests", manifests));
    TRY(read_datasets(arena, storage, contract, false, manifests));
    json_t *policies = json_array();
    TRY(json_set(out, "policies", policies));
    return read_datasets(arena, storage, contract, true, policies);
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
    TRY(read_all(arena, storage, contract_hex, &contract, dossier));
    TRY(storage_path_request(run, &path));
    TRY(missing(read_json(storage, &path, &document), FAIL(NOT_FOUND, "dossier.request.missing")));
    TRY(json_set(dossier, "run_request", document));
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
                       const struct contract *contract)
{
    scoped_json *documents = json_object();
    TRY(read_all(arena, storage, contract_hex, contract, documents));
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
