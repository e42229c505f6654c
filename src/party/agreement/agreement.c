#include "party/agreement/agreement.h"

#include "base/encode.h"
#include "party/home/file.h"

fallible agreement_read(struct arena *arena, const char *path, struct contract *out)
{
    struct bytes bytes;
    scoped_json *json = NULL;
    TRY(file_read(arena, path, &bytes));
    TRY(json_decode(bytes, &json));
    if (json_has(json, "signatures")) {
        return contract_parse(arena, bytes, out);
    }
    return contract_parse_payload(arena, bytes, out);
}

fallible agreement_hex(struct arena *arena, const struct digest *digest, const char **out)
{
    struct text text;
    TRY(encode_hex(arena, digest_view(digest), &text));
    return arena_cstring(arena, text, out);
}

fallible agreement_known(struct arena *arena, const struct address_book *book,
                         struct contract_known_party **out, size_t *out_count)
{
    TRY(ARENA_ARRAY(arena, struct contract_known_party, book->count, out));
    for (size_t i = 0; i < book->count; i++) {
        (*out)[i].name = book->rows[i].card.name;
        (*out)[i].fingerprint = book->rows[i].card.fingerprint;
    }
    *out_count = book->count;
    return OK;
}

static fallible check_result_key(const struct contract_party *party, const struct address_book *book)
{
    const struct acquaintance *known = address_book_by_fingerprint(book, &party->fingerprint);
    REQUIRE(known != NULL, UNTRUSTED, "contract.party.not_known");
    struct digest named;
    struct digest own;
    TRY(key_thumbprint(&party->result, &named));
    TRY(key_thumbprint(&known->card.result, &own));
    REQUIRE(digest_equal(&named, &own), UNTRUSTED, "contract.party.result_key");
    return OK;
}

fallible agreement_check_result_keys(struct arena *arena, const struct contract *contract,
                                     const struct address_book *book)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        struct result result = check_result_key(&contract->parties[i], book);
        if (!result_is_ok(result)) {
            result.where = arena_where(arena, "%.*s", TEXT_ARGS(contract->parties[i].name));
            return result;
        }
    }
    return OK;
}

fallible agreement_find_self(const struct contract *contract, const struct digest *fingerprint,
                             size_t *out_index)
{
    for (size_t i = 0; i < contract->party_count; i++) {
        if (digest_equal(&contract->parties[i].fingerprint, fingerprint)) {
            *out_index = i;
            return OK;
        }
    }
    return FAIL(DENIED, "agreement.not_a_party");
}

static fallible contract_path(struct arena *arena, const char *folder, const struct digest *contract,
                              const char *name, const char **out)
{
    const char *hex;
    TRY(agreement_hex(arena, contract, &hex));
    return file_path(arena, folder, arena_where(arena, "contracts/%s/%s", hex, name), out);
}

static fallible keep(struct arena *arena, const char *path, struct bytes document)
{
    const char *folder;
    TRY(file_folder_of(arena, path, &folder));
    TRY(file_make_folder(folder));
    return file_write(path, document, FILE_PRIVATE);
}

fallible agreement_keep_contract(struct arena *arena, const char *folder, const struct digest *contract,
                                 struct bytes document, struct bytes grant)
{
    const char *path;
    if (grant.size > 0) {
        TRY(contract_path(arena, folder, contract, "grant.json", &path));
        TRY(keep(arena, path, grant));
    }
    TRY(contract_path(arena, folder, contract, "contract.json", &path));
    return keep(arena, path, document);
}

fallible agreement_kept_grant(struct arena *arena, const char *folder, const struct digest *contract,
                              struct bytes *out)
{
    const char *path;
    TRY(contract_path(arena, folder, contract, "grant.json", &path));
    return file_read(arena, path, out);
}

bool agreement_is_kept(struct arena *arena, const char *folder, const struct digest *contract)
{
    const char *path;
    return result_is_ok(contract_path(arena, folder, contract, "contract.json", &path)) && file_exists(path);
}

