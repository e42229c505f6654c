/* truce-vault: a party's key vault and token issuer. Wiring only: service/vault does the work. */
#include "service/setup/program.h"
#include "service/vault/vault.h"

#include "main/identity.h"

#include <stdio.h>

enum { ARENA_BYTES_MAX = 4 * 1024 * 1024, USAGE_STATUS = 2 };

static const char program[] = "truce-vault";

static int refuse(const char *why)
{
    program_fail(program, FAIL_AT(INVALID, "setting.option.missing", why));
    return USAGE_STATUS;
}

static int init(const struct world *world, int count, char *arguments[], struct text folder)
{
    struct vault_init_options options = {
        .folder = folder,
        .party = program_option(count, arguments, "party"),
        .url = program_option(count, arguments, "url"),
        .listen = program_option(count, arguments, "listen"),
        .one_release_per_run = program_flag(count, arguments, "one-release-per-run"),
    };
    if (options.party.size == 0 || options.url.size == 0) {
        return refuse(options.party.size == 0 ? "--party" : "--url");
    }
    struct result result = vault_init(world, &options);
    return result_is_ok(result) ? 0 : program_fail(program, result);
}

static int connect_authority(struct arena *arena, struct text folder, struct text file)
{
    if (file.size == 0) {
        return refuse("AUTHORITY.json");
    }
    struct result result = vault_connect(arena, folder, file);
    return result_is_ok(result) ? 0 : program_fail(program, result);
}

static int check(const struct world *world, struct arena *arena, struct text folder)
{
    struct vault_check found;
    struct result result = vault_check(world, arena, folder, &found);
    if (!result_is_ok(result)) {
        return program_fail(program, result);
    }
    printf("%zu rows, %zu key versions, %zu releases: whole\n", found.row_count, found.version_count,
           found.release_count);
    return 0;
}

static int serve(const struct world *world, const struct program_call *call)
{
    struct vault *vault;
    scoped_event_log log = {0};
    program_block_signals();
    struct result result =
        event_log_open(program_option(call->count, call->words, "log"), program, world, &log);
    if (!result_is_ok(result)) {
        return program_fail(program, result);
    }
    struct vault_options options = {
        .folder = call->folder,
        .url = program_option(call->count, call->words, "url"),
        .listen = program_option(call->count, call->words, "listen"),
        .log = &log,
    };
    result = vault_open(world, &options, &vault);
    if (!result_is_ok(result)) {
        event_service_failed(&log, result.why);
        return program_fail(program, result);
    }
    result = program_announce(vault_url(vault), vault_port(vault),
                              program_option(call->count, call->words, "port-file"));
    if (result_is_ok(result)) {
        program_wait_for_signal();
    }
    vault_close(vault);
    return result_is_ok(result) ? 0 : program_fail(program, result);
}

int main(int count, char *arguments[])
{
    struct world world = world_of_system();
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct program_call call;
    int status;
    if (!program_start(&arena, &setting_vault, identity_text, count, arguments, &call, &status)) {
        return status;
    }
    if (text_is(call.verb, "init")) {
        return init(&world, call.count, call.words, call.folder);
    }
    if (text_is(call.verb, "connect")) {
        return connect_authority(&arena, call.folder,
                                 program_argument(call.count, call.words, call.names.valued, 2));
    }
    if (text_is(call.verb, "check")) {
        return check(&world, &arena, call.folder);
    }
    return serve(&world, &call);
}
