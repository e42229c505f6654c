#include "privacy/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static fallible get_text_that(const json_t *object, const char *member, bool (*is)(struct text),
                              const char *why, struct text *out)
{
    struct text text;
    TRY(json_get_text(object, member, &text));
    if (!is(text)) {
        return (struct result){RESULT_INVALID, why, member};
    }
    *out = text;
    return OK;
}

/* --- tables --------------------------------------------------------------------------------------- */

enum { MEMBERS_MAX = 48 };

static bool is_url(struct text text);
static fallible get_key(struct arena *arena, const json_t *object, const char *member, struct key *out);

static fallible get_octets(struct arena *arena, const json_t *object, const char *member, uint64_t min,
                           uint64_t max, struct bytes *out)
{
    TRY(json_get_base64url(arena, object, member, out));
    return out->size >= min && out->size <= max ? OK : FAIL_AT(INVALID, "document.size", member);
}

static fallible get_hash(struct arena *arena, const json_t *object, const char *member, struct digest *out)
{
    struct bytes octets;
    TRY(get_octets(arena, object, member, DIGEST_BYTES, DIGEST_BYTES, &octets));
    memcpy(out->octets, octets.data, DIGEST_BYTES);
    return OK;
}

static fallible get_kept(struct arena *arena, const json_t *object, const char *member,
                         bool (*is)(struct text), const char *why, struct text *out)
{
    TRY(get_text_that(object, member, is, why, out));
    return document_keep(arena, out);
}

static fallible read_member(struct arena *arena, const json_t *object, const struct document_member *member,
                            char *record)
{
    const char *name = member->name;
    void *out = record + member->at;
    switch (member->form) {
    case DOCUMENT_TEXT:
        return json_get_text(object, name, out);
    case DOCUMENT_NAME:
        return get_kept(arena, object, name, text_is_name, "document.name", out);
    case DOCUMENT_DATASET:
        return get_kept(arena, object, name, document_is_dataset, "document.dataset", out);
    case DOCUMENT_URL:
        return get_kept(arena, object, name, is_url, "document.url", out);
    case DOCUMENT_TIME:
        return json_get_time(object, name, out);
    case DOCUMENT_COUNT:
        return document_get_count(object, name, member->min, member->max, out);
    case DOCUMENT_BOOL:
        return json_get_bool(object, name, out);
    case DOCUMENT_DIGEST:
        return document_get_digest(object, name, out);
    case DOCUMENT_HASH:
        return get_hash(arena, object, name, out);
    case DOCUMENT_OCTETS:
        return get_octets(arena, object, name, member->min, member->max, out);
    case DOCUMENT_KEY:
        return get_key(arena, object, name, out);
    case DOCUMENT_ROWS:
        return document_get_rows(arena, object, name, member->min, member->max, member->row_bytes,
                                 member->read, record, out, (size_t *)(void *)(record + member->count_at));
    case DOCUMENT_OTHER:
        break;
    }
    return OK;
}

fallible document_read(struct arena *arena, const json_t *object, const struct document_member members[],
                       void *record)
{
    const char *names[MEMBERS_MAX + 1] = {0};
    size_t count = 0;
    for (size_t i = 0; members[i].name != NULL; i++) {
        for (size_t k = 0; members[i].others[k] != NULL; k++) {
            names[count++] = members[i].others[k];
        }
        names[count++] = members[i].name;
        ASSERT(count + MEMBER_OTHERS_MAX < MEMBERS_MAX);
    }
    TRY(json_only(arena, object, names));
    for (size_t i = 0; members[i].name != NULL; i++) {
        if (!members[i].optional || json_has(object, members[i].name)) {
            TRY(read_member(arena, object, &members[i], record));
        }
    }
    return OK;
}

/* --- documents ------------------------------------------------------------------------------------ */

static fallible read_content(struct arena *arena, const struct document_kind *kind, struct jws *record)
{
    struct text type;
    struct text canonical;
    TRY(json_get_text(record->content, "type", &type));
    REQUIRE_AT(text_is(type, kind->type), INVALID, "document.type", "type");
    TRY(json_encode_text(arena, record->content, &canonical));
    REQUIRE(bytes_equal(bytes_of_text(canonical), record->payload), INVALID, "document.not_canonical");
    TRY(document_read(arena, record->content, kind->members, record));
    return kind->complete == NULL ? OK : kind->complete(arena, record);
}

