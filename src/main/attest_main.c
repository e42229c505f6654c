/* truce-attest: judges hardware evidence and signs tokens about it, in the protocol of Microsoft Azure
 * Attestation.
 *
 * The judging is src/tcb/attest (the same code that truce and truce-vault use), the calls are
 * src/service/attest. */
#include "service/attest/authority.h"
#include "service/attest/service.h"
#include "service/http/url.h"
#include "service/setup/program.h"
#include "service/setup/tls.h"

#include <stdio.h>

enum { USAGE_STATUS = 2, ARENA_BYTES_MAX = 16 * 1024 * 1024, GRACE_MS = 2000, SIMULATIONS_MAX = 16 };

static const char *const valued[] = {"url", "listen", "simulation", "port-file", "log", NULL};
static const char *const flags[] = {"help", NULL};

static void print_help(FILE *to)
{
    fputs("Usage: truce-attest init DIR --url URL [--listen ADDRESS:PORT] [--simulation FILE]...\n"
          "       truce-attest serve DIR [--port-file FILE] [--log WHERE]\n"
          "\n"
          "init makes keys and certificates in DIR, and authority.json, which every party is given.\n"
          "  --url URL            how others reach this service; the issuer of its tokens\n"
          "  --listen ADDRESS:PORT  default: 127.0.0.1 and the port of the URL\n"
          "  --simulation FILE    simulation.json of a simulated room whose evidence is accepted; may be "
          "repeated.\n"
          "                       Without one, no simulated evidence is.\n"
          "serve answers until it is told to stop (SIGTERM).\n"
          "  --port-file FILE     write the port there when it is listening\n"
          "  --log WHERE          stderr, journal, json or json:FILE (default: the journal where standard "
          "error\n"
          "                       goes there, else standard error)\n"
          "\n"
          "Exit status: 0, 2 for wrong usage, 10 and more for the failures that `truce --help` lists.\n",
          to);
}

/* `--simulation` may be repeated, which program_option does not know. */
static fallible read_simulations(int count, char *const arguments[], struct text out[SIMULATIONS_MAX],
                                 size_t *out_count)
{
    size_t found = 0;
    for (int i = 0; i < count; i++) {
        struct text value = program_option(count - i, arguments + i, "simulation");
        if (value.size == 0) {
            break;
        }
        REQUIRE(found < SIMULATIONS_MAX, LIMIT, "attest.simulations");
        out[found++] = value;
        while (i < count && arguments[i] != value.data &&
               arguments[i] + strlen("--simulation=") != value.data) {
            i++;
        }
    }
    *out_count = found;
    return OK;
}

static fallible init(struct text folder, int count, char *const arguments[])
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct world world = world_of_system();
    struct text simulations[SIMULATIONS_MAX];
    struct authority_options options = {.folder = folder,
                                        .url = program_option(count, arguments, "url"),
                                        .listen = program_option(count, arguments, "listen"),
                                        .simulations = simulations};
    REQUIRE(options.url.size > 0, INVALID, "attest.url");
    TRY(read_simulations(count, arguments, simulations, &options.simulation_count));
    return authority_create(&world, &arena, &options);
}

static fallible serve(struct text folder, int count, char *const arguments[])
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct world world = world_of_system();
    scoped_authority authority = {0};
    struct url url;
    struct tls_names names;
    struct tls_identity identity;
    struct http_server *server;
    scoped_event_log log = {0};
    program_block_signals();
    TRY(event_log_open(program_option(count, arguments, "log"), "truce-attest", &world, &log));
    TRY(authority_open(&arena, folder, &authority));
    TRY(url_parse(&arena, authority.url, &url));
    tls_names_init(&names, url.host);
    TRY(tls_load(&world, &arena, folder, &names, &identity));
    struct attest_service service = {&authority, &world, &log};
    struct http_server_options options = {
        .listen = authority.listen,
        .certificate_pem = identity.certificate_pem,
        .key_pem = identity.key_pem,
        .routes = attest_routes,
        .route_count = attest_route_count,
        .case_blind_paths = true,
        .self = &service,
        .fail = attest_service_fail,
        .done = attest_service_done,
        .world = &world,
    };
    TRY(http_server_start(&options, &server));
    struct result announced = program_announce(authority.url, http_server_port(server),
                                               program_option(count, arguments, "port-file"));
    event_service_started(&log, authority.url);
    if (result_is_ok(announced)) {
        program_wait_for_signal();
    }
    event_service_stopped(&log, authority.url);
    http_server_stop(server, GRACE_MS);
    return announced;
}

int main(int count, char **arguments)
{
    struct result checked = program_check_options(count - 1, arguments + 1, valued, flags);
    struct text command = program_argument(count - 1, arguments + 1, valued, 0);
    struct text folder = program_argument(count - 1, arguments + 1, valued, 1);
    if (program_flag(count, arguments, "help")) {
        print_help(stdout);
        return 0;
    }
    bool is_init = text_is(command, "init");
    if (!result_is_ok(checked) || folder.size == 0 || (!is_init && !text_is(command, "serve"))) {
        print_help(stderr);
        return USAGE_STATUS;
    }
    struct result result =
        is_init ? init(folder, count - 1, arguments + 1) : serve(folder, count - 1, arguments + 1);
    return result_is_ok(result) ? 0 : program_fail("truce-attest", result);
}
