#include "base/encode.h"
#include "crypto/secret.h"
#include "host/courier/connections.h"
#include "host/instance/instance.h"
#include "service/http/server.h"
#include "service/http/url.h"
#include "service/setup/address.h"
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
    struct service_address address;
    TRY(service_address_settle(&init.arena, options->url, options->listen, &address));
    init.url = address.url;
    init.listen = address.listen;
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
