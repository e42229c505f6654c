#include "wire.h"

#include "chance.h"

#include <ctype.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <strings.h>

#define WRAPPED(name) __wrap_##name

struct http_server {
    bool is_used;
    uint16_t port;
    struct http_server_options options;
};

static struct http_server servers[WIRE_SERVERS_MAX];
static struct wire_faults faults;
static void (*watch)(const char *what, struct bytes octets);
static unsigned calls_within; /* a service that calls another: no faults of the network between the two */

void wire_set_faults(struct wire_faults now)
{
    faults = now;
}

void wire_watch(void (*see)(const char *what, struct bytes octets))
{
    watch = see;
}

static void see(const char *what, struct bytes octets)
{
    if (watch != NULL && calls_within == 1) {
        watch(what, octets);
    }
}

void wire_forget(void)
{
    memset(servers, 0, sizeof servers);
}

static struct http_server *add(uint16_t port, const struct http_server_options *options)
{
    size_t i = 0;
    while (servers[i].is_used) {
        i++;
        ASSERT(i < WIRE_SERVERS_MAX);
    }
    servers[i] = (struct http_server){true, port, *options};
    return &servers[i];
}

void wire_serve(uint16_t port, const struct http_server_options *options)
{
    add(port, options);
}

/* ---- In place of server.c ---- */

fallible WRAPPED(http_server_start)(const struct http_server_options *options, struct http_server **out);
void WRAPPED(http_server_stop)(struct http_server *server, int64_t grace_ms);
uint16_t WRAPPED(http_server_port)(const struct http_server *server);

fallible WRAPPED(http_server_start)(const struct http_server_options *options, struct http_server **out)
{
    char address[64];
    uint16_t port;
    TRY(http_listen_parse(options->listen, address, &port));
    *out = add(port, options);
    return OK;
}

void WRAPPED(http_server_stop)(struct http_server *server, int64_t grace_ms)
{
    (void)grace_ms;
    if (server != NULL) {
        *server = (struct http_server){0};
    }
}

uint16_t WRAPPED(http_server_port)(const struct http_server *server)
{
    return server->port;
}

/* reply.c asks libmicrohttpd for headers; `connection` is the call here. */
const char *MHD_lookup_connection_value(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                        const char *name)
{
    const struct http_call *call = (const void *)connection;
    (void)kind;
    for (size_t i = 0; i < HTTP_CALL_HEADERS_MAX && call->headers[i].name != NULL; i++) {
        if (strcasecmp(call->headers[i].name, name) == 0) {
            return call->headers[i].value.data; /* texts of the callers end in NUL */
        }
    }
    return NULL;
}

static fallible find_route(struct http_server *server, struct http_request *request)
{
    for (size_t i = 0; i < server->options.route_count; i++) {
        const struct http_route *route = &server->options.routes[i];
        if (route->method == request->method &&
            http_pattern_matches(route->pattern, &request->target, server->options.case_blind_paths,
                                 &request->captures)) {
            request->route = route;
            return OK;
        }
    }
    return FAIL(NOT_FOUND, "http.path.unknown");
}

static fallible handle(struct http_server *server, struct http_request *request, struct http_reply *reply)
{
    void *self = server->options.self;
    TRY(http_target_parse(request->arena, request->path, &request->target));
    TRY(find_route(server, request));
    if (request->route->admit != NULL) {
        TRY(request->route->admit(self, request, reply));
    }
    REQUIRE(request->body.size <= request->route->body_bytes_max, LIMIT, "http.body.too_large");
    return request->route->handle(self, request, reply);
}

static void serve(struct http_server *server, struct arena *arena, const struct http_call *call,
                  struct text path, struct http_reply *reply)
{
    struct http_request request = {.arena = arena,
                                   .method = call->method,
                                   .path = path,
                                   .body = call->body,
                                   .body_bytes = call->body.size,
                                   .id = TEXT("00000000-0000-4000-8000-000000000000"),
                                   .peer = TEXT("192.0.2.1"),
                                   .connection = (void *)(uintptr_t)call};
    *reply = (struct http_reply){.file = -1};
    struct result result = handle(server, &request, reply);
    if (!result_is_ok(result)) {
        *reply = (struct http_reply){.file = -1, .failure = result};
        server->options.fail(server->options.self, &request, result, reply);
    }
    if (server->options.done != NULL) {
        server->options.done(server->options.self, &request, reply, 0);
    }
    if (request.local_release != NULL) {
        request.local_release(request.local);
    }
}

/* ---- In place of client.c ---- */

fallible WRAPPED(http_client_open)(const struct http_client_options *options, struct http_client *out);
void WRAPPED(http_client_close)(struct http_client *client);
fallible WRAPPED(http_client_call)(struct http_client *client, struct arena *arena,
                                   const struct http_call *call, struct http_answer *out);

fallible WRAPPED(http_client_open)(const struct http_client_options *options, struct http_client *out)
{
    *out = (struct http_client){.handle = out, .options = *options};
    return OK;
}

void WRAPPED(http_client_close)(struct http_client *client)
{
    *client = (struct http_client){0};
}

static fallible take_answer(struct arena *arena, const struct http_reply *reply, struct http_answer *out)
{
    struct http_answer answer = {.status = reply->status};
    TRY(arena_copy(arena, reply->body, &answer.body));
    for (size_t i = 0; i < reply->header_count; i++) {
        struct text name;
        TRY(arena_copy_text(arena, text_of(reply->headers[i].name), &name));
        for (size_t k = 0; k < name.size; k++) {
            ((char *)(uintptr_t)name.data)[k] = (char)tolower(name.data[k]);
        }
        answer.headers[i].name = name;
        TRY(arena_copy_text(arena, text_of(reply->headers[i].value), &answer.headers[i].value));
        answer.header_count++;
    }
    *out = answer;
    return OK;
}

static fallible call_server(struct http_server *server, struct arena *arena, const struct http_call *call,
                            struct text path, struct http_answer *out)
{
    struct http_reply reply;
    bool is_outer = calls_within == 1;
    REQUIRE(!is_outer || !chance_is(faults.lost), UNAVAILABLE, "http.client.connect");
    serve(server, arena, call, path, &reply);
    if (is_outer && chance_is(faults.doubled)) {
        serve(server, arena, call, path, &reply);
    }
    see("answer", reply.body);
    REQUIRE(!is_outer || !chance_is(faults.answerless), TIMEOUT, "http.client.timeout");
    TRY(take_answer(arena, &reply, out));
    if (is_outer && out->body.size > 0 && chance_is(faults.damaged)) {
        ((uint8_t *)(uintptr_t)out->body.data)[chance_below(out->body.size)] ^=
            (uint8_t)(1 + chance_below(255));
    }
    return OK;
}

fallible WRAPPED(http_client_call)(struct http_client *client, struct arena *arena,
                                   const struct http_call *call, struct http_answer *out)
{
    struct url url;
    (void)client;
    TRY(url_parse(arena, call->url, &url));
    const char *path = strchr(strstr(call->url.data, "://") + 3, '/');
    for (size_t i = 0; i < WIRE_SERVERS_MAX; i++) {
        if (servers[i].is_used && servers[i].port == url.port) {
            calls_within++;
            see("call", call->body);
            struct text rest = {path, (size_t)(call->url.data + call->url.size - path)};
            struct result result = call_server(&servers[i], arena, call, rest, out);
            calls_within--;
            return result;
        }
    }
    return FAIL(UNAVAILABLE, "http.client.resolve");
}
