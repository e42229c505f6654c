#include "party/agreement/owner.h"

#include "attest/release_policy.h"
#include "base/encode.h"
#include "party/dataset/verify.h"

#include <stdlib.h>

enum { KEY_NAME_HEX = 32 };

static fallible collect_authorities(struct arena *arena, const struct contract *contract, size_t index,
                                    struct release_policy_authority **out, size_t *out_count)
{
    size_t count = 0;
    TRY(ARENA_ARRAY(arena, struct release_policy_authority, contract->authority_count, out));
    for (size_t i = 0; i < contract->authority_count; i++) {
        if (contract->authorities[i].party == index) {
            (*out)[count].issuer = contract->authorities[i].issuer;
            TRY(encode_base64url(arena, digest_view(&contract->authorities[i].policy_hash),
                                 &(*out)[count].policy_hash));
            count++;
        }
    }
    *out_count = count;
    return OK;
}

fallible owner_release_policy(struct arena *arena, const struct contract *contract, size_t index,
                              struct bytes *out)
{
    struct release_policy_authority *authorities;
    struct release_policy_tee *tees;
    size_t authority_count;
    TRY(collect_authorities(arena, contract, index, &authorities, &authority_count));
    TRY(ARENA_ARRAY(arena, struct release_policy_tee, contract->tee_count, &tees));
    for (size_t i = 0; i < contract->tee_count; i++) {
        tees[i].type = contract->tees[i].type;
        tees[i].root = contract->tees[i].root;
        TRY(encode_hex(arena, contract->tees[i].measurement, &tees[i].measurement));
    }
    return release_policy_build(arena, authorities, authority_count, tees, contract->tee_count,
                                &contract->document.digest, out);
}

fallible owner_key_name(struct arena *arena, const struct digest *contract, struct text *out)
{
    struct text hex;
    TRY(encode_hex(arena, digest_view(contract), &hex));
    return arena_printf(arena, out, "truce-%.*s", KEY_NAME_HEX, hex.data);
}

static fallible wrap_data_key(struct arena *arena, const struct keystore *keystore, const char *folder,
                              const struct manifest *manifest, const struct key *release_key,
                              struct bytes *out)
{
    scoped_secret data_key = {0};
    scoped_buffer wrapped;
    buffer_init(&wrapped, GRANT_WRAPPED_BYTES_MAX);
    TRY(dataset_open_key(folder, manifest, &keystore->storage, &data_key));
    TRY(key_oaep_encrypt(release_key, KEY_OAEP_SHA256, &data_key, &wrapped));
    return arena_copy(arena, buffer_view(&wrapped), out);
}

static fallible wrap_key(struct arena *arena, const struct keystore *keystore,
                         const struct agreement_documents *documents, const struct key *release_key,
                         struct grant_key *out)
{
    TRY(wrap_data_key(arena, keystore, documents->folder, &documents->manifest, release_key, &out->wrapped));
    TRY(arena_copy_text(arena, documents->manifest.dataset, &out->dataset));
    out->version = documents->manifest.version;
    return OK;
}

static int compare_keys(const void *left, const void *right)
{
    return text_compare(((const struct grant_key *)left)->dataset,
                        ((const struct grant_key *)right)->dataset);
}

static fallible wrap_keys(struct arena *arena, const char *party_folder, const char *const folders[],
                          size_t folder_count, const struct keystore *keystore,
                          const struct contract *contract, size_t index, const struct key *release_key,
                          struct grant *grant)
{
    TRY(ARENA_ARRAY(arena, struct grant_key, contract->dataset_count, &grant->keys));
    for (size_t i = 0; i < contract->dataset_count; i++) {
        if (contract->datasets[i].owner != index || contract->datasets[i].is_refreshed) {
            continue;
        }
        defer(agreement_documents_release) struct agreement_documents documents = {0};
        TRY(agreement_find_documents(arena, party_folder, folders, folder_count, contract, i, &documents));
        if (!documents.found) {
            return FAIL_AT(NOT_FOUND, "owner.dataset.missing",
                           arena_where(arena, "%.*s", TEXT_ARGS(contract->datasets[i].dataset)));
        }
        TRY(wrap_key(arena, keystore, &documents, release_key, &grant->keys[grant->key_count]));
        grant->key_count++;
    }
    qsort(grant->keys, grant->key_count, sizeof(grant->keys[0]), compare_keys);
    return OK;
}

fallible owner_make_grant(struct arena *arena, struct vault *vault, const char *party_folder,
                          const char *const folders[], size_t folder_count, const struct keystore *keystore,
                          const struct contract *contract, size_t index, struct buffer *out_grant)
{
    struct bytes policy;
    struct text name;
    scoped_vault_key key = {0};
    scoped_json *payload = NULL;
    TRY(owner_release_policy(arena, contract, index, &policy));
    TRY(owner_key_name(arena, &contract->document.digest, &name));
    TRY(vault_create_release_key(vault, arena, name, policy, contract->valid_until, &key));
    struct grant grant = {
        .contract = contract->document.digest,
        .owner = contract->parties[index].name,
        .vault = vault->connection.vault,
        .key = name,
        .version = key.version,
        .release_policy = digest_of(key.release_policy),
    };
    TRY(wrap_keys(arena, party_folder, folders, folder_count, keystore, contract, index, &key.public_key,
                  &grant));
    TRY(grant_build(&grant, &payload));
    return jws_sign(payload, GRANT_TYP, NULL, &keystore->signing, out_grant);
}

fallible owner_make_key_update(struct arena *arena, struct vault *vault, const char *folder,
                               const struct keystore *keystore, const struct contract *contract,
                               const struct grant *grant, const struct manifest *manifest,
                               struct buffer *out_update)
{
    scoped_key release_key = {0};
    scoped_json *payload = NULL;
    struct key_update update = {
        .contract = contract->document.digest,
        .dataset = manifest->dataset,
        .version = manifest->version,
        .manifest = manifest->document.digest,
    };
    TRY(vault_public_key(vault, arena, grant->key, grant->version, &release_key));
    TRY(wrap_data_key(arena, keystore, folder, manifest, &release_key, &update.wrapped));
    TRY(key_update_build(&update, &payload));
    return jws_sign(payload, KEY_UPDATE_TYP, NULL, &keystore->signing, out_update);
}
