#include "party/home/connection.h"

#include "party/home/file.h"

static fallible take_text(struct arena *arena, const json_t *file, const char *name, struct text *out)
{
    struct text text;
    TRY(json_get_text(file, name, &text));
    return arena_copy_text(arena, text, out);
}

static fallible take_url(struct arena *arena, const json_t *file, const char *name, struct text *out)
{
    TRY(take_text(arena, file, name, out));
    if (!text_starts_with(*out, TEXT("https://")) || text_ends_with(*out, TEXT("/"))) {
        return FAIL_AT(INVALID, "connection.url", name);
    }
    return OK;
}

static fallible take_digest(const json_t *file, const char *name, struct digest *out)
{
    struct text text;
    TRY(json_get_text(file, name, &text));
    return digest_from_text(text, out);
}

static fallible decode(struct arena *arena, struct bytes file, const char *type, const char *const members[],
                       json_t **out)
{
    scoped_json *value = NULL;
    struct text found;
    TRY(json_decode(file, &value));
    TRY(json_get_text(value, "type", &found));
    REQUIRE(text_is(found, type), INVALID, "connection.type");
    TRY(json_only(arena, value, members));
    *out = value;
    value = NULL;
    return OK;
}

fallible connection_vault_read(struct arena *arena, struct bytes bytes, struct connection_vault *out)
{
    static const char *const members[] = {"type",      "party",         "vault", "authority", "tenant",
                                          "client_id", "client_secret", "ca",    NULL};
    scoped_json *file = NULL;
    TRY(decode(arena, bytes, "connection/vault/1", members, &file));
    struct connection_vault vault = {0};
    TRY(take_text(arena, file, "party", &vault.party));
    TRY(take_url(arena, file, "vault", &vault.vault));
    TRY(take_url(arena, file, "authority", &vault.authority));
    TRY(take_text(arena, file, "tenant", &vault.tenant));
    TRY(take_text(arena, file, "client_id", &vault.client_id));
    TRY(take_text(arena, file, "client_secret", &vault.client_secret));
    TRY(take_text(arena, file, "ca", &vault.ca));
    *out = vault;
    return OK;
}

fallible connection_authority_read(struct arena *arena, struct bytes bytes, struct connection_authority *out)
{
    static const char *const members[] = {"type", "issuer", "keys", "policy_hash", "ca", NULL};
    scoped_json *file = NULL;
    json_t *keys;
    struct connection_authority authority = {0};
    TRY(decode(arena, bytes, "connection/authority/1", members, &file));
    TRY(take_url(arena, file, "issuer", &authority.issuer));
    TRY(take_text(arena, file, "policy_hash", &authority.policy_hash));
    TRY(take_text(arena, file, "ca", &authority.ca));
    TRY(json_get_array(file, "keys", &keys));
    REQUIRE(json_array_size(keys) > 0 && json_array_size(keys) <= CONNECTION_KEYS_MAX, INVALID,
            "connection.keys");
    for (; authority.key_count < json_array_size(keys); authority.key_count++) {
        struct text text;
        TRY(json_text(json_array_get(keys, authority.key_count), &text));
        TRY(digest_from_text(text, &authority.keys[authority.key_count]));
    }
    *out = authority;
    return OK;
}

fallible connection_host_read(struct arena *arena, struct bytes bytes, struct connection_host *out)
{
    static const char *const members[] = {"type", "host", "token", "ca", NULL};
    scoped_json *file = NULL;
    struct connection_host host = {0};
    TRY(decode(arena, bytes, "connection/host/1", members, &file));
    TRY(take_url(arena, file, "host", &host.host));
    TRY(take_text(arena, file, "token", &host.token));
    TRY(take_text(arena, file, "ca", &host.ca));
    *out = host;
    return OK;
}

