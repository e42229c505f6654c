#include "party/dataset/query_source.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/reader.h"
#include "edge/query_wire.h"
#include "party/seal_engine/seal_engine.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { CHILD_SOCKET = 3, REQUEST_BYTES_MAX = 4 * 1024 * 1024, HASH_DIGITS = 16 };

/* ---- The child process. ---- */

static fallible spawn(const char *program, int socket, int *out_process)
{
    posix_spawn_file_actions_t actions;
    REQUIRE(posix_spawn_file_actions_init(&actions) == 0, NO_MEMORY, "dataset.source.program");
    char *const arguments[] = {(char *)(uintptr_t)program, NULL};
    pid_t process = -1;
    bool started = posix_spawn_file_actions_adddup2(&actions, socket, CHILD_SOCKET) == 0 &&
                   posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_SOCKET + 1) == 0 &&
                   posix_spawn(&process, program, &actions, NULL, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(started, UNAVAILABLE, "dataset.source.program");
    *out_process = process;
    return OK;
}

static fallible start(const char *program, struct query_source *source)
{
    int sockets[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, UNAVAILABLE,
            "dataset.source.program");
    struct result result = spawn(program, sockets[1], &source->process);
    close(sockets[1]);
    source->socket = sockets[0];
    return result;
}

