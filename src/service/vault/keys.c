/* Handlers: create, get, update, list. */
#include "base/encode.h"
#include "service/http/percent.h"
#include "service/vault/record.h"
#include "service/vault/request.h"

static fallible target_key(const struct http_request *request, struct text *out_name,
                           struct text *out_version)
{
    struct text name = request->captures.rows[0];
    struct text version = request->captures.count > 1 ? request->captures.rows[1] : (struct text){0};
    REQUIRE(request_name_is_valid(name), INVALID, "vault.key.name");
    if (version.size > 0 && !request_version_is_valid(version)) {
        return FAIL_AT(NOT_FOUND, "vault.key.missing", arena_where(request->arena, "%.*s", TEXT_ARGS(name)));
    }
    *out_name = name;
    *out_version = version;
    return OK;
}

static fallible reply_bundle(struct vault *vault, struct http_request *request, struct http_reply *reply,
                             const struct key_record *record)
{
    scoped_json *bundle = NULL;
    TRY(key_record_bundle(vault, request->arena, record, &bundle));
    TRY(vault_headers(request, reply));
    return reply_json(request, reply, 200, bundle);
}

/* ---- Create ---- */

static fallible default_key_ops(enum key_kind kind, json_t **out)
{
    *out = kind == KEY_RSA
               ? json_pack("[s,s,s,s,s,s]", "encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey")
               : json_pack("[s,s]", "sign", "verify");
    REQUIRE(*out != NULL, NO_MEMORY, "vault.memory");
    return OK;
}

static fallible set_policy(json_t *record, const struct request_policy *policy)
{
    json_t *json = json_object();
    TRY(json_set(record, "release_policy", json));
    TRY(json_set_text(json, "contentType", policy->content_type));
    TRY(json_set_text(json, "data", policy->data));
    return json_set(json, "immutable", json_boolean(policy->immutable));
}

static fallible set_times(json_t *attributes, const struct request_attributes *from)
{
    if (from->not_before != REQUEST_NO_TIME) {
        TRY(json_set_i64(attributes, "nbf", from->not_before));
    }
    return from->expires != REQUEST_NO_TIME ? json_set_i64(attributes, "exp", from->expires) : OK;
}

static fallible set_attributes(json_t *record, const struct request_attributes *from, int64_t now)
{
    json_t *attributes = json_object();
    TRY(json_set(record, "attributes", attributes));
    TRY(json_set(attributes, "enabled", json_boolean(!from->has_enabled || from->enabled)));
    TRY(json_set(attributes, "exportable", json_boolean(from->has_exportable && from->exportable)));
    TRY(json_set_i64(attributes, "created", now));
    TRY(json_set_i64(attributes, "updated", now));
    return set_times(attributes, from);
}

static fallible make_version(struct vault *vault, struct arena *arena, struct text *out)
{
    uint8_t octets[16];
    TRY(world_random(vault->world, octets, sizeof octets));
    return encode_hex(arena, BYTES_OF(octets), out);
}

static fallible make_record(struct vault *vault, struct arena *arena, struct text name,
                            const struct request_create *create, const struct key *key,
                            struct key_record *out)
{
    scoped_json *record = json_object();
    json_t *public_key;
    json_t *key_ops = json_incref(create->key_ops);
    struct text version;
    if (key_ops == NULL) {
        TRY(default_key_ops(create->kind, &key_ops));
    }
    TRY(json_set(record, "key_ops", key_ops));
    TRY(make_version(vault, arena, &version));
    TRY(json_set_text(record, "name", name));
    TRY(json_set_text(record, "version", version));
    TRY(json_set_text(record, "kty", create->kty));
    TRY(key_to_jwk(key, &public_key));
    TRY(json_set(record, "public", public_key));
    TRY(json_set(record, "tags", create->tags != NULL ? json_incref(create->tags) : json_object()));
    TRY(set_attributes(record, &create->attributes, world_now(vault->world)));
    if (create->has_policy) {
        TRY(set_policy(record, &create->policy));
    }
    return key_record_read(record, out);
}