static fallible read_record(struct arena *arena, const struct document_kind *kind, struct jws *record,
                            void *out)
{
    struct result result = read_content(arena, kind, record);
    if (result_is_ok(result)) {
        memcpy(out, record, kind->record_bytes);
    } else if (kind->release != NULL) {
        kind->release(record);
    } else {
        jws_release(record);
    }
    return result;
}

fallible document_parse(struct arena *arena, struct bytes untrusted_bytes, const struct document_kind *kind,
                        void *out)
{
    struct jws *record;
    TRY(arena_take(arena, kind->record_bytes, (void **)&record));
    TRY(jws_parse(arena, untrusted_bytes, kind->typ, kind->header_members, record));
    return read_record(arena, kind, record, out);
}

fallible document_parse_payload(struct arena *arena, struct bytes untrusted_payload,
                                const struct document_kind *kind, void *out)
{
    struct jws *record;
    TRY(arena_take(arena, kind->record_bytes, (void **)&record));
    TRY(json_decode(untrusted_payload, &record->content));
    record->payload = untrusted_payload;
    record->digest = digest_of(untrusted_payload);
    return read_record(arena, kind, record, out);
}

fallible document_verify_only(const struct jws *document, const struct key *key)
{
    REQUIRE(document->signature_count == 1, UNTRUSTED, "document.signatures");
    return jws_verify(document, 0, key);
}

struct text document_dataset_owner(struct text dataset)
{
    const char *slash = dataset.size == 0 ? NULL : memchr(dataset.data, '/', dataset.size);
    if (slash == NULL) {
        return (struct text){0};
    }
    struct text owner = {dataset.data, (size_t)(slash - dataset.data)};
    struct text name = {slash + 1, dataset.size - owner.size - 1};
    return text_is_name(owner) && text_is_name(name) ? owner : (struct text){0};
}

fallible document_check_owner(struct text dataset, struct text owner)
{
    bool same = text_equal(document_dataset_owner(dataset), owner);
    return same ? OK : FAIL_AT(INVALID, "document.dataset_owner", "owner");
}

fallible document_get_digest(const json_t *object, const char *member, struct digest *out)
{
    struct text text;
    TRY(json_get_text(object, member, &text));
    return result_at(digest_from_text(text, out), member);
}

static bool is_url(struct text text)
{
    struct text scheme = TEXT("https://");
    if (!text_starts_with(text, scheme) || text.size == scheme.size || text.size > DOCUMENT_URL_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c <= ' ' || c > '~' || strchr("\"<>\\^`{|}", c) != NULL) {
            return false;
        }
    }
    return true;
}

fallible document_get_count(const json_t *object, const char *member, uint64_t min, uint64_t max,
                            uint64_t *out)
{
    uint64_t count;
    TRY(json_get_u64(object, member, max, &count));
    REQUIRE_AT(count >= min, INVALID, "json.member.out_of_range", member);
    *out = count;
    return OK;
}

static fallible get_key(struct arena *arena, const json_t *object, const char *member, struct key *out)
{
    static const char *const members[] = {"kty", "crv", "x", "y", NULL};
    json_t *jwk;
    TRY(json_get_object(object, member, &jwk));
    TRY(document_within(arena, json_only(arena, jwk, members), "%s", member));
    scoped_key key = {0};
    TRY(document_within(arena, key_from_jwk(jwk, &key), "%s", member));
    REQUIRE_AT(key.kind == KEY_EC_P256, INVALID, "document.key_kind", member);
    key_move(&key, out);
    return OK;
}

fallible document_get_array(const json_t *object, const char *member, size_t min, size_t max, json_t **out,
                            size_t *out_count)
{
    json_t *array;
    TRY(json_get_array(object, member, &array));
    size_t count = json_array_size(array);
    REQUIRE_AT(count >= min, INVALID, "document.too_few", member);
    REQUIRE_AT(count <= max, LIMIT, "document.too_many", member);
    *out = array;
    *out_count = count;
    return OK;
}

