#include "party/agreement/owner.h"
#include "party/command/contract.h"
#include "party/dataset/verify.h"
#include "party/home/file.h"
#include "party/link/host_link.h"

enum { VERSION_MAX = 1000000000 };

/* A folder that is named, or a version of a dataset of one's own. */
static fallible find_folder(struct invocation *invocation, const struct own_party *party, const char **out)
{
    const char *word = invocation_argument(invocation, 1);
    const char *manifest;
    uint64_t version;
    TRY(file_path(invocation->arena, word, "manifest.json", &manifest));
    if (file_exists(manifest)) {
        *out = word;
        return OK;
    }
    TRY(invocation_number(invocation, "version", VERSION_MAX, 1, &version));
    return file_path(invocation->arena, party->folder,
                     arena_where(invocation->arena, "datasets/%s/%llu", word, (unsigned long long)version),
                     out);
}

/* That everybody has signed, that this party owns the dataset, and that the contract takes this version. */
static fallible check(struct invocation *invocation, const struct contract *contract,
                      const struct keystore *keystore, const struct dataset_documents *documents)
{
    size_t self;
    size_t dataset;
    const struct manifest *manifest = &documents->manifest;
    TRY(contract_verify(invocation->arena, contract, NULL, 0));
    TRY(contract_check_time(contract, world_now(&invocation->world)));
    TRY(agreement_find_self(contract, &keystore->card.fingerprint, &self));
    TRY(contract_find_dataset(contract, manifest->dataset, &dataset));
    const char *name = screen_safe(invocation->arena, manifest->dataset);
    if (contract->datasets[dataset].owner != self) {
        return FAIL_AT(DENIED, "contract.refresh.not_the_owner", name);
    }
    if (!contract->datasets[dataset].is_refreshed) {
        return invocation_advise(invocation, FAIL_AT(DENIED, "contract.refresh.pinned", name),
                                 "The contract pins the very rows of %s. Other rows need another contract.",
                                 name);
    }
    return bundle_check_dataset(invocation->arena, contract, dataset, manifest, &documents->policy);
}

fallible contract_put_update(struct invocation *invocation, struct host_link *link, const char *hex,
                             struct bytes document)
{
    scoped_key_update update = {0};
    TRY(key_update_parse(invocation->arena, document, &update));
    TRY(host_link_put(link, invocation->arena,
                      arena_where(invocation->arena, "/v1/contracts/%s/keys/%.*s/%llu", hex,
                                  TEXT_ARGS(update.dataset), (unsigned long long)update.version),
                      document));
    screen_line(&invocation->screen, "the key of %s version %llu is at the host, wrapped",
                screen_safe(invocation->arena, update.dataset), (unsigned long long)update.version);
    return OK;
}

static fallible make(struct invocation *invocation, const struct own_party *party,
                     const struct keystore *keystore, const struct contract *contract, const char *folder,
                     const struct manifest *manifest, struct buffer *out)
{
    struct bytes document;
    scoped_grant grant = {0};
    scoped_vault vault = {0};
    TRY(agreement_kept_grant(invocation->arena, party->folder, &contract->document.digest, &document));
    TRY(grant_parse(invocation->arena, document, &grant));
    TRY(vault_open(invocation->arena, party->folder, &vault));
    return owner_make_key_update(invocation->arena, &vault, folder, keystore, contract, &grant, manifest,
                                 out);
}

static fallible deliver(struct invocation *invocation, const struct own_party *party,
                        const struct contract *contract, struct bytes update)
{
    const char *hex;
    const char *out = option_value(&invocation->options, "out");
    scoped_host_link link = {0};
    if (out != NULL) {
        screen_line(&invocation->screen, "key update written to %s", out);
        return file_write(out, update, FILE_PUBLIC);
    }
    TRY(agreement_hex(invocation->arena, &contract->document.digest, &hex));
    TRY(host_link_open(invocation->arena, party->folder, &link));
    return contract_put_update(invocation, &link, hex, update);
}

fallible contract_run_refresh(struct invocation *invocation)
{
    struct own_party party;
    const char *folder;
    struct text digest;
    scoped_keystore keystore = {0};
    scoped_contract contract = {0};
    scoped_dataset_documents documents = {0};
    scoped_json *json = json_object();
    scoped_buffer update;
    buffer_init(&update, JWS_SIZE_MAX);
    TRY(contract_open(invocation, 0, &contract));
    TRY(invocation_party(invocation, &party));
    TRY(find_folder(invocation, &party, &folder));
    TRY(dataset_load(invocation->arena, folder, &documents));
    TRY(invocation_unlock(invocation, &party, &keystore));
    TRY(check(invocation, &contract, &keystore, &documents));
    TRY(make(invocation, &party, &keystore, &contract, folder, &documents.manifest, &update));
    TRY(deliver(invocation, &party, &contract, buffer_view(&update)));
    TRY(digest_to_text(invocation->arena, &documents.manifest.document.digest, &digest));
    TRY(json_set_text(json, "dataset", documents.manifest.dataset));
    TRY(json_set_i64(json, "version", (int64_t)documents.manifest.version));
    TRY(json_set_text(json, "manifest", digest));
    return screen_json(&invocation->screen, json);
}