fallible vault_key_create(void *self, struct http_request *request, struct http_reply *reply)
{
    struct vault *vault = self;
    scoped_json *body = NULL;
    scoped_key key = {0};
    scoped_secret material = {0};
    scoped_key_record record = {0};
    scoped_state_transaction transaction = {0};
    struct request_create create;
    struct text name;
    struct text version;
    TRY(target_key(request, &name, &version));
    TRY(http_body_json(request, &body));
    TRY(request_create_read(request->arena, body, &create));
    REQUIRE(!create.is_hsm || vault->emulate_hsm_kinds, UNSUPPORTED, "vault.kind.hsm");
    TRY(key_generate(create.kind, create.rsa_bits, &key));
    TRY(key_to_pkcs8(&key, &material));
    TRY(make_record(vault, request->arena, name, &create, &key, &record));
    TRY(state_begin(vault->state, &transaction));
    TRY(key_record_store(&transaction, request->arena, &record, &material));
    TRY(state_commit(&transaction));
    return reply_bundle(vault, request, reply, &record);
}

/* ---- Get and update ---- */

fallible vault_key_get(void *self, struct http_request *request, struct http_reply *reply)
{
    struct vault *vault = self;
    scoped_state_transaction transaction = {0};
    scoped_key_record record = {0};
    struct text name;
    struct text version;
    TRY(target_key(request, &name, &version));
    TRY(state_begin(vault->state, &transaction));
    TRY(key_record_load(&transaction, request->arena, name, version, &record));
    return reply_bundle(vault, request, reply, &record);
}

static fallible update_policy(struct key_record *record, const struct request_policy *policy)
{
    const json_t *current = json_object_get(record->json, "release_policy");
    REQUIRE(record->exportable && current != NULL, INVALID, "vault.policy.not_exportable");
    REQUIRE(!json_is_true(json_object_get(current, "immutable")), INVALID, "vault.policy.immutable");
    return set_policy(record->json, policy);
}

static fallible apply_update(struct key_record *record, const struct request_update *update, int64_t now)
{
    const struct request_attributes *asked = &update->attributes;
    json_t *attributes = json_object_get(record->json, "attributes");
    REQUIRE(!asked->has_exportable || asked->exportable == record->exportable, INVALID,
            "vault.request.exportable");
    if (asked->has_enabled) {
        TRY(json_set(attributes, "enabled", json_boolean(asked->enabled)));
    }
    TRY(set_times(attributes, asked));
    TRY(json_set_i64(attributes, "updated", now));
    if (update->key_ops != NULL) {
        TRY(json_set(record->json, "key_ops", json_incref(update->key_ops)));
    }
    if (update->tags != NULL) {
        TRY(json_set(record->json, "tags", json_incref(update->tags)));
    }
    return update->has_policy ? update_policy(record, &update->policy) : OK;
}

fallible vault_key_update(void *self, struct http_request *request, struct http_reply *reply)
{
    struct vault *vault = self;
    scoped_json *body = NULL;
    scoped_state_transaction transaction = {0};
    scoped_key_record record = {0};
    scoped_key_record updated = {0};
    struct request_update update;
    struct text name;
    struct text version;
    TRY(target_key(request, &name, &version));
    TRY(http_body_json(request, &body));
    TRY(request_update_read(request->arena, body, &update));
    TRY(state_begin(vault->state, &transaction));
    TRY(key_record_load(&transaction, request->arena, name, version, &record));
    TRY(apply_update(&record, &update, world_now(vault->world)));
    TRY(key_record_read(record.json, &updated));
    REQUIRE(updated.not_before < updated.expires, INVALID, "vault.request.times");
    TRY(key_record_store(&transaction, request->arena, &updated, NULL));
    TRY(state_commit(&transaction));
    return reply_bundle(vault, request, reply, &updated);
}

