#include "base/encode.h"
#include "crypto/secret.h"
#include "host/courier/connections.h"
#include "host/instance/instance.h"
#include "service/http/server.h"
#include "service/http/url.h"
#include "service/setup/file.h"
#include "service/setup/tls.h"

enum { ARENA_BYTES = 4 * 1024 * 1024, TOKEN_BYTES = 32 };

struct init {
    struct arena arena;
    const struct world *world;
    struct text folder;
    struct text url;
    struct text listen;
};

static void init_release(struct init *init)
{
    arena_release(&init->arena);
}

/* Fixes the port and writes it down, so that the URL in everybody's files stays right. */
static fallible choose_addresses(struct init *init, const struct host_init_options *options)
{
    struct url url;
    TRY(url_parse(&init->arena, options->url, &url));
    bool is_fine = text_is(url.scheme, "https") && text_is(url.path, "/") && url.query.size == 0;
    REQUIRE(is_fine, INVALID, "host.init.url");
    char address[64];
    uint16_t port;
    struct text listen = options->listen;
    if (listen.size == 0) {
        TRY(arena_printf(&init->arena, &listen, "127.0.0.1:%u", url.has_port ? url.port : 0));
    }
    TRY(http_listen_parse(listen, address, &port));
    if (port == 0) {
        TRY(http_choose_port(listen, &port));
    }
    bool is_v6 = strchr(address, ':') != NULL;
    TRY(arena_printf(&init->arena, &init->listen, "%s%s%s:%u", is_v6 ? "[" : "", address, is_v6 ? "]" : "",
                     port));
    bool host_is_v6 = memchr(url.host.data, ':', url.host.size) != NULL;
    uint16_t public_port = url.has_port && url.port != 0 ? url.port : port;
    return arena_printf(&init->arena, &init->url, "https://%s%.*s%s:%u", host_is_v6 ? "[" : "",
                        TEXT_ARGS(url.host), host_is_v6 ? "]" : "", public_port);
}

static fallible write_config(struct init *init)
{
    scoped_json *config = json_object();
    TRY(json_set_text(config, "type", TEXT("host-config/1")));
    TRY(json_set_text(config, "url", init->url));
    TRY(json_set_text(config, "listen", init->listen));
    TRY(json_set_i64(config, "storage_bytes_max", (int64_t)1 << 40));
    TRY(json_set_i64(config, "open_jobs_max", 1000));
    TRY(json_set_i64(config, "attempts_max", 3));
    TRY(json_set_i64(config, "lease_ms", 20000));
    TRY(json_set_i64(config, "job_extra_ms", 3600 * 1000));
    TRY(json_set_i64(config, "room_patience_ms", 60000));
    TRY(json_set_i64(config, "courier_attempts_max", 4));
    TRY(json_set_i64(config, "courier_pause_ms", 250));
    TRY(json_set_i64(config, "courier_timeout_ms", 30000));
    struct text path;
    TRY(path_join(&init->arena, init->folder, "config.json", &path));
    return file_write_json(path, config);
}

static fallible write_connection(struct init *init)
{
    uint8_t octets[TOKEN_BYTES];
    TRY(world_random(init->world, octets, sizeof octets));
    struct text token;
    struct text path;
    struct bytes ca;
    TRY(encode_base64url(&init->arena, BYTES_OF(octets), &token));
    TRY(path_join(&init->arena, init->folder, "ca.pem", &path));
    TRY(file_read(&init->arena, path, &ca));
    scoped_json *connection = json_object();
    TRY(json_set_text(connection, "type", TEXT("connection/host/1")));
    TRY(json_set_text(connection, "host", init->url));
    TRY(json_set_text(connection, "token", token));
    TRY(json_set_text(connection, "ca", text_of_bytes(ca)));
    TRY(path_join(&init->arena, init->folder, "host.json", &path));
    return file_write_json(path, connection);
}

fallible host_init(const struct world *world, const struct host_init_options *options)
{
    defer(init_release) struct init init = {.world = world, .folder = options->folder};
    arena_init(&init.arena, ARENA_BYTES);
    TRY(choose_addresses(&init, options));
    TRY(folder_create(init.folder));
    TRY(folder_is_unused(&init.arena, init.folder, "host.json"));
    struct text connections;
    TRY(path_join(&init.arena, init.folder, "connections", &connections));
    TRY(folder_create(connections));
    TRY(tls_create(world, &init.arena, init.folder, TEXT("host")));
    TRY(write_config(&init));
    return write_connection(&init);
}

fallible host_connect(struct arena *arena, struct text folder, struct text file)
{
    struct text config;
    struct bytes octets;
    struct connection connection;
    TRY(path_join(arena, folder, "config.json", &config));
    TRY(file_read(arena, config, &octets));
    TRY(file_read(arena, file, &octets));
    TRY(connection_parse(arena, octets, &connection));
    struct text path;
    TRY(arena_printf(arena, &path, "%.*s/connections/%s", TEXT_ARGS(folder), connection.file_name));
    return file_write(path, octets);
}
