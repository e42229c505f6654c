#include "host/courier/connections.h"

#include "base/encode.h"
#include "crypto/digest.h"
#include "service/http/url.h"
#include "service/setup/file.h"

#include <stdio.h>

enum { ARENA_BYTES = 64 * 1024 * 1024 };

static fallible take_text(struct arena *arena, const json_t *object, const char *member, struct text *out)
{
    struct text text;
    TRY(json_get_text(object, member, &text));
    return arena_copy_text(arena, text, out);
}

static fallible take_url(struct arena *arena, const json_t *object, const char *member, struct text *out)
{
    struct text text;
    TRY(take_text(arena, object, member, &text));
    struct url url;
    struct result result = url_parse(arena, text, &url);
    if (!result_is_ok(result) || !text_is(url.scheme, "https") || url.query.size > 0) {
        return FAIL_AT(INVALID, "connection.url", member);
    }
    *out = url_without_slash(text);
    return OK;
}

static fallible take_ca(struct arena *arena, const json_t *object, struct bytes *out)
{
    struct text text;
    TRY(take_text(arena, object, "ca", &text));
    *out = bytes_of_text(text);
    return OK;
}

static fallible set_file_name(const char *kind, struct text text, struct connection *out)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct digest digest = digest_of(bytes_of_text(text));
    struct text hex;
    TRY(encode_hex(&arena, digest_view(&digest), &hex));
    snprintf(out->file_name, sizeof out->file_name, "%s-%.16s.json", kind, hex.data);
    return OK;
}

static fallible parse_courier(struct arena *arena, const json_t *object, struct connection *out)
{
    static const char *const members[] = {"type",      "party",         "vault", "authority", "tenant",
                                          "client_id", "client_secret", "ca",    NULL};
    TRY(json_only(arena, object, members));
    struct connection connection = {.kind = CONNECTION_COURIER};
    TRY(take_text(arena, object, "party", &connection.party));
    REQUIRE(text_is_name(connection.party), INVALID, "connection.name");
    TRY(take_url(arena, object, "vault", &connection.url));
    TRY(take_url(arena, object, "authority", &connection.authority));
    TRY(take_text(arena, object, "tenant", &connection.tenant));
    REQUIRE(text_is_name(connection.tenant), INVALID, "connection.tenant");
    TRY(take_text(arena, object, "client_id", &connection.client_id));
    TRY(take_text(arena, object, "client_secret", &connection.client_secret));
    TRY(take_ca(arena, object, &connection.ca));
    struct text key;
    TRY(arena_printf(arena, &key, "%.*s %.*s", TEXT_ARGS(connection.party), TEXT_ARGS(connection.url)));
    TRY(set_file_name("courier", key, &connection));
    *out = connection;
    return OK;
}

static fallible parse_authority(struct arena *arena, const json_t *object, struct connection *out)
{
    static const char *const members[] = {"type", "issuer", "keys", "policy_hash", "ca", NULL};
    TRY(json_only(arena, object, members));
    json_t *keys;
    TRY(json_get_array(object, "keys", &keys));
    struct text policy_hash;
    TRY(json_get_text(object, "policy_hash", &policy_hash));
    struct connection connection = {.kind = CONNECTION_AUTHORITY};
    TRY(take_url(arena, object, "issuer", &connection.url));
    TRY(take_ca(arena, object, &connection.ca));
    TRY(set_file_name("authority", connection.url, &connection));
    *out = connection;
    return OK;
}

fallible connection_parse(struct arena *arena, struct bytes untrusted_file, struct connection *out)
{
    REQUIRE(untrusted_file.size <= CONNECTION_FILE_BYTES_MAX, LIMIT, "connection.size");
    scoped_json *object = NULL;
    TRY(json_decode(untrusted_file, &object));
    struct text type;
    TRY(json_get_text(object, "type", &type));
    if (text_is(type, "connection/courier/1")) {
        return parse_courier(arena, object, out);
    }
    REQUIRE(text_is(type, "connection/authority/1"), INVALID, "connection.type");
    return parse_authority(arena, object, out);
}

/* ---- All of them ---- */

static bool is_known(const struct connections *connections, struct text file_name)
{
    for (size_t i = 0; i < connections->count; i++) {
        if (text_is(file_name, connections->rows[i].file_name)) {
            return true;
        }
    }
    return false;
}

static fallible load_file(struct connections *connections, struct text file_name)
{
    const char *name;
    struct text path;
    struct bytes octets;
    struct connection connection;
    TRY(arena_cstring(&connections->arena, file_name, &name));
    TRY(path_join(&connections->arena, connections->folder, name, &path));
    TRY(file_read(&connections->arena, path, &octets));
    TRY(connection_parse(&connections->arena, octets, &connection));
    REQUIRE(text_is(file_name, connection.file_name), INVALID, "connection.file_name");
    REQUIRE(connections->count < CONNECTIONS_MAX, LIMIT, "connection.too_many");
    connections->rows[connections->count++] = connection;
    return OK;
}

static fallible load(struct connections *connections)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct text names[CONNECTIONS_MAX];
    size_t count;
    TRY(folder_list(&arena, connections->folder, ".json", CONNECTIONS_MAX, names, &count));
    for (size_t i = 0; i < count; i++) {
        if (!is_known(connections, names[i])) {
            struct result result = load_file(connections, names[i]);
            result.where =
                result_is_ok(result) ? NULL : arena_where(&connections->arena, "%.*s", TEXT_ARGS(names[i]));
            TRY(result);
        }
    }
    return OK;
}

fallible connections_open(struct text folder, struct connections *out)
{
    *out = (struct connections){.folder = folder};
    arena_init(&out->arena, ARENA_BYTES);
    pthread_mutex_init(&out->mutex, NULL);
    return load(out);
}

void connections_close(struct connections *connections)
{
    arena_release(&connections->arena);
    pthread_mutex_destroy(&connections->mutex);
}

/* The row whose kind, party (where one is wanted) and URL fit, or CONNECTIONS_MAX. */
static size_t find(const struct connections *connections, enum connection_kind kind, struct text party,
                   struct text untrusted_url)
{
    for (size_t i = 0; i < connections->count; i++) {
        const struct connection *row = &connections->rows[i];
        if (row->kind == kind && text_equal(row->party, party) &&
            url_equal_without_slash(row->url, untrusted_url)) {
            return i;
        }
    }
    return CONNECTIONS_MAX;
}

static bool find_or_load(struct connections *connections, enum connection_kind kind, struct text party,
                         struct text untrusted_url, size_t *out_index)
{
    pthread_mutex_lock(&connections->mutex);
    size_t index = find(connections, kind, party, untrusted_url);
    if (index == CONNECTIONS_MAX && result_is_ok(load(connections))) {
        index = find(connections, kind, party, untrusted_url);
    }
    pthread_mutex_unlock(&connections->mutex);
    *out_index = index;
    return index < CONNECTIONS_MAX;
}

fallible connections_find_vault(struct connections *connections, struct text party, struct text untrusted_url,
                                size_t *out_index)
{
    bool is_there = find_or_load(connections, CONNECTION_COURIER, party, untrusted_url, out_index);
    REQUIRE(is_there, NOT_FOUND, "courier.vault.unknown");
    return OK;
}

fallible connections_find_authority(struct connections *connections, struct text untrusted_issuer,
                                    size_t *out_index)
{
    bool is_there =
        find_or_load(connections, CONNECTION_AUTHORITY, (struct text){0}, untrusted_issuer, out_index);
    REQUIRE(is_there, NOT_FOUND, "courier.authority.unknown");
    return OK;
}
