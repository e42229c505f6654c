/* Requests that a program serves: its table of routes with a handler of ours in each row. */
#include "fault.h"

#include "service/http/server.h"

#include <stdio.h>
#include <stdlib.h>

fallible __real_http_server_start(const struct http_server_options *options, struct http_server **out);
fallible __wrap_http_server_start(const struct http_server_options *options, struct http_server **out);

enum { ROUTES_MAX = 128 };

static struct {
    struct http_route rows[ROUTES_MAX];
    const struct http_route *originals;
} table;

static fallible break_reply(struct http_request *request, struct http_reply *reply)
{
    if (reply->body.size == 0) {
        reply->status = 500;
        return OK;
    }
    struct bytes copy;
    TRY(arena_copy(request->arena, reply->body, &copy));
    ((uint8_t *)(uintptr_t)copy.data)[copy.size / 2] ^= 1;
    reply->body = copy;
    return OK;
}

static fallible handle(void *self, struct http_request *request, struct http_reply *reply)
{
    const struct http_route *original = &table.originals[request->route - table.rows];
    char name[512];
    snprintf(name, sizeof name, "%s %s", http_method_name(original->method), original->pattern);
    enum fault_kind kind = fault_meet("serve", name);
    if (kind == FAULT_TWICE) {
        struct http_reply first = *reply;
        struct result ignored = original->handle(self, request, &first);
        (void)ignored;
    }
    TRY(original->handle(self, request, reply));
    if (kind == FAULT_KILLED) {
        fault_die();
    }
    REQUIRE(kind != FAULT_LOST, UNAVAILABLE, "http.server.broken");
    return kind == FAULT_BROKEN ? break_reply(request, reply) : OK;
}

fallible __wrap_http_server_start(const struct http_server_options *options, struct http_server **out)
{
    struct http_server_options changed = *options;
    ASSERT(options->route_count <= ROUTES_MAX);
    for (size_t i = 0; i < options->route_count; i++) {
        table.rows[i] = options->routes[i];
        table.rows[i].handle = handle;
    }
    table.originals = options->routes;
    changed.routes = table.rows;
    return __real_http_server_start(&changed, out);
}
