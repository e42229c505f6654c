#include "host/courier/connections.h"

#include "base/encode.h"
#include "crypto/digest.h"
#include "service/http/url.h"

#include <stdio.h>

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

fallible connections_add(struct connections *connections, const struct connection *connection)
{
    REQUIRE(connections->count < CONNECTIONS_MAX, LIMIT, "connection.too_many");
    for (size_t i = 0; i < connections->count; i++) {
        REQUIRE(strcmp(connections->rows[i].file_name, connection->file_name) != 0, CONFLICT,
                "connection.duplicate");
    }
    connections->rows[connections->count++] = *connection;
    return OK;
}

fallible connections_find_vault(const struct connections *connections, struct text party,
                                struct text untrusted_url, size_t *out_index)
{
    for (size_t i = 0; i < connections->count; i++) {
        const struct connection *row = &connections->rows[i];
        if (row->kind == CONNECTION_COURIER && text_equal(row->party, party) &&
            url_equal_without_slash(row->url, untrusted_url)) {
            *out_index = i;
            return OK;
        }
    }
    return FAIL(NOT_FOUND, "courier.vault.unknown");
}

fallible connections_find_authority(const struct connections *connections, struct text untrusted_issuer,
                                    size_t *out_index)
{
    for (size_t i = 0; i < connections->count; i++) {
        const struct connection *row = &connections->rows[i];
        if (row->kind == CONNECTION_AUTHORITY && url_equal_without_slash(row->url, untrusted_issuer)) {
            *out_index = i;
            return OK;
        }
    }
    return FAIL(NOT_FOUND, "courier.authority.unknown");
}
