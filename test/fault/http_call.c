/* Calls that a program makes. */
#include "fault.h"

#include "service/http/client.h"

#include <stdio.h>

fallible __real_http_client_call(struct http_client *client, struct arena *arena,
                                 const struct http_call *call, struct http_answer *out);
fallible __wrap_http_client_call(struct http_client *client, struct arena *arena,
                                 const struct http_call *call, struct http_answer *out);

/* "METHOD path", without host and query. */
static void name_of(const struct http_call *call, char out[static 512])
{
    int size = (int)(call->url.size < 400 ? call->url.size : 400);
    char url[401];
    snprintf(url, sizeof url, "%.*s", size, call->url.data);
    char *query = strchr(url, '?');
    if (query != NULL) {
        *query = '\0';
    }
    const char *path = strstr(url, "://");
    path = path == NULL ? NULL : strchr(path + 3, '/');
    snprintf(out, 512, "%s %s", http_method_name(call->method), path == NULL ? "/" : path);
}

static fallible break_answer(struct arena *arena, struct http_answer *answer)
{
    if (answer->body.size == 0) {
        answer->status = 502;
        return OK;
    }
    struct bytes copy;
    TRY(arena_copy(arena, answer->body, &copy));
    ((uint8_t *)(uintptr_t)copy.data)[copy.size / 2] ^= 1;
    answer->body = copy;
    return OK;
}

fallible __wrap_http_client_call(struct http_client *client, struct arena *arena,
                                 const struct http_call *call, struct http_answer *out)
{
    char name[512];
    name_of(call, name);
    enum fault_kind kind = fault_meet("call", name);
    TRY(__real_http_client_call(client, arena, call, out));
    if (kind == FAULT_KILLED) {
        fault_die();
    }
    REQUIRE(kind != FAULT_LOST, UNAVAILABLE, "http.client.broken");
    if (kind == FAULT_BROKEN) {
        TRY(break_answer(arena, out));
    }
    bool may_repeat = kind == FAULT_TWICE && call->read == NULL && call->write == NULL;
    return may_repeat ? __real_http_client_call(client, arena, call, out) : OK;
}
