#include "party/link/host_link.h"

#include "base/encode.h"
#include "party/home/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CALL_TIMEOUT_MS = 60 * 1000, UPLOAD_TIMEOUT_MS = 3600 * 1000 };
#define ANSWER_BYTES_MAX ((uint64_t)512 * 1024 * 1024)

fallible host_link_open_connection(struct arena *arena, const struct connection_host *connection,
                                   struct host_link *out)
{
    struct host_link link = {.connection = *connection};
    TRY(arena_printf(arena, &link.authorization, "Bearer %.*s", TEXT_ARGS(connection->token)));
    struct http_client_options options = {.ca_pem = bytes_of_text(connection->ca), .user_agent = "truce"};
    TRY(http_client_open(&options, &link.client));
    *out = link;
    return OK;
}

fallible host_link_open(struct arena *arena, const char *folder, struct host_link *out)
{
    struct connection_host connection;
    TRY(connection_host_open(arena, folder, &connection));
    return host_link_open_connection(arena, &connection, out);
}

void host_link_close(struct host_link *link)
{
    http_client_close(&link->client);
}

/* The host's code and message, for people. */
static const char *host_words(struct arena *arena, struct bytes untrusted_body)
{
    scoped_json *json = NULL;
    json_t *error;
    struct text code;
    struct text message;
    if (!result_is_ok(json_decode(untrusted_body, &json)) ||
        !result_is_ok(json_get_object(json, "error", &error)) ||
        !result_is_ok(json_get_text(error, "code", &code)) ||
        !result_is_ok(json_get_text(error, "message", &message))) {
        return "no reason given";
    }
    return arena_where(arena, "%.*s: %.*s", TEXT_ARGS(code), TEXT_ARGS(message));
}

static fallible prepare(struct host_link *link, struct arena *arena, enum http_method method,
                        const char *path, struct http_call *call)
{
    *call = (struct http_call){
        .method = method,
        .headers = {{"Authorization", link->authorization}, {"Content-Type", TEXT("application/json")}},
        .answer_bytes_max = ANSWER_BYTES_MAX,
        .timeout_ms = CALL_TIMEOUT_MS,
    };
    return arena_printf(arena, &call->url, "%.*s%s", TEXT_ARGS(link->connection.host), path);
}

static fallible send_call(struct host_link *link, struct arena *arena, const struct http_call *call,
                          struct http_answer *out)
{
    TRY(http_client_call(&link->client, arena, call, out));
    struct result result = http_answer_check(out);
    if (!result_is_ok(result)) {
        return (struct result){result.code, "host.refused", host_words(arena, out->body)};
    }
    return OK;
}

fallible host_link_get(struct host_link *link, struct arena *arena, const char *path, struct bytes *out)
{
    struct http_call call;
    struct http_answer answer = {0};
    TRY(prepare(link, arena, HTTP_GET, path, &call));
    TRY(send_call(link, arena, &call, &answer));
    *out = answer.body;
    return OK;
}

fallible host_link_get_json(struct host_link *link, struct arena *arena, const char *path, json_t **out)
{
    struct bytes body;
    TRY(host_link_get(link, arena, path, &body));
    return json_decode(body, out);
}

fallible host_link_put(struct host_link *link, struct arena *arena, const char *path, struct bytes document)
{
    struct http_call call;
    struct http_answer answer = {0};
    TRY(prepare(link, arena, HTTP_PUT, path, &call));
    call.body = document;
    return send_call(link, arena, &call, &answer);
}

fallible host_link_post(struct host_link *link, struct arena *arena, const char *path, struct bytes document,
                        json_t **out_answer)
{
    struct http_call call;
    struct http_answer answer = {0};
    TRY(prepare(link, arena, HTTP_POST, path, &call));
    call.body = document;
    TRY(send_call(link, arena, &call, &answer));
    return out_answer != NULL ? json_decode(answer.body, out_answer) : OK;
}

struct file_source {
    int file;
    uint64_t before; /* what progress showed at the file's start */
    uint64_t at;
    struct progress *progress;
};

static size_t read_piece(void *self, uint8_t *out, size_t size)
{
    struct file_source *source = self;
    ssize_t taken = pread(source->file, out, size, (off_t)source->at);
    if (taken <= 0) {
        return 0;
    }
    source->at += (uint64_t)taken;
    if (source->progress != NULL) {
        progress_set(source->progress, source->before + source->at);
    }
    return (size_t)taken;
}

/* How many octets of the object the host has. */
static fallible ask_state(struct host_link *link, struct arena *arena, const char *path, uint64_t size,
                          uint64_t *out)
{
    struct http_call call;
    struct http_answer answer = {0};
    TRY(prepare(link, arena, HTTP_HEAD, path, &call));
    TRY(http_client_call(&link->client, arena, &call, &answer));
    *out = 0;
    if (answer.status == 404) {
        return OK;
    }
    TRY(http_answer_check(&answer));
    struct text offset = http_answer_header(&answer, "upload-offset");
    if (offset.size == 0) {
        offset = http_answer_header(&answer, "content-length");
    }
    uint64_t there;
    if (result_is_ok(decode_u64(offset, size, &there))) {
        /* A host that was stopped with all octets there, but before it put them into place, finishes with the
         * last. */
        bool is_unfinished = answer.status == 202 && there == size && size > 0;
        *out = is_unfinished ? size - 1 : there;
    }
    return OK;
}

static void close_descriptor(int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}

fallible host_link_put_file(struct host_link *link, struct arena *arena, const char *path, const char *file,
                            struct progress *progress)
{
    struct http_call call;
    struct http_answer answer = {0};
    struct stat facts;
    uint64_t there;
    defer(close_descriptor) int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &facts) != 0) {
        return FAIL_AT(NOT_FOUND, "file.not_found", file);
    }
    uint64_t size = (uint64_t)facts.st_size;
    uint64_t before = progress != NULL ? progress->done : 0;
    TRY(ask_state(link, arena, path, size, &there));
    if (there < size) {
        struct file_source source = {descriptor, before, there, progress};
        TRY(prepare(link, arena, HTTP_PUT, path, &call));
        call.headers[1].value = TEXT("application/octet-stream");
        call.read = read_piece;
        call.read_self = &source;
        call.body_size = size - there;
        call.timeout_ms = UPLOAD_TIMEOUT_MS;
        if (there > 0) {
            call.headers[2].name = "Content-Range";
            TRY(arena_printf(arena, &call.headers[2].value, "bytes %llu-%llu/%llu", (unsigned long long)there,
                             (unsigned long long)size - 1, (unsigned long long)size));
        }
        TRY(send_call(link, arena, &call, &answer));
    }
    if (progress != NULL) {
        progress_set(progress, before + size);
    }
    return OK;
}