static fallible request_path(struct arena *arena, const char *folder, struct text run, const char **out)
{
    REQUIRE(run.size == RUN_ID_CHARACTERS && text_is_name(run), INVALID, "agreement.run");
    return file_path(arena, folder, arena_where(arena, "runs/%.*s/request.json", TEXT_ARGS(run)), out);
}

fallible agreement_keep_request(struct arena *arena, const char *folder, struct text run,
                                struct bytes document)
{
    const char *path;
    TRY(request_path(arena, folder, run, &path));
    return keep(arena, path, document);
}

fallible agreement_kept_request(struct arena *arena, const char *folder, struct text run, struct bytes *out)
{
    const char *path;
    TRY(request_path(arena, folder, run, &path));
    return file_read(arena, path, out);
}

void agreement_documents_release(struct agreement_documents *documents)
{
    manifest_release(&documents->manifest);
    policy_release(&documents->policy);
}

bool agreement_is_pinned(const struct contract_dataset *dataset, const struct manifest *manifest)
{
    if (!dataset->is_refreshed) {
        return digest_equal(&manifest->document.digest, &dataset->manifest);
    }
    return text_equal(manifest->dataset, dataset->dataset) && manifest->version >= dataset->version &&
           digest_equal(&manifest->policy, &dataset->policy);
}

/* True when the folder holds the manifest and policy that the contract pins. Other contents are passed over.
 */
static bool take_documents(struct arena *arena, const char *folder, const struct contract_dataset *dataset,
                           struct agreement_documents *documents)
{
    const char *path;
    struct agreement_documents read = {.folder = folder};
    bool found = result_is_ok(file_path(arena, folder, "manifest.json", &path)) && file_exists(path) &&
                 result_is_ok(file_read(arena, path, &read.manifest_document)) &&
                 result_is_ok(manifest_parse(arena, read.manifest_document, &read.manifest)) &&
                 agreement_is_pinned(dataset, &read.manifest) &&
                 result_is_ok(file_path(arena, folder, "policy.json", &path)) &&
                 result_is_ok(file_read(arena, path, &read.policy_document)) &&
                 result_is_ok(policy_parse(arena, read.policy_document, &read.policy)) &&
                 digest_equal(&read.policy.document.digest, &dataset->policy);
    if (!found) {
        agreement_documents_release(&read);
        return false;
    }
    read.found = true;
    *documents = read;
    return true;
}

static bool search(struct arena *arena, const char *folder, unsigned depth,
                   const struct contract_dataset *dataset, struct agreement_documents *documents)
{
    const char **names;
    size_t count;
    if (take_documents(arena, folder, dataset, documents)) {
        return true;
    }
    if (depth == 0 || !result_is_ok(file_list(arena, folder, &names, &count))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *path;
        if (result_is_ok(file_path(arena, folder, names[i], &path)) &&
            search(arena, path, depth - 1, dataset, documents)) {
            return true;
        }
    }
    return false;
}

fallible agreement_find_documents(struct arena *arena, const char *party_folder, const char *const folders[],
                                  size_t folder_count, const struct contract *contract, size_t dataset,
                                  struct agreement_documents *out)
{
    const struct contract_dataset *row = &contract->datasets[dataset];
    struct agreement_documents documents = {0};
    for (size_t i = 0; i < folder_count && !documents.found; i++) {
        search(arena, folders[i], 0, row, &documents);
    }
    if (!documents.found) {
        const char *own;
        const char *known;
        TRY(file_path(arena, party_folder, "datasets", &own));
        TRY(file_path(arena, party_folder, "known", &known));
        (void)(search(arena, own, 2, row, &documents) || search(arena, known, 3, row, &documents));
    }
    if (!documents.found) {
        *out = documents;
        return OK;
    }
    struct result result =
        bundle_check_dataset(arena, contract, dataset, &documents.manifest, &documents.policy);
    if (result_is_ok(result)) {
        result = manifest_verify(&documents.manifest, &contract->parties[row->owner].signing);
    }
    if (!result_is_ok(result)) {
        agreement_documents_release(&documents);
        return result;
    }
    *out = documents;
    return OK;
}