void query_source_close(struct query_source *source)
{
    if (source->socket > 0) {
        close(source->socket);
    }
    if (source->process > 0) {
        /* It may be in the middle of a long computation that nobody wants any more. */
        kill(source->process, SIGKILL);
        while (waitpid(source->process, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    source->socket = 0;
    source->process = 0;
}

/* ---- Frames. ---- */

static fallible send_request(struct query_source *source, const json_t *request)
{
    scoped_buffer text;
    buffer_init(&text, REQUEST_BYTES_MAX);
    TRY(json_encode(request, &text));
    struct result sent = query_frame_send(source->socket, SEAL_ENGINE_FRAME_REQUEST, buffer_view(&text));
    REQUIRE(result_is_ok(sent), UNAVAILABLE, "dataset.source.ended");
    return OK;
}

static fallible keep_refusal(struct query_source *source, struct bytes payload)
{
    scoped_json *refusal = NULL;
    struct text message = {0};
    TRY(json_decode(payload, &refusal));
    TRY(json_get_text(refusal, "message", &message));
    snprintf(source->message, sizeof source->message, "%.*s", TEXT_ARGS(message));
    return FAIL(INVALID, "dataset.source.refused");
}

static void hear_progress(struct query_source *source, struct bytes payload)
{
    scoped_json *progress = NULL;
    uint64_t percent;
    if (source->source.listener.percent != NULL && result_is_ok(json_decode(payload, &progress)) &&
        result_is_ok(json_get_u64(progress, "percent", 100, &percent))) {
        source->source.listener.percent(source->source.listener.self, (unsigned)percent);
    }
}

/* Waits for a frame of kind `want`. Data frames before it go to `sink`. */
static fallible receive(struct query_source *source, uint8_t want, const struct source_sink *sink,
                        struct buffer *payload)
{
    for (;;) {
        uint8_t kind;
        struct result result = query_frame_receive(source->socket, payload, &kind);
        REQUIRE(result_is_ok(result), UNAVAILABLE, "dataset.source.ended");
        if (kind == want) {
            return OK;
        }
        if (kind == SEAL_ENGINE_FRAME_PROGRESS) {
            hear_progress(source, buffer_view(payload));
        } else if (kind == SEAL_ENGINE_FRAME_DATA && sink != NULL) {
            TRY(sink->add(sink->self, buffer_view(payload)));
        } else {
            REQUIRE(kind == SEAL_ENGINE_FRAME_REFUSED, INTERNAL, "dataset.source.frame");
            return keep_refusal(source, buffer_view(payload));
        }
    }
}

static void release_payload(struct buffer *payload)
{
    if (payload->data != NULL) {
        explicit_bzero(payload->data, payload->capacity);
    }
    buffer_release(payload);
}

static fallible read_hash(struct text text, uint64_t *out)
{
    REQUIRE(text.size == HASH_DIGITS, INTERNAL, "dataset.source.hash");
    scoped_arena arena;
    arena_init(&arena, 256);
    struct bytes octets;
    TRY(decode_hex(&arena, text, &octets));
    uint64_t hash;
    struct reader reader = reader_of(octets);
    TRY(reader_u64be(&reader, &hash));
    *out = hash;
    return OK;
}

static fallible ask_rows(struct query_source *source, json_t *request, struct source_rows rows,
                         const struct source_sink *sink, struct source_seen *out)
{
    TRY(json_set_i64(request, "first", (int64_t)rows.first));
    TRY(json_set_i64(request, "count", (int64_t)rows.count));
    TRY(send_request(source, request));
    defer(release_payload) struct buffer payload;
    buffer_init(&payload, QUERY_FRAME_BYTES_MAX);
    TRY(receive(source, SEAL_ENGINE_FRAME_END, sink, &payload));
    scoped_json *answer = NULL;
    struct text hash;
    struct source_seen seen;
    TRY(json_decode(buffer_view(&payload), &answer));
    TRY(json_get_u64(answer, "rows", INT64_MAX, &seen.rows));
    TRY(json_get_text(answer, "hash", &hash));
    TRY(read_hash(hash, &seen.hash));
    *out = seen;
    return OK;
}

static fallible give_part(void *self, struct source_rows rows, const struct source_sink *sink,
                          struct source_seen *out)
{
    struct query_source *source = self;
    scoped_json *request = json_object();
    TRY(json_set_text(request, "op", TEXT("part")));
    TRY(json_set_i64(request, "row_group_rows", (int64_t)source->row_group_rows));
    TRY(json_set_text(request, "compression", text_of(source->compression)));
    return ask_rows(source, request, rows, sink, out);
}

static fallible give_check(void *self, struct source_rows rows, struct source_seen *out)
{
    scoped_json *request = json_object();
    TRY(json_set_text(request, "op", TEXT("check")));
    return ask_rows(self, request, rows, NULL, out);
}

/* ---- Opening. ---- */

static const char *const formats[] = {
    [QUERY_SOURCE_PARQUET] = "parquet", [QUERY_SOURCE_CSV] = "csv", [QUERY_SOURCE_JSON] = "json"};

static fallible build_source(const struct query_source_options *options, json_t *source)
{
    if (options->sql.size > 0) {
        return json_set_text(source, "sql", options->sql);
    }
    REQUIRE(options->file_count > 0, INVALID, "dataset.source.none");
    TRY(json_set_text(source, "format", text_of(formats[options->format])));
    json_t *files = json_array();
    TRY(json_set(source, "files", files));
    for (size_t i = 0; i < options->file_count; i++) {
        TRY(json_add_text(files, options->files[i]));
    }
    return OK;
}

static fallible ask_open(const struct query_source_options *options, struct query_source *source)
{
    scoped_json *request = json_object();
    json_t *inner = json_object();
    TRY(json_set_text(request, "op", TEXT("open")));
    TRY(json_set(request, "source", inner));
    TRY(build_source(options, inner));
    if (options->threads > 0) {
        TRY(json_set_i64(request, "threads", options->threads));
    }
    if (options->memory_mb > 0) {
        TRY(json_set_i64(request, "memory_mb", (int64_t)options->memory_mb));
    }
    return send_request(source, request);
}

static fallible take_columns(struct arena *arena, const json_t *schema, struct source *out)
{
    json_t *array;
    TRY(json_get_u64(schema, "rows", INT64_MAX, &out->rows));
    TRY(json_get_array(schema, "columns", &array));
    struct source_column *columns;
    size_t count = json_array_size(array);
    TRY(ARENA_ARRAY(arena, struct source_column, count, &columns));
    for (size_t i = 0; i < count; i++) {
        struct text name, type;
        TRY(json_get_text(json_array_get(array, i), "name", &name));
        TRY(json_get_text(json_array_get(array, i), "type", &type));
        TRY(arena_copy_text(arena, name, &columns[i].name));
        TRY(arena_copy_text(arena, type, &columns[i].type));
    }
    out->columns = columns;
    out->column_count = count;
    return OK;
}

static fallible open_child(struct arena *arena, const struct query_source_options *options,
                           struct query_source *source)
{
    TRY(start(options->program, source));
    TRY(ask_open(options, source));
    scoped_buffer payload;
    buffer_init(&payload, QUERY_FRAME_BYTES_MAX);
    TRY(receive(source, SEAL_ENGINE_FRAME_SCHEMA, NULL, &payload));
    scoped_json *schema = NULL;
    TRY(json_decode(buffer_view(&payload), &schema));
    return take_columns(arena, schema, &source->source);
}

fallible query_source_open(struct arena *arena, const struct query_source_options *options,
                           struct query_source *out)
{
    *out = (struct query_source){
        .source = {.self = out, .listener = options->listener, .part = give_part, .check = give_check},
        .compression = options->compression != NULL ? options->compression : "zstd",
        .row_group_rows = options->row_group_rows > 0 ? options->row_group_rows : QUERY_SOURCE_ROW_GROUP_ROWS,
    };
    struct result result = open_child(arena, options, out);
    if (!result_is_ok(result)) {
        query_source_close(out);
    }
    return result;
}

fallible query_source_format_of(struct text file, enum query_source_format *out)
{
    static const struct {
        struct text end;
        enum query_source_format format;
    } ends[] = {
        {TEXT(".parquet"), QUERY_SOURCE_PARQUET}, {TEXT(".pq"), QUERY_SOURCE_PARQUET},
        {TEXT(".csv"), QUERY_SOURCE_CSV},         {TEXT(".tsv"), QUERY_SOURCE_CSV},
        {TEXT(".csv.gz"), QUERY_SOURCE_CSV},      {TEXT(".tsv.gz"), QUERY_SOURCE_CSV},
        {TEXT(".json"), QUERY_SOURCE_JSON},       {TEXT(".jsonl"), QUERY_SOURCE_JSON},
        {TEXT(".ndjson"), QUERY_SOURCE_JSON},     {TEXT(".json.gz"), QUERY_SOURCE_JSON},
        {TEXT(".jsonl.gz"), QUERY_SOURCE_JSON},   {TEXT(".ndjson.gz"), QUERY_SOURCE_JSON},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (text_ends_with(file, ends[i].end)) {
            *out = ends[i].format;
            return OK;
        }
    }
    return FAIL(INVALID, "dataset.source.format");
}
