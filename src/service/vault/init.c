/* Making a vault's folder, and connecting authorities to it. */
#include "base/encode.h"
#include "service/setup/address.h"
#include "service/setup/file.h"
#include "service/setup/program.h"
#include "service/setup/tls.h"
#include "service/vault/parts.h"

enum { INIT_ARENA_BYTES_MAX = 4 * 1024 * 1024, MASTER_KEY_BYTES = 32 };

struct init {
    struct arena arena;
    const struct world *world;
    struct text folder;
    struct text party;
    struct text url;
    struct text listen;
    struct text tenant;
    struct text ca_pem;
    bool one_release_per_run;
};

static void init_release(struct init *init)
{
    arena_release(&init->arena);
}

static fallible write_config(struct init *init)
{
    scoped_json *config = json_object();
    struct text path;
    TRY(json_set_text(config, "type", TEXT("vault-config/1")));
    TRY(json_set_text(config, "party", init->party));
    TRY(json_set_text(config, "url", init->url));
    TRY(json_set_text(config, "listen", init->listen));
    TRY(json_set_text(config, "tenant", init->tenant));
    TRY(json_set(config, "emulate_hsm_kinds", json_false()));
    TRY(json_set(config, "one_release_per_run", json_boolean(init->one_release_per_run)));
    TRY(path_join(&init->arena, init->folder, "config.json", &path));
    return file_write_json(path, config);
}

static fallible write_connection(struct init *init, const char *file, const char *type,
                                 const struct issuer_client *client)
{
    scoped_json *connection = json_object();
    struct text path;
    TRY(json_set_text(connection, "type", text_of(type)));
    TRY(json_set_text(connection, "party", init->party));
    TRY(json_set_text(connection, "vault", init->url));
    TRY(json_set_text(connection, "authority", init->url));
    TRY(json_set_text(connection, "tenant", init->tenant));
    TRY(json_set_text(connection, "client_id", client->id));
    TRY(json_set_text(connection, "client_secret", client->secret));
    TRY(json_set_text(connection, "ca", init->ca_pem));
    TRY(path_join(&init->arena, init->folder, file, &path));
    return file_write_json(path, connection);
}

static fallible add_client(struct init *init, struct state_transaction *transaction, const char *name,
                           const char *role, struct issuer_client *out)
{
    struct text roles[1] = {text_of(role)};
    scoped_json *assignment = json_pack("{s:[s]}", "roles", role);
    ASSERT(access_role_is_known(roles[0]));
    REQUIRE(assignment != NULL, NO_MEMORY, "vault.memory");
    TRY(issuer_add_client(transaction, init->world, &init->arena, text_of(name), roles, 1, out));
    return state_add_json(transaction, "assignment", out->object, assignment);
}

static fallible make_clients(struct init *init, struct state *state)
{
    scoped_state_transaction transaction = {0};
    struct issuer_client officer;
    struct issuer_client courier;
    TRY(state_begin(state, &transaction));
    TRY(add_client(init, &transaction, "officer", ACCESS_ROLE_OFFICER, &officer));
    TRY(add_client(init, &transaction, "courier", ACCESS_ROLE_RELEASE, &courier));
    TRY(state_commit(&transaction));
    TRY(write_connection(init, "vault.json", "connection/vault/1", &officer));
    return write_connection(init, "courier.json", "connection/courier/1", &courier);
}

static fallible make_state(struct init *init)
{
    scoped_secret master_key = {0};
    struct text key_path;
    struct text state_path;
    struct state *state;
    TRY(secret_random(init->world, MASTER_KEY_BYTES, &master_key));
    TRY(path_join(&init->arena, init->folder, "master.key", &key_path));
    TRY(file_write_secret(key_path, &master_key));
    TRY(path_join(&init->arena, init->folder, "state.db", &state_path));
    TRY(state_open(state_path, &master_key, init->world, &state));
    struct result result = make_clients(init, state);
    state_close(state);
    return result;
}

static fallible make_certificates(struct init *init)
{
    struct text path;
    struct bytes pem;
    TRY(tls_create(init->world, &init->arena, init->folder, init->party));
    TRY(path_join(&init->arena, init->folder, "ca.pem", &path));
    TRY(file_read(&init->arena, path, &pem));
    init->ca_pem = text_of_bytes(pem);
    return OK;
}

/* While a vault is being made its folder holds this file: what an interrupted init left may be made anew. */
static const char unfinished_file[] = "init.unfinished";

static fallible remove_file(struct init *init, const char *name)
{
    struct text path;
    TRY(path_join(&init->arena, init->folder, name, &path));
    return file_remove(path);
}

static fallible begin(struct init *init)
{
    static const char *const left[] = {"master.key", "state.db", "state.db-wal", "state.db-shm"};
    struct text path;
    TRY(folder_is_unused(&init->arena, init->folder, "config.json"));
    TRY(path_join(&init->arena, init->folder, unfinished_file, &path));
    if (result_is_ok(folder_is_unused(&init->arena, init->folder, unfinished_file))) {
        TRY(folder_is_unused(&init->arena, init->folder, "master.key"));
        return file_write(path, (struct bytes){0});
    }
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        TRY(remove_file(init, left[i]));
    }
    return OK;
}

fallible vault_init(const struct world *world, const struct vault_init_options *options)
{
    defer(init_release) struct init init = {.world = world,
                                            .folder = options->folder,
                                            .party = options->party,
                                            .one_release_per_run = options->one_release_per_run};
    struct text authorities;
    arena_init(&init.arena, INIT_ARENA_BYTES_MAX);
    REQUIRE(text_is_name(options->party), INVALID, "vault.init.party");
    struct service_address address;
    TRY(service_address_settle(&init.arena, options->url, options->listen, &address));
    init.url = address.url;
    init.listen = address.listen;
    TRY(folder_create(init.folder));
    TRY(begin(&init));
    TRY(program_uuid(world, &init.arena, &init.tenant));
    TRY(path_join(&init.arena, init.folder, "authorities", &authorities));
    TRY(folder_create(authorities));
    TRY(make_certificates(&init));
    TRY(make_state(&init));
    TRY(write_config(&init)); /* a folder without it is not a vault */
    return remove_file(&init, unfinished_file);
}

fallible vault_connect(struct arena *arena, struct text folder, struct text authority_file)
{
    scoped_json *json = NULL;
    struct authority_file file;
    struct text config;
    struct bytes ignored;
    TRY(path_join(arena, folder, "config.json", &config));
    TRY(file_read(arena, config, &ignored));
    TRY(file_read_json(arena, authority_file, &json));
    TRY(authority_file_read(arena, json, &file));
    struct digest name = digest_of(bytes_of_text(url_without_slash(file.issuer)));
    struct text hex;
    struct text path;
    TRY(encode_hex(arena, digest_view(&name), &hex));
    TRY(arena_printf(arena, &path, "%.*s/authorities/%.*s.json", TEXT_ARGS(folder), TEXT_ARGS(hex)));
    return file_write_json(path, json);
}
