#include "base/json.h"

#include "base/encode.h"

fallible json_decode(struct bytes untrusted_bytes, json_t **out)
{
    REQUIRE(untrusted_bytes.size <= JSON_SIZE_MAX, LIMIT, "json.size");
    json_error_t error;
    json_t *value = json_loadb((const char *)untrusted_bytes.data, untrusted_bytes.size,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        enum json_error_code code = json_error_code(&error);
        REQUIRE(code != json_error_duplicate_key, INVALID, "json.duplicate_member");
        REQUIRE(code != json_error_out_of_memory, NO_MEMORY, "json.memory");
        REQUIRE(code != json_error_stack_overflow, LIMIT, "json.depth");
        return FAIL(INVALID, "json.syntax");
    }
    *out = value;
    return OK;
}

static bool holds_real(const json_t *value)
{
    const char *name;
    json_t *member;
    size_t index;
    json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
        if (holds_real(member)) {
            return true;
        }
    }
    json_array_foreach (value, index, member) {
        if (holds_real(member)) {
            return true;
        }
    }
    return json_is_real(value);
}

static int append(const char *data, size_t size, void *buffer)
{
    return result_is_ok(buffer_add(buffer, (struct bytes){(const uint8_t *)data, size})) ? 0 : -1;
}

fallible json_encode(const json_t *value, struct buffer *out)
{
    REQUIRE(!holds_real(value), UNSUPPORTED, "json.real_number");
    size_t size = out->size;
    if (json_dump_callback(value, append, out, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) != 0) {
        out->size = size;
        return FAIL(LIMIT, "json.encode");
    }
    return OK;
}

fallible json_encode_text(struct arena *arena, const json_t *value, struct text *out)
{
    scoped_buffer buffer;
    buffer_init(&buffer, JSON_SIZE_MAX);
    TRY(json_encode(value, &buffer));
    return arena_copy_text(arena, buffer_text(&buffer), out);
}

fallible json_get(const json_t *object, const char *name, json_t **out)
{
    json_t *value = json_object_get(object, name);
    REQUIRE_AT(value != NULL, INVALID, "json.member.missing", name);
    *out = value;
    return OK;
}

fallible json_text(const json_t *value, struct text *out)
{
    REQUIRE(json_is_string(value), INVALID, "json.not_text");
    *out = (struct text){json_string_value(value), json_string_length(value)};
    return OK;
}

fallible json_get_text(const json_t *object, const char *name, struct text *out)
{
    json_t *value;
    TRY(json_get(object, name, &value));
    REQUIRE_AT(json_is_string(value), INVALID, "json.member.not_text", name);
    return json_text(value, out);
}

fallible json_get_i64(const json_t *object, const char *name, int64_t *out)
{
    json_t *value;
    TRY(json_get(object, name, &value));
    REQUIRE_AT(json_is_integer(value), INVALID, "json.member.not_integer", name);
    *out = json_integer_value(value);
    return OK;
}

fallible json_get_u64(const json_t *object, const char *name, uint64_t max, uint64_t *out)
{
    int64_t value;
    TRY(json_get_i64(object, name, &value));
    REQUIRE_AT(value >= 0 && (uint64_t)value <= max, INVALID, "json.member.out_of_range", name);
    *out = (uint64_t)value;
    return OK;
}

fallible json_get_bool(const json_t *object, const char *name, bool *out)
{
    json_t *value;
    TRY(json_get(object, name, &value));
    REQUIRE_AT(json_is_boolean(value), INVALID, "json.member.not_boolean", name);
    *out = json_is_true(value);
    return OK;
}

static fallible get_container(const json_t *object, const char *name, json_type type, const char *why,
                              json_t **out)
{
    json_t *value;
    TRY(json_get(object, name, &value));
    if (json_typeof(value) != type) {
        return (struct result){RESULT_INVALID, why, name};
    }
    *out = value;
    return OK;
}

fallible json_get_object(const json_t *object, const char *name, json_t **out)
{
    return get_container(object, name, JSON_OBJECT, "json.member.not_object", out);
}

fallible json_get_array(const json_t *object, const char *name, json_t **out)
{
    return get_container(object, name, JSON_ARRAY, "json.member.not_array", out);
}

fallible json_get_base64url(struct arena *arena, const json_t *object, const char *name, struct bytes *out)
{
    struct text text;
    TRY(json_get_text(object, name, &text));
    return result_at(decode_base64url(arena, text, out), name);
}

fallible json_get_time(const json_t *object, const char *name, int64_t *out)
{
    struct text text;
    TRY(json_get_text(object, name, &text));
    return result_at(decode_time(text, out), name);
}

static bool is_listed(const char *name, const char *const names[])
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

fallible json_only(struct arena *arena, const json_t *object, const char *const names[])
{
    REQUIRE(json_is_object(object), INVALID, "json.not_object");
    const char *name;
    json_t *member;
    json_object_foreach ((json_t *)object, name, member) {
        REQUIRE_AT(is_listed(name, names), INVALID, "json.member.unknown", arena_where(arena, "%s", name));
    }
    return OK;
}

fallible json_set(json_t *object, const char *name, json_t *value)
{
    REQUIRE(value != NULL && json_object_set_new(object, name, value) == 0, NO_MEMORY, "json.memory");
    return OK;
}

fallible json_set_text(json_t *object, const char *name, struct text text)
{
    return json_set(object, name, json_stringn(text.data ? text.data : "", text.size));
}

fallible json_set_i64(json_t *object, const char *name, int64_t value)
{
    return json_set(object, name, json_integer(value));
}

fallible json_set_base64url(json_t *object, const char *name, struct bytes bytes)
{
    scoped_arena arena;
    arena_init(&arena, JSON_SIZE_MAX);
    struct text text;
    TRY(encode_base64url(&arena, bytes, &text));
    return json_set_text(object, name, text);
}

fallible json_set_time(json_t *object, const char *name, int64_t unix_seconds)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text text;
    TRY(encode_time(&arena, unix_seconds, &text));
    return json_set_text(object, name, text);
}

fallible json_add(json_t *array, json_t *value)
{
    REQUIRE(value != NULL && json_array_append_new(array, value) == 0, NO_MEMORY, "json.memory");
    return OK;
}

fallible json_add_text(json_t *array, struct text text)
{
    return json_add(array, json_stringn(text.data ? text.data : "", text.size));
}
