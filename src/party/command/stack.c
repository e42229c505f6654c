#include "party/stack/stack.h"

#include <time.h>

#include "party/command/table.h"
#include "party/home/connection.h"
#include "party/home/file.h"
#include "party/link/host_link.h"

static fallible open_stack(struct invocation *invocation, struct stack *out)
{
    return stack_open(invocation->arena, &invocation->world, &invocation->screen,
                      invocation->surroundings.home, invocation->surroundings.programs, out);
}

static fallible collect_parties(struct invocation *invocation, const char *out[STACK_PARTIES_MAX],
                                size_t *out_count)
{
    size_t count = 0;
    const char *name;
    while ((name = option_value_at(&invocation->options, "party", count)) != NULL) {
        const char *folder;
        REQUIRE(count < STACK_PARTIES_MAX, LIMIT, "stack.parties");
        TRY(invocation_party_folder(invocation, name, &folder));
        out[count++] = name;
    }
    *out_count = count;
    return OK;
}

/* Parties that exist already get their connection files; others find them at `party init`. */
static fallible hand_out(struct invocation *invocation, const struct stack *stack, const char *party)
{
    const char *const files[] = {"attest/authority.json", "room/simulation.json", "host/host.json",
                                 arena_where(invocation->arena, "vault-%s/vault.json", party)};
    const char *folder;
    const char *card;
    TRY(invocation_party_folder(invocation, party, &folder));
    TRY(file_path(invocation->arena, folder, "card.json", &card));
    if (!file_exists(card)) {
        return OK;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *path;
        struct bytes bytes;
        struct text kind;
        TRY(file_path(invocation->arena, stack->folder, files[i], &path));
        TRY(file_read(invocation->arena, path, &bytes));
        TRY(connection_keep(invocation->arena, folder, text_of(party), bytes, &kind));
    }
    return OK;
}

static fallible print_services(struct invocation *invocation, const struct stack *stack, size_t *out_silent)
{
    struct stack_service services[STACK_SERVICES_MAX];
    size_t count;
    scoped_json *json = json_object();
    json_t *rows = json_array();
    *out_silent = 0;
    TRY(json_set(json, "services", rows));
    TRY(stack_services(stack, services, &count));
    for (size_t i = 0; i < count; i++) {
        const struct stack_service *service = &services[i];
        json_t *row = json_object();
        TRY(json_add(rows, row));
        TRY(json_set_text(row, "name", text_of(service->name)));
        TRY(json_set_text(row, "url", text_of(service->url)));
        TRY(json_set_i64(row, "pid", service->pid));
        TRY(json_set(row, "running", json_boolean(service->answers)));
        *out_silent += !service->answers;
        screen_line(&invocation->screen, "%-20s %-12s %s", service->name,
                    service->answers    ? "running"
                    : service->pid != 0 ? "not answering"
                                        : "stopped",
                    service->url);
    }
    if (count == 0) {
        screen_line(&invocation->screen, "There is no local stack in %s. Make one: truce up --party NAME ...",
                    stack->folder);
    }
    return screen_json(&invocation->screen, json);
}

/* A room is there when the host has heard its evidence. One that ran may have been about to end, because its
 * host did: then it is started again. */
static fallible wait_for_room(struct invocation *invocation, const struct stack *stack)
{
    const char *path;
    struct bytes file;
    struct connection_host connection;
    scoped_host_link link = {0};
    int64_t deadline_ms = world_monotonic_ms(&invocation->world) + STACK_READY_MS;
    TRY(file_path(invocation->arena, stack->folder, "host/host.json", &path));
    TRY(file_read(invocation->arena, path, &file));
    TRY(connection_host_read(invocation->arena, file, &connection));
    TRY(host_link_open_connection(invocation->arena, &connection, &link));
    for (size_t round = 1; world_monotonic_ms(&invocation->world) < deadline_ms; round++) {
        scoped_json *health = NULL;
        uint64_t rooms;
        struct timespec pause = {.tv_nsec = 50 * 1000000L};
        TRY(host_link_get_json(&link, invocation->arena, "/v1/health", &health));
        TRY(json_get_u64(health, "rooms", UINT32_MAX, &rooms));
        if (rooms > 0) {
            return OK;
        }
        nanosleep(&pause, NULL);
        TRY(round % 10 == 0 ? stack_start_room(stack) : OK);
    }
    return FAIL_AT(TIMEOUT, "stack.service.not_ready", "room");
}