static fallible read_simulation(struct arena *arena, struct bytes bytes, struct connection_simulation *out)
{
    static const char *const members[] = {"type", "root", "pin", "measurement", NULL};
    scoped_json *file = NULL;
    struct connection_simulation simulation = {0};
    TRY(decode(arena, bytes, "connection/simulation/1", members, &file));
    TRY(take_text(arena, file, "root", &simulation.root));
    TRY(take_digest(file, "pin", &simulation.pin));
    TRY(take_text(arena, file, "measurement", &simulation.measurement));
    REQUIRE(simulation.measurement.size == 2 * DIGEST384_BYTES, INVALID, "connection.measurement");
    *out = simulation;
    return OK;
}

static fallible check(struct arena *arena, struct text party, struct bytes file, struct text type)
{
    if (text_is(type, "connection/vault/1")) {
        struct connection_vault vault;
        TRY(connection_vault_read(arena, file, &vault));
        REQUIRE(text_equal(vault.party, party), DENIED, "connection.vault.other_party");
        return OK;
    }
    if (text_is(type, "connection/authority/1")) {
        struct connection_authority authority;
        return connection_authority_read(arena, file, &authority);
    }
    if (text_is(type, "connection/host/1")) {
        struct connection_host host;
        return connection_host_read(arena, file, &host);
    }
    if (text_is(type, "connection/simulation/1")) {
        struct connection_simulation simulation;
        return read_simulation(arena, file, &simulation);
    }
    REQUIRE(!text_is(type, "connection/courier/1"), DENIED, "connection.courier");
    return FAIL(INVALID, "connection.type");
}

fallible connection_keep(struct arena *arena, const char *folder, struct text party,
                         struct bytes untrusted_file, struct text *out_kind)
{
    scoped_json *file = NULL;
    struct text type;
    const char *path;
    TRY(json_decode(untrusted_file, &file));
    TRY(json_get_text(file, "type", &type));
    TRY(check(arena, party, untrusted_file, type));
    struct text kind = {type.data + sizeof("connection/") - 1, type.size - sizeof("connection//1") + 1};
    TRY(arena_copy_text(arena, kind, &kind));
    TRY(file_path(arena, folder, "connections", &path));
    TRY(file_make_folder(path));
    TRY(file_path(arena, path, arena_where(arena, "%.*s.json", TEXT_ARGS(kind)), &path));
    TRY(file_write(path, untrusted_file, FILE_PRIVATE));
    *out_kind = kind;
    return OK;
}

static fallible open_file(struct arena *arena, const char *folder, const char *name, struct bytes *out)
{
    const char *path;
    TRY(file_path(arena, folder, arena_where(arena, "connections/%s", name), &path));
    return file_read(arena, path, out);
}

fallible connection_vault_open(struct arena *arena, const char *folder, struct connection_vault *out)
{
    struct bytes file;
    REQUIRE(result_is_ok(open_file(arena, folder, "vault.json", &file)), NOT_FOUND,
            "connection.vault.missing");
    return connection_vault_read(arena, file, out);
}

fallible connection_authority_open(struct arena *arena, const char *folder, struct connection_authority *out)
{
    struct bytes file;
    REQUIRE(result_is_ok(open_file(arena, folder, "authority.json", &file)), NOT_FOUND,
            "connection.authority.missing");
    return connection_authority_read(arena, file, out);
}

fallible connection_host_open(struct arena *arena, const char *folder, struct connection_host *out)
{
    struct bytes file;
    REQUIRE(result_is_ok(open_file(arena, folder, "host.json", &file)), NOT_FOUND, "connection.host.missing");
    return connection_host_read(arena, file, out);
}

fallible connection_simulation_open(struct arena *arena, const char *folder,
                                    struct connection_simulation *out)
{
    struct bytes file;
    REQUIRE(result_is_ok(open_file(arena, folder, "simulation.json", &file)), NOT_FOUND,
            "connection.simulation.missing");
    return read_simulation(arena, file, out);
}
