#include "contract/grant.h"

/* Key Vault's form of names and versions of keys. */
static bool is_vault_name(struct text text)
{
    bool good = text.size >= 1 && text.size <= 127;
    for (size_t i = 0; good && i < text.size; i++) {
        char c = text.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    }
    return good;
}

static fallible check_wrapped(struct bytes wrapped)
{
    bool fits = wrapped.size == 256 || wrapped.size == 384 || wrapped.size == 512;
    return fits ? OK : FAIL_AT(INVALID, "grant.wrapped.size", "wrapped");
}

static fallible read_key(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {
        MEMBER(grant_key, DATASET, dataset),
        MEMBER_WITHIN(grant_key, COUNT, version, 1, INT32_MAX),
        MEMBER_WITHIN(grant_key, OCTETS, wrapped, 0, GRANT_WRAPPED_BYTES_MAX),
        {0}};
    struct grant_key *key = &((struct grant *)self)->keys[index];
    TRY(document_read(arena, row, members, key));
    TRY(check_wrapped(key->wrapped));
    REQUIRE(index == 0 || text_compare(key[-1].dataset, key->dataset) < 0, INVALID, "document.order");
    return OK;
}

static const struct document_member grant_members[] = {
    MEMBER_OTHERS("type", "wrap"),
    MEMBER(grant, DIGEST, contract),
    MEMBER(grant, NAME, owner),
    MEMBER(grant, URL, vault),
    MEMBER(grant, TEXT, key),
    MEMBER(grant, TEXT, version),
    MEMBER(grant, DIGEST, release_policy),
    MEMBER_ROWS(grant, "keys", keys, key_count, 0, CONTRACT_DATASETS_MAX, read_key),
    {0},
};

static fallible complete_grant(struct arena *arena, void *record)
{
    (void)arena;
    const struct grant *grant = record;
    struct text wrap;
    REQUIRE_AT(is_vault_name(grant->key) && is_vault_name(grant->version), INVALID, "grant.vault_name",
               is_vault_name(grant->key) ? "version" : "key");
    TRY(json_get_text(grant->document.content, "wrap", &wrap));
    REQUIRE_AT(text_is(wrap, "RSA-OAEP-256"), UNSUPPORTED, "grant.wrap", "wrap");
    return OK;
}

const struct document_kind grant_kind = {
    GRANT_TYP, "grant/1", NULL, grant_members, sizeof(struct grant), complete_grant, NULL,
};

fallible grant_parse(struct arena *arena, struct bytes untrusted_bytes, struct grant *out)
{
    return document_parse(arena, untrusted_bytes, &grant_kind, out);
}

static const struct document_member update_members[] = {
    MEMBER_OTHERS("type"),
    MEMBER(key_update, DIGEST, contract),
    MEMBER(key_update, DATASET, dataset),
    MEMBER_WITHIN(key_update, COUNT, version, 1, INT32_MAX),
    MEMBER(key_update, DIGEST, manifest),
    MEMBER_WITHIN(key_update, OCTETS, wrapped, 0, GRANT_WRAPPED_BYTES_MAX),
    {0},
};

static fallible complete_update(struct arena *arena, void *record)
{
    (void)arena;
    return check_wrapped(((const struct key_update *)record)->wrapped);
}

const struct document_kind key_update_kind = {
    KEY_UPDATE_TYP, "key-update/1", NULL, update_members, sizeof(struct key_update), complete_update, NULL,
};

fallible key_update_parse(struct arena *arena, struct bytes untrusted_bytes, struct key_update *out)
{
    return document_parse(arena, untrusted_bytes, &key_update_kind, out);
}

fallible key_update_build(const struct key_update *update, json_t **out)
{
    scoped_json *object = NULL;
    TRY(document_begin("key-update/1", &object));
    TRY(document_set_digest(object, "contract", &update->contract));
    TRY(json_set_text(object, "dataset", update->dataset));
    TRY(json_set_i64(object, "version", (int64_t)update->version));
    TRY(document_set_digest(object, "manifest", &update->manifest));
    TRY(json_set_base64url(object, "wrapped", update->wrapped));
    *out = json_incref(object);
    return OK;
}

fallible key_update_verify(const struct key_update *update, const struct contract *contract, size_t dataset)
{
    const struct contract_dataset *of = &contract->datasets[dataset];
    REQUIRE(digest_equal(&update->contract, &contract->document.digest), UNTRUSTED, "key_update.contract");
    REQUIRE(text_equal(update->dataset, of->dataset), UNTRUSTED, "key_update.dataset");
    return document_verify_only(&update->document, &contract->parties[of->owner].signing);
}

fallible grant_build(const struct grant *grant, json_t **out)
{
    scoped_json *object = NULL;
    json_t *keys;
    TRY(document_begin("grant/1", &object));
    TRY(document_set_digest(object, "contract", &grant->contract));
    TRY(json_set_text(object, "owner", grant->owner));
    TRY(json_set_text(object, "vault", grant->vault));
    TRY(json_set_text(object, "key", grant->key));
    TRY(json_set_text(object, "version", grant->version));
    TRY(document_set_digest(object, "release_policy", &grant->release_policy));
    TRY(json_set_text(object, "wrap", TEXT("RSA-OAEP-256")));
    TRY(document_set_array(object, "keys", &keys));
    for (size_t i = 0; i < grant->key_count; i++) {
        json_t *row;
        TRY(document_add_object(keys, &row));
        TRY(json_set_text(row, "dataset", grant->keys[i].dataset));
        TRY(json_set_i64(row, "version", (int64_t)grant->keys[i].version));
        TRY(json_set_base64url(row, "wrapped", grant->keys[i].wrapped));
    }
    *out = json_incref(object);
    return OK;
}

/* The names of keys ascend, so equal counts and every key a pinned dataset of the owner means the same sets.
 */
static fallible check_keys(const struct grant *grant, const struct contract *contract, size_t party)
{
    size_t owned = 0;
    for (size_t i = 0; i < contract->dataset_count; i++) {
        owned += contract->datasets[i].owner == party && !contract->datasets[i].is_refreshed;
    }
    const char *where = contract->parties[party].name.data;
    for (size_t i = 0; i < grant->key_count; i++) {
        size_t dataset;
        bool known = result_is_ok(contract_find_dataset(contract, grant->keys[i].dataset, &dataset));
        REQUIRE_AT(known && contract->datasets[dataset].owner == party &&
                       !contract->datasets[dataset].is_refreshed,
                   DENIED, "grant.keys", where);
    }
    return grant->key_count == owned ? OK : FAIL_AT(DENIED, "grant.keys", where);
}

fallible grant_verify(const struct grant *grant, const struct contract *contract)
{
    const char *where = grant->owner.data;
    size_t index;
    REQUIRE_AT(result_is_ok(contract_find_party(contract, grant->owner, &index)) &&
                   contract->parties[index].is_owner,
               DENIED, "grant.owner", where);
    REQUIRE_AT(digest_equal(&grant->contract, &contract->document.digest), UNTRUSTED, "grant.contract",
               where);
    const struct contract_party *party = &contract->parties[index];
    REQUIRE_AT(party->has_grant && digest_equal(&party->grant, &grant->document.digest), UNTRUSTED,
               "grant.digest", where);
    TRY(result_at(document_verify_only(&grant->document, &party->signing), where));
    return check_keys(grant, contract, index);
}
