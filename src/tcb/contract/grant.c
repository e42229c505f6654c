#include "contract/grant.h"

static const char *const members[] = {"type",    "contract",       "owner", "vault", "key",
                                      "version", "release_policy", "wrap",  "keys",  NULL};

/* Key Vault's form of names and versions of keys. */
static fallible get_vault_name(const json_t *object, const char *member, struct text *out)
{
    struct text text;
    TRY(json_get_text(object, member, &text));
    bool good = text.size >= 1 && text.size <= 127;
    for (size_t i = 0; good && i < text.size; i++) {
        char c = text.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    }
    if (!good) {
        return FAIL_AT(INVALID, "grant.vault_name", member);
    }
    *out = text;
    return OK;
}

static fallible read_key(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const char *const key_members[] = {"dataset", "version", "wrapped", NULL};
    struct grant_key *key = &((struct grant *)self)->keys[index];
    TRY(json_only(arena, row, key_members));
    TRY(document_get_dataset(row, "dataset", &key->dataset));
    TRY(document_get_count(row, "version", 1, INT32_MAX, &key->version));
    TRY(json_get_base64url(arena, row, "wrapped", &key->wrapped));
    if (key->wrapped.size != 256 && key->wrapped.size != 384 && key->wrapped.size != 512) {
        return FAIL_AT(INVALID, "grant.wrapped.size", "wrapped");
    }
    REQUIRE(index == 0 || text_compare(key[-1].dataset, key->dataset) < 0, INVALID, "document.order");
    return OK;
}

static fallible read_grant(struct arena *arena, struct grant *grant)
{
    const json_t *content = grant->document.content;
    struct text wrap;
    TRY(document_get_digest(content, "contract", &grant->contract));
    TRY(document_get_name(content, "owner", &grant->owner));
    TRY(document_keep(arena, &grant->owner));
    TRY(document_get_url(content, "vault", &grant->vault));
    TRY(get_vault_name(content, "key", &grant->key));
    TRY(get_vault_name(content, "version", &grant->version));
    TRY(document_get_digest(content, "release_policy", &grant->release_policy));
    TRY(json_get_text(content, "wrap", &wrap));
    if (!text_is(wrap, "RSA-OAEP-256")) {
        return FAIL_AT(UNSUPPORTED, "grant.wrap", "wrap");
    }
    return DOCUMENT_ROWS(arena, content, "keys", 1, CONTRACT_DATASETS_MAX, read_key, grant, &grant->keys,
                         &grant->key_count);
}

fallible grant_parse(struct arena *arena, struct bytes untrusted_bytes, struct grant *out)
{
    scoped_grant grant = {0};
    TRY(document_parse(arena, untrusted_bytes, GRANT_TYP, NULL, "grant/1", members, &grant.document));
    TRY(read_grant(arena, &grant));
    *out = grant;
    grant = (struct grant){0};
    return OK;
}

void grant_release(struct grant *grant)
{
    jws_release(&grant->document);
    *grant = (struct grant){0};
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

/* The names of keys ascend, so equal counts and every key an owner's dataset means the same sets. */
static fallible check_keys(const struct grant *grant, const struct contract *contract, size_t party)
{
    size_t owned = 0;
    for (size_t i = 0; i < contract->dataset_count; i++) {
        owned += contract->datasets[i].owner == party;
    }
    const char *where = contract->parties[party].name.data;
    for (size_t i = 0; i < grant->key_count; i++) {
        size_t dataset;
        bool known = result_is_ok(contract_find_dataset(contract, grant->keys[i].dataset, &dataset));
        if (!known || contract->datasets[dataset].owner != party) {
            return FAIL_AT(DENIED, "grant.keys", where);
        }
    }
    return grant->key_count == owned ? OK : FAIL_AT(DENIED, "grant.keys", where);
}

fallible grant_verify(const struct grant *grant, const struct contract *contract)
{
    const char *where = grant->owner.data;
    size_t index;
    if (!result_is_ok(contract_find_party(contract, grant->owner, &index)) ||
        !contract->parties[index].is_owner) {
        return FAIL_AT(DENIED, "grant.owner", where);
    }
    if (!digest_equal(&grant->contract, &contract->document.digest)) {
        return FAIL_AT(UNTRUSTED, "grant.contract", where);
    }
    const struct contract_party *party = &contract->parties[index];
    if (!party->has_grant || !digest_equal(&party->grant, &grant->document.digest)) {
        return FAIL_AT(UNTRUSTED, "grant.digest", where);
    }
    struct result signature = document_verify_only(&grant->document, &party->signing);
    if (!result_is_ok(signature)) {
        signature.where = where;
        return signature;
    }
    return check_keys(grant, contract, index);
}
