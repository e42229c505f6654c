/* One line of JSON per call, with the column names of Azure's AZKVAuditLogs. No tokens, no bodies, no key
 * material. */
#include "base/encode.h"
#include "service/setup/file.h"
#include "service/vault/parts.h"

#include <fcntl.h>
#include <unistd.h>

enum { AUDIT_LINE_BYTES_MAX = 64 * 1024 };

static const char *const operation_names[OPERATION_COUNT] = {
    [OPERATION_NONE] = "Unknown",
    [OPERATION_KEY_CREATE] = "KeyCreate",
    [OPERATION_KEY_GET] = "KeyGet",
    [OPERATION_KEY_UPDATE] = "KeyUpdate",
    [OPERATION_KEY_LIST] = "KeyList",
    [OPERATION_KEY_LIST_VERSIONS] = "KeyListVersions",
    [OPERATION_KEY_WRAP] = "KeyWrap",
    [OPERATION_KEY_UNWRAP] = "KeyUnwrap",
    [OPERATION_KEY_SIGN] = "KeySign",
    [OPERATION_KEY_RELEASE] = "KeyRelease",
    [OPERATION_RELEASES_LIST] = "ReleasesList",
    [OPERATION_ISSUER] = "IssuerMetadata",
    [OPERATION_TOKEN] = "Authentication",
};

fallible audit_open(struct arena *arena, struct text folder, struct vault_audit *out)
{
    struct text path;
    const char *name;
    TRY(path_join(arena, folder, "audit.log", &path));
    TRY(arena_cstring(arena, path, &name));
    int file = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    REQUIRE(file >= 0, UNAVAILABLE, "vault.audit.open");
    out->file = file;
    ASSERT(pthread_mutex_init(&out->turn, NULL) == 0);
    return OK;
}

void audit_close(struct vault_audit *audit)
{
    if (audit->file >= 0) {
        close(audit->file);
        pthread_mutex_destroy(&audit->turn);
        audit->file = -1;
    }
}

static fallible add_caller(const struct http_request *request, json_t *line)
{
    const struct vault_call *call = request->local;
    if (call == NULL || call->principal.object.size == 0) {
        return OK;
    }
    json_t *identity = json_object();
    TRY(json_set(line, "Identity", identity));
    TRY(json_set_text(identity, "oid", call->principal.object));
    TRY(json_set_text(identity, "appid", call->principal.application));
    return json_set_text(identity, "tid", call->principal.tenant);
}

static fallible make_line(const struct vault *vault, const struct http_request *request,
                          const struct http_reply *reply, int64_t duration_ms, struct buffer *out)
{
    scoped_json *line = json_object();
    struct text time;
    int operation = request->route != NULL ? request->route->tag : OPERATION_NONE;
    bool succeeded = reply->status >= 200 && reply->status < 300;
    TRY(encode_time(request->arena, world_now(vault->world), &time));
    TRY(json_set_text(line, "TimeGenerated", time));
    TRY(json_set_text(line, "OperationName", text_of(operation_names[operation])));
    TRY(json_set_text(line, "ResultType", succeeded ? TEXT("Success") : TEXT("Failed")));
    TRY(json_set_text(line, "ResultDescription",
                      text_of(reply->failure.why != NULL ? reply->failure.why : "ok")));
    TRY(json_set_i64(line, "HttpStatusCode", reply->status));
    TRY(json_set_text(line, "CallerIpAddress", request->peer));
    TRY(json_set_text(line, "CorrelationId", request->id));
    TRY(json_set_text(line, "ClientRequestId", request->client_id));
    TRY(json_set_i64(line, "DurationMs", duration_ms));
    TRY(json_set_text(line, "_ResourceId", vault->url));
    struct text path = request->path;
    const char *query = path.size > 0 ? memchr(path.data, '?', path.size) : NULL;
    path.size = query != NULL ? (size_t)(query - path.data) : path.size;
    bool is_loggable = path.size < 1024 && text_is_printable_utf8(path);
    TRY(json_set_text(line, "RequestUri", is_loggable ? path : TEXT("(not printable)")));
    TRY(json_set_text(line, "RequestMethod", text_of(http_method_name(request->method))));
    TRY(add_caller(request, line));
    TRY(json_encode(line, out));
    return buffer_add_byte(out, '\n');
}

static void say(struct vault *vault, const struct http_request *request, const struct http_reply *reply,
                int64_t duration_ms)
{
    int operation = request->route != NULL ? request->route->tag : OPERATION_NONE;
    bool succeeded = reply->status >= 200 && reply->status < 300;
    const char *why = reply->failure.why;
    event_vault_answered(vault->log, operation_names[operation], reply->status, duration_ms, why,
                         request->id);
    if (operation == OPERATION_KEY_RELEASE && succeeded) {
        event_key_released(vault->log, request->captures.rows[0], request->id);
    } else if (operation == OPERATION_KEY_RELEASE) {
        event_key_release_refused(vault->log, request->captures.rows[0], why, request->id);
    } else if (operation == OPERATION_TOKEN && !succeeded) {
        event_client_refused(vault->log, reply->status, request->id);
    }
}

/* write(2) may take less than it was given. */
static void write_line(struct vault_audit *audit, struct bytes line)
{
    while (line.size > 0) {
        ssize_t written = write(audit->file, line.data, line.size);
        if (written <= 0) {
            return;
        }
        line = bytes_slice(line, (size_t)written, line.size);
    }
}

/* A call that cannot be logged was answered already; the record that matters for releases is the release log,
 * which comes first. */
void vault_audit_done(void *self, const struct http_request *request, const struct http_reply *reply,
                      int64_t duration_ms)
{
    struct vault *vault = self;
    say(vault, request, reply, duration_ms);
    scoped_buffer line;
    buffer_init(&line, AUDIT_LINE_BYTES_MAX);
    if (!result_is_ok(make_line(vault, request, reply, duration_ms, &line))) {
        return;
    }
    ASSERT(pthread_mutex_lock(&vault->audit.turn) == 0);
    write_line(&vault->audit, buffer_view(&line));
    pthread_mutex_unlock(&vault->audit.turn);
}
