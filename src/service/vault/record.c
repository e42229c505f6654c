#include "service/vault/record.h"

void key_record_release(struct key_record *record)
{
    json_release(&record->json);
}

static fallible read_fields(struct key_record *record)
{
    const json_t *attributes;
    uint64_t expires;
    uint64_t not_before = 0;
    TRY(json_get_text(record->json, "name", &record->name));
    TRY(json_get_text(record->json, "version", &record->version));
    TRY(json_get_text(record->json, "kty", &record->kty));
    TRY(json_get_object(record->json, "attributes", (json_t **)&attributes));
    TRY(json_get_bool(attributes, "enabled", &record->enabled));
    TRY(json_get_bool(attributes, "exportable", &record->exportable));
    record->expires = INT64_MAX;
    if (json_has(attributes, "nbf")) {
        TRY(json_get_u64(attributes, "nbf", INT64_MAX, &not_before));
    }
    if (json_has(attributes, "exp")) {
        TRY(json_get_u64(attributes, "exp", INT64_MAX, &expires));
        record->expires = (int64_t)expires;
    }
    record->not_before = (int64_t)not_before;
    return OK;
}

fallible key_record_read(json_t *json, struct key_record *out)
{
    struct key_record record = {.json = json};
    REQUIRE(result_is_ok(read_fields(&record)), CORRUPT, "vault.record.form");
    json_incref(json);
    *out = record;
    return OK;
}

fallible key_row_name(struct arena *arena, struct text name, struct text version, struct text *out)
{
    char *lower;
    TRY(arena_take(arena, name.size, (void **)&lower));
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    if (version.size == 0) {
        *out = (struct text){lower, name.size};
        return OK;
    }
    return arena_printf(arena, out, "%.*s/%.*s", (int)name.size, lower, TEXT_ARGS(version));
}

static fallible latest_version(struct state_transaction *transaction, struct arena *arena, struct text name,
                               struct text *out)
{
    scoped_json *key = NULL;
    struct text row;
    struct text version;
    TRY(key_row_name(arena, name, (struct text){0}, &row));
    TRY(state_get_json(transaction, "key", row, &key));
    TRY(json_get_text(key, "latest", &version));
    return arena_copy_text(arena, version, out);
}

fallible key_record_load(struct state_transaction *transaction, struct arena *arena, struct text name,
                         struct text version, struct key_record *out)
{
    scoped_json *json = NULL;
    struct text row;
    struct result result = OK;
    if (version.size == 0) {
        result = latest_version(transaction, arena, name, &version);
    }
    if (result_is_ok(result)) {
        TRY(key_row_name(arena, name, version, &row));
        result = state_get_json(transaction, "version", row, &json);
    }
    if (result.code == RESULT_NOT_FOUND) {
        return FAIL_AT(NOT_FOUND, "vault.key.missing", arena_where(arena, "%.*s", TEXT_ARGS(name)));
    }
    TRY(result);
    return key_record_read(json, out);
}

static fallible store_new(struct state_transaction *transaction, struct arena *arena,
                          const struct key_record *record, struct text row, const struct secret *material)
{
    scoped_json *key = json_object();
    struct text key_row;
    TRY(state_put(transaction, "material", row, material));
    TRY(key_row_name(arena, record->name, (struct text){0}, &key_row));
    TRY(json_set_text(key, "name", record->name));
    TRY(json_set_text(key, "latest", record->version));
    return state_put_json(transaction, "key", key_row, key);
}

fallible key_record_store(struct state_transaction *transaction, struct arena *arena,
                          const struct key_record *record, const struct secret *material)
{
    struct text row;
    TRY(key_row_name(arena, record->name, record->version, &row));
    TRY(state_put_json(transaction, "version", row, record->json));
    return material != NULL ? store_new(transaction, arena, record, row, material) : OK;
}

fallible key_record_material(struct state_transaction *transaction, struct arena *arena,
                             const struct key_record *record, struct secret *out)
{
    struct text row;
    TRY(key_row_name(arena, record->name, record->version, &row));
    return state_get(transaction, "material", row, out);
}

fallible key_record_check_usable(const struct key_record *record, bool in_time, int64_t now)
{
    REQUIRE(record->enabled, DENIED, "vault.key.disabled");
    REQUIRE(!in_time || now >= record->not_before, DENIED, "vault.key.not_yet_valid");
    REQUIRE(!in_time || now < record->expires, DENIED, "vault.key.expired");
    return OK;
}

fallible key_record_check_operation(const struct key_record *record, const char *operation)
{
    const json_t *item;
    size_t index;
    json_array_foreach (json_object_get(record->json, "key_ops"), index, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), operation) == 0) {
            return OK;
        }
    }
    return FAIL_AT(DENIED, "vault.key.operation", operation);
}

/* ---- On the wire ---- */

fallible key_record_kid(const struct vault *vault, struct arena *arena, const struct key_record *record,
                        struct text *out)
{
    return arena_printf(arena, out, "%.*s/keys/%.*s/%.*s", TEXT_ARGS(vault->url), TEXT_ARGS(record->name),
                        TEXT_ARGS(record->version));
}

static fallible wire_attributes(const struct key_record *record, json_t **out)
{
    scoped_json *attributes = json_deep_copy(json_object_get(record->json, "attributes"));
    REQUIRE(attributes != NULL, NO_MEMORY, "vault.memory");
    TRY(json_set_text(attributes, "recoveryLevel", TEXT("Recoverable+Purgeable")));
    TRY(json_set_i64(attributes, "recoverableDays", 90));
    *out = json_incref(attributes);
    return OK;
}

fallible key_record_bundle(const struct vault *vault, struct arena *arena, const struct key_record *record,
                           json_t **out)
{
    scoped_json *bundle = json_object();
    scoped_json *key = json_deep_copy(json_object_get(record->json, "public"));
    json_t *attributes;
    struct text kid;
    REQUIRE(key != NULL, NO_MEMORY, "vault.memory");
    TRY(key_record_kid(vault, arena, record, &kid));
    TRY(json_set_text(key, "kid", kid));
    TRY(json_set_text(key, "kty", record->kty));
    TRY(json_set(key, "key_ops", json_incref(json_object_get(record->json, "key_ops"))));
    TRY(json_set(bundle, "key", json_incref(key)));
    TRY(wire_attributes(record, &attributes));
    TRY(json_set(bundle, "attributes", attributes));
    TRY(json_set(bundle, "tags", json_incref(json_object_get(record->json, "tags"))));
    json_t *policy = json_object_get(record->json, "release_policy");
    if (policy != NULL) {
        TRY(json_set(bundle, "release_policy", json_incref(policy)));
    }
    *out = json_incref(bundle);
    return OK;
}

fallible key_record_item(const struct vault *vault, struct arena *arena, const struct key_record *record,
                         bool with_version, json_t **out)
{
    scoped_json *item = json_object();
    json_t *attributes;
    struct text kid;
    TRY(key_record_kid(vault, arena, record, &kid));
    if (!with_version) {
        kid.size -= record->version.size + 1;
    }
    TRY(json_set_text(item, "kid", kid));
    TRY(wire_attributes(record, &attributes));
    TRY(json_set(item, "attributes", attributes));
    TRY(json_set(item, "tags", json_incref(json_object_get(record->json, "tags"))));
    *out = json_incref(item);
    return OK;
}
