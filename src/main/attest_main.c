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

#include "main/identity.h"

enum { USAGE_STATUS = 2, ARENA_BYTES_MAX = 16 * 1024 * 1024, GRACE_MS = 2000, SIMULATIONS_MAX = 16 };

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

static fallible serve(const struct program_call *call)
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
    TRY(event_log_open(program_option(call->count, call->words, "log"), "truce-attest", &world, &log));
    TRY(authority_open(&arena, call->folder, &authority));
    TRY(program_check_url(authority.url, program_option(call->count, call->words, "url")));
    struct text listen = program_option(call->count, call->words, "listen");
    TRY(url_parse(&arena, authority.url, &url));
    tls_names_init(&names, url.host);
    TRY(tls_load(&world, &arena, call->folder, &names, &identity));
    struct attest_service service = {&authority, &world, &log};
    struct http_server_options options = {
        .listen = listen.size > 0 ? listen : authority.listen,
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
                                               program_option(call->count, call->words, "port-file"));
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
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct program_call call;
    int status;
    if (!program_start(&arena, &setting_attest, identity_text, count, arguments, &call, &status)) {
        return status;
    }
    bool is_init = text_is(call.verb, "init");
    if (is_init && program_option(call.count, call.words, "url").size == 0) {
        program_fail("truce-attest", FAIL_AT(INVALID, "setting.option.missing", "--url"));
        return USAGE_STATUS;
    }
    struct result result = is_init ? init(call.folder, call.count, call.words) : serve(&call);
    return result_is_ok(result) ? 0 : program_fail("truce-attest", result);
}