/* ---- Lists ---- */

struct page {
    size_t count_max;
    struct text after; /* row name, empty: from the start */
};

static fallible read_page(struct http_request *request, struct page *out)
{
    struct text count_text = http_query(request, "maxresults");
    struct text mark = http_query(request, "$skiptoken");
    uint64_t count = VAULT_PAGE_COUNT_MAX;
    struct bytes after = {0};
    if (count_text.size > 0) {
        TRY(decode_u64(count_text, VAULT_PAGE_COUNT_MAX, &count));
        REQUIRE(count > 0, INVALID, "vault.request.maxresults");
    }
    if (mark.size > 0) {
        TRY(decode_base64url(request->arena, mark, &after));
    }
    *out = (struct page){(size_t)count, text_of_bytes(after)};
    return OK;
}

static fallible reply_page(struct vault *vault, struct http_request *request, struct http_reply *reply,
                           json_t *items, const struct page *page, struct text next)
{
    scoped_json *body = json_object();
    TRY(json_set(body, "value", json_incref(items)));
    if (next.size > 0) {
        struct text mark;
        struct text link;
        struct text path = request->path;
        const char *query = memchr(path.data, '?', path.size);
        path.size = query != NULL ? (size_t)(query - path.data) : path.size;
        TRY(encode_base64url(request->arena, bytes_of_text(next), &mark));
        TRY(arena_printf(request->arena, &link, "%.*s%.*s?api-version=%.*s&$skiptoken=%.*s&maxresults=%zu",
                         TEXT_ARGS(vault->url), TEXT_ARGS(path),
                         TEXT_ARGS(vault_call_of(request)->api_version), TEXT_ARGS(mark), page->count_max));
        TRY(json_set_text(body, "nextLink", link));
    } else {
        TRY(json_set(body, "nextLink", json_null()));
    }
    TRY(vault_headers(request, reply));
    return reply_json(request, reply, 200, body);
}

static fallible list(struct vault *vault, struct http_request *request, struct http_reply *reply,
                     const char *table, struct text prefix, bool with_version)
{
    scoped_state_transaction transaction = {0};
    scoped_json *items = json_array();
    struct text names[VAULT_PAGE_COUNT_MAX + 1];
    struct page page;
    size_t found;
    TRY(read_page(request, &page));
    TRY(state_begin(vault->state, &transaction));
    TRY(state_list(&transaction, request->arena, table, prefix, page.after, page.count_max + 1, names,
                   &found));
    size_t shown = found < page.count_max ? found : page.count_max;
    for (size_t i = 0; i < shown; i++) {
        scoped_key_record record = {0};
        const char *slash = memchr(names[i].data, '/', names[i].size);
        struct text name = {names[i].data, slash != NULL ? (size_t)(slash - names[i].data) : names[i].size};
        struct text version = {0};
        if (slash != NULL) {
            version = (struct text){slash + 1, names[i].size - name.size - 1};
        }
        json_t *item;
        TRY(key_record_load(&transaction, request->arena, name, version, &record));
        TRY(key_record_item(vault, request->arena, &record, with_version, &item));
        TRY(json_add(items, item));
    }
    return reply_page(vault, request, reply, items, &page,
                      found > shown ? names[shown - 1] : (struct text){0});
}

fallible vault_key_list(void *self, struct http_request *request, struct http_reply *reply)
{
    return list(self, request, reply, "key", (struct text){0}, false);
}

fallible vault_key_list_versions(void *self, struct http_request *request, struct http_reply *reply)
{
    struct text name = request->captures.rows[0];
    struct text row;
    struct text prefix;
    REQUIRE(request_name_is_valid(name), INVALID, "vault.key.name");
    TRY(key_row_name(request->arena, name, (struct text){0}, &row));
    TRY(arena_printf(request->arena, &prefix, "%.*s/", TEXT_ARGS(row)));
    return list(self, request, reply, "version", prefix, true);
}