static fallible run_up(struct invocation *invocation)
{
    struct stack stack;
    const char *parties[STACK_PARTIES_MAX];
    size_t count;
    size_t silent;
    TRY(collect_parties(invocation, parties, &count));
    TRY(open_stack(invocation, &stack));
    TRY(stack_up(&stack, parties, count));
    TRY(wait_for_room(invocation, &stack));
    for (size_t i = 0; i < count; i++) {
        TRY(hand_out(invocation, &stack, parties[i]));
    }
    TRY(print_services(invocation, &stack, &silent));
    screen_note(&invocation->screen,
                "On one machine this shows the protocol and isolates nothing: whoever owns the machine can "
                "read everything.");
    REQUIRE(silent == 0, UNAVAILABLE, "stack.service.silent");
    return OK;
}

static fallible run_down(struct invocation *invocation)
{
    struct stack stack;
    size_t stopped;
    scoped_json *json = json_object();
    TRY(open_stack(invocation, &stack));
    TRY(stack_down(&stack, &stopped));
    TRY(json_set_i64(json, "stopped", (int64_t)stopped));
    screen_line(&invocation->screen,
                "%zu services stopped; `truce up` starts them again with all that is stored", stopped);
    return screen_json(&invocation->screen, json);
}

static fallible run_status(struct invocation *invocation)
{
    struct stack stack;
    size_t silent;
    TRY(open_stack(invocation, &stack));
    TRY(print_services(invocation, &stack, &silent));
    REQUIRE(silent == 0, UNAVAILABLE, "stack.service.silent");
    return OK;
}

static fallible add_export(struct invocation *invocation, json_t *json, const char *name, struct text value)
{
    for (size_t i = 0; i < value.size; i++) {
        REQUIRE(value.data[i] != '\'' && (unsigned char)value.data[i] >= 0x20, INVALID, "env.value");
    }
    TRY(json_set_text(json, name, value));
    screen_line(&invocation->screen, "export %s='%.*s'", name, TEXT_ARGS(value));
    return OK;
}

static fallible run_env(struct invocation *invocation)
{
    static const char *const ca_names[] = {"NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
                                           "CURL_CA_BUNDLE"};
    struct stack stack;
    struct bytes bytes;
    const char *party = invocation_argument(invocation, 0);
    const char *folder;
    const char *path;
    struct connection_vault vault;
    struct connection_authority authority;
    scoped_json *json = json_object();
    TRY(invocation_party_folder(invocation, party, &folder));
    TRY(open_stack(invocation, &stack));
    TRY(file_path(invocation->arena, stack.folder,
                  arena_where(invocation->arena, "vault-%s/vault.json", party), &path));
    if (!file_exists(path)) {
        return invocation_advise(invocation, FAIL_AT(NOT_FOUND, "stack.party.unknown", party),
                                 "The local stack has no vault of %s. Make it: truce up --party %s", party,
                                 party);
    }
    TRY(file_read(invocation->arena, path, &bytes));
    TRY(connection_vault_read(invocation->arena, bytes, &vault));
    TRY(file_path(invocation->arena, stack.folder, "attest/authority.json", &path));
    TRY(file_read(invocation->arena, path, &bytes));
    TRY(connection_authority_read(invocation->arena, bytes, &authority));
    TRY(add_export(invocation, json, "AZURE_TENANT_ID", vault.tenant));
    TRY(add_export(invocation, json, "AZURE_CLIENT_ID", vault.client_id));
    TRY(add_export(invocation, json, "AZURE_CLIENT_SECRET", vault.client_secret));
    TRY(add_export(invocation, json, "AZURE_AUTHORITY_HOST", vault.authority));
    TRY(add_export(invocation, json, "TRUCE_VAULT_URL", vault.vault));
    TRY(add_export(invocation, json, "TRUCE_ATTEST_URL", authority.issuer));
    TRY(stack_ca_bundle(&stack, &path));
    for (size_t i = 0; i < sizeof(ca_names) / sizeof(ca_names[0]); i++) {
        TRY(add_export(invocation, json, ca_names[i], text_of(path)));
    }
    return screen_json(&invocation->screen, json);
}

static const struct option up_options[] = {{"party", 'p', "NAME", "a party that gets a vault", true}, {0}};
static const struct option no_options[] = {{0}};

const struct command command_stack[] = {
    {"up", NULL, "start a local stack: host, attestation, vaults and a simulated room", "",
     "Makes what is missing in TRUCE_HOME/stack, starts what does not run, and gives each party its "
     "connection files.\n"
     "On one machine this shows the protocol and isolates nothing.",
     up_options, 0, 0, run_up},
    {"down", NULL, "stop the local stack; what is stored stays", "", NULL, no_options, 0, 0, run_down},
    {"status", NULL, "print which services of the local stack run", "", NULL, no_options, 0, 0, run_status},
    {"env", NULL, "print shell exports for Microsoft's SDKs, as one party", "PARTY",
     "eval \"$(truce env PARTY)\" lets Azure SDKs reach the local vault and attestation service as that "
     "party.",
     no_options, 1, 1, run_env},
    {0},
};
