/* truce-vault: a party's key vault and token issuer. Wiring only: service/vault does the work. */
#include "service/setup/program.h"
#include "service/vault/vault.h"

#include <stdio.h>

enum { ARENA_BYTES_MAX = 4 * 1024 * 1024, USAGE_STATUS = 2 };

static const char program[] = "truce-vault";

static const char help[] =
    "truce-vault: the key vault and token issuer of one party\n"
    "\n"
    "  truce-vault init DIR --party NAME --url https://HOST[:PORT] [--listen ADDR:PORT]\n"
    "      Makes keys, certificate, clients and configuration in DIR (mode 700), and two files to hand out:\n"
    "      vault.json for the party itself, courier.json for the host's operator (may release, nothing "
    "else).\n"
    "      Without a port in the URL it gets that of --listen; port 0 is chosen once and remembered.\n"
    "  truce-vault connect DIR AUTHORITY.json\n"
    "      Lets tokens of this attestation authority count. A running vault learns of a new authority at "
    "once,\n"
    "      of a changed one when it starts again.\n"
    "  truce-vault check DIR\n"
    "      With no vault running: judges its store, every row, key and record of a release, and says what it "
    "found.\n"
    "  truce-vault serve DIR [--port-file FILE]\n"
    "      Serves until SIGINT or SIGTERM. Prints one line `listening URL` when it is ready.\n"
    "\n"
    "Exit status: 0 done; 2 wrong usage; 10 and more: what went wrong, one number per kind of failure.\n";

static const char *const valued_options[] = {"party", "url", "listen", "port-file", NULL};
static const char *const flags[] = {"help", NULL};

static int usage(void)
{
    fprintf(stderr, "%s", help);
    return USAGE_STATUS;
}

static int init(const struct world *world, int count, char *arguments[], struct text folder)
{
    struct vault_init_options options = {
        .folder = folder,
        .party = program_option(count, arguments, "party"),
        .url = program_option(count, arguments, "url"),
        .listen = program_option(count, arguments, "listen"),
    };
    if (options.party.size == 0 || options.url.size == 0) {
        return usage();
    }
    struct result result = vault_init(world, &options);
    return result_is_ok(result) ? 0 : program_fail(program, result);
}

static int connect_authority(struct arena *arena, struct text folder, struct text file)
{
    if (file.size == 0) {
        return usage();
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

static int serve(const struct world *world, struct text folder, struct text port_file)
{
    struct vault *vault;
    program_block_signals();
    struct result result = vault_open(world, folder, &vault);
    if (!result_is_ok(result)) {
        return program_fail(program, result);
    }
    result = program_announce(vault_url(vault), vault_port(vault), port_file);
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
    int left = count - 1;
    char **options = arguments + 1;
    if (program_flag(left, options, "help")) {
        printf("%s", help);
        return 0;
    }
    struct result checked = program_check_options(left, options, valued_options, flags);
    if (!result_is_ok(checked)) {
        program_fail(program, checked);
        return USAGE_STATUS;
    }
    struct text verb = program_argument(left, options, valued_options, 0);
    struct text folder = program_argument(left, options, valued_options, 1);
    struct text file = program_argument(left, options, valued_options, 2);
    if (folder.size == 0) {
        return usage();
    }
    if (text_is(verb, "init")) {
        return init(&world, left, options, folder);
    }
    if (text_is(verb, "connect")) {
        return connect_authority(&arena, folder, file);
    }
    if (text_is(verb, "check")) {
        return check(&world, &arena, folder);
    }
    return text_is(verb, "serve") ? serve(&world, folder, program_option(left, options, "port-file"))
                                  : usage();
}