fallible document_get_rows(struct arena *arena, const json_t *object, const char *member, size_t min,
                           size_t max, size_t row_bytes, document_read_row *read, void *self, void **out_rows,
                           size_t *out_count)
{
    json_t *array;
    TRY(document_get_array(object, member, min, max, &array, out_count));
    TRY(arena_take_array(arena, *out_count, row_bytes, out_rows));
    for (size_t i = 0; i < *out_count; i++) {
        TRY(document_within(arena, read(arena, json_array_get(array, i), self, i), "%s[%zu]", member, i));
    }
    return OK;
}

fallible document_get_set(struct arena *arena, const json_t *object, const char *member, size_t min,
                          size_t max, bool (*is_valid)(struct text), struct text **out, size_t *out_count)
{
    json_t *array;
    size_t count;
    TRY(document_get_array(object, member, min, max, &array, &count));
    struct text *names;
    TRY(ARENA_ARRAY(arena, struct text, count, &names));
    for (size_t i = 0; i < count; i++) {
        const char *where = arena_where(arena, "%s[%zu]", member, i);
        struct result result = json_text(json_array_get(array, i), &names[i]);
        REQUIRE_AT(result_is_ok(result) && is_valid(names[i]), INVALID, "document.name", where);
        TRY(document_keep(arena, &names[i]));
        REQUIRE_AT(i == 0 || text_compare(names[i - 1], names[i]) < 0, INVALID, "document.order", where);
    }
    *out = names;
    *out_count = count;
    return OK;
}

fallible document_get_names(struct arena *arena, const json_t *object, const char *member, size_t min,
                            size_t max, struct text **out, size_t *out_count)
{
    return document_get_set(arena, object, member, min, max, text_is_name, out, out_count);
}

static int compare_texts(const void *left, const void *right)
{
    return text_compare(*(const struct text *)left, *(const struct text *)right);
}

fallible document_member_names(struct arena *arena, const json_t *object, size_t min, size_t max,
                               struct text **out, size_t *out_count)
{
    REQUIRE(json_is_object(object), INVALID, "json.not_object");
    size_t count = json_object_size(object);
    REQUIRE(count >= min, INVALID, "document.too_few");
    REQUIRE(count <= max, LIMIT, "document.too_many");
    struct text *names;
    TRY(ARENA_ARRAY(arena, struct text, count, &names));
    size_t i = 0;
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)object, name, value) {
        names[i++] = text_of(name);
    }
    if (count > 0) {
        qsort(names, count, sizeof *names, compare_texts);
    }
    *out = names;
    *out_count = count;
    return OK;
}

fallible document_keep(struct arena *arena, struct text *text)
{
    const char *copy;
    TRY(arena_cstring(arena, *text, &copy));
    *text = (struct text){copy, text->size};
    return OK;
}

struct result document_within(struct arena *arena, struct result result, const char *format, ...)
{
    if (result_is_ok(result)) {
        return result;
    }
    char prefix[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    result.where = result.where == NULL ? arena_where(arena, "%s", prefix)
                                        : arena_where(arena, "%s.%s", prefix, result.where);
    return result;
}

fallible document_set_digest(json_t *object, const char *member, const struct digest *digest)
{
    return json_set(object, member, digest_to_json(digest));
}

fallible document_set_key(json_t *object, const char *member, const struct key *key)
{
    json_t *jwk;
    TRY(key_to_jwk(key, &jwk));
    return json_set(object, member, jwk);
}

fallible document_set_names(json_t *object, const char *member, const struct text names[], size_t count)
{
    json_t *array = json_array();
    TRY(json_set(object, member, array));
    for (size_t i = 0; i < count; i++) {
        TRY(json_add_text(array, names[i]));
    }
    return OK;
}

fallible document_set_array(json_t *object, const char *member, json_t **out)
{
    json_t *array = json_array();
    TRY(json_set(object, member, array));
    *out = array;
    return OK;
}

fallible document_set_object(json_t *object, const char *member, json_t **out)
{
    json_t *inner = json_object();
    TRY(json_set(object, member, inner));
    *out = inner;
    return OK;
}

fallible document_add_object(json_t *array, json_t **out)
{
    json_t *object = json_object();
    TRY(json_add(array, object));
    *out = object;
    return OK;
}

fallible document_begin(const char *type, json_t **out)
{
    scoped_json *object = json_object();
    REQUIRE(object != NULL, NO_MEMORY, "json.memory");
    TRY(json_set_text(object, "type", text_of(type)));
    *out = json_incref(object);
    return OK;
}
