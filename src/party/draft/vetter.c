#include "party/draft/vetter.h"

#include "contract/contract.h"
#include "contract/manifest.h"
#include "edge/query_wire.h"
#include "party/process/process.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { VET_SECONDS_MAX = 60, VET_ANSWER_BYTES_MAX = 4 * 1024 * 1024, PLACE_BYTES_MAX = 40 };

static void close_socket(int *socket)
{
    if (*socket >= 0) {
        close(*socket);
    }
}
#define scoped_socket defer(close_socket) int

/* The text from the refusal's place on, as far as one line shows it; empty where the refusal names no place.
 */
static struct text place_of(const json_t *refusal, struct text sql)
{
    int64_t offset;
    struct text near = {0};
    if (!result_is_ok(json_get_i64(refusal, "offset", &offset)) || offset < 0 ||
        (uint64_t)offset >= sql.size) {
        return near;
    }
    near.data = sql.data + offset;
    while (near.size < sql.size - (size_t)offset && near.size < PLACE_BYTES_MAX &&
           near.data[near.size] != '\n') {
        near.size++;
    }
    while (near.size > 0 && !text_is_printable_utf8(near)) {
        near.size--;
    }
    return near;
}

static fallible refusal(struct arena *arena, struct bytes payload, const json_t *request)
{
    scoped_json *json = NULL;
    struct text code;
    struct text message;
    struct text sql;
    TRY(json_decode(payload, &json));
    TRY(json_get_text(json, "code", &code));
    TRY(json_get_text(json, "message", &message));
    TRY(json_get_text(request, "sql", &sql));
    struct text near = place_of(json, sql);
    return FAIL_AT(DENIED, "sql.refused",
                   arena_where(arena, "%.*s: %.*s%s%.*s%s", TEXT_ARGS(code), TEXT_ARGS(message),
                               near.size > 0 ? ", at \"" : "", TEXT_ARGS(near), near.size > 0 ? "\"" : ""));
}

static fallible converse(struct arena *arena, int stream, const json_t *request, json_t **out_answer)
{
    struct text text;
    scoped_buffer payload;
    uint8_t kind;
    struct timeval patience = {.tv_sec = VET_SECONDS_MAX};
    (void)setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    buffer_init(&payload, VET_ANSWER_BYTES_MAX);
    TRY(json_encode_text(arena, request, &text));
    TRY(query_frame_send(stream, QUERY_FRAME_VET, bytes_of_text(text)));
    TRY(query_frame_receive(stream, &payload, &kind));
    if (kind == QUERY_FRAME_REFUSED) {
        return refusal(arena, buffer_view(&payload), request);
    }
    REQUIRE(kind == QUERY_FRAME_ACCEPTED, CORRUPT, "vet.answer");
    return json_decode(buffer_view(&payload), out_answer);
}

static fallible complete_by_program(void *self, struct arena *arena, const json_t *request,
                                    struct text *out_sql)
{
    const struct vetter_program *program = self;
    const char *const words[] = {program->template_engine, NULL};
    scoped_process process = {.socket = -1};
    scoped_json *answer = NULL;
    struct text sql;
    TRY(process_start(words, &process));
    TRY(converse(arena, process.socket, request, &answer));
    TRY(json_get_text(answer, "sql", &sql));
    return arena_copy_text(arena, sql, out_sql);
}

static fallible ask_program(void *self, struct arena *arena, const json_t *request, json_t **out_answer)
{
    struct vetter_program *program = self;
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, UNAVAILABLE, "vet.socket");
    scoped_socket ours = pair[0];
    scoped_socket theirs = pair[1];
    struct spawner_descriptors descriptors = {theirs, -1, -1};
    pid_t pid;
    TRY(spawner_spawn(&program->spawner, SPAWNER_VET, &descriptors, &pid));
    close(theirs);
    theirs = -1;
    struct result result = converse(arena, ours, request, out_answer);
    if (!result_is_ok(result) && result.code != RESULT_DENIED) {
        (void)!result_is_ok(spawner_kill(&program->spawner, pid));
    }
    int status;
    (void)!result_is_ok(spawner_wait_exit(&program->spawner, pid, VET_SECONDS_MAX * 1000, &status));
    return result;
}

fallible vetter_program_open(struct vetter_program *program, const char *query, const char *template_engine,
                             struct vetter *out)
{
    if (access(query, X_OK) != 0) {
        return FAIL_AT(UNAVAILABLE, "vet.program_missing", query);
    }
    if (access(template_engine, X_OK) != 0) {
        return FAIL_AT(UNAVAILABLE, "vet.program_missing", template_engine);
    }
    TRY(spawner_start(query, &program->spawner));
    program->template_engine = template_engine;
    *out = (struct vetter){program, ask_program, complete_by_program};
    return OK;
}

void vetter_program_close(struct vetter_program *program)
{
    spawner_close(&program->spawner);
}

fallible vetter_add_table(struct arena *arena, json_t *tables, struct text table,
                          const struct manifest *manifest, const struct contract_dataset *dataset)
{
    json_t *row = json_object();
    json_t *columns = json_array();
    TRY(json_add(tables, row));
    TRY(json_set(row, "columns", columns));
    TRY(json_set_text(row, "name", table));
    for (size_t i = 0; i < manifest->column_count; i++) {
        struct text type;
        json_t *column = json_object();
        TRY(json_add(columns, column));
        TRY(column_type_to_text(arena, manifest->columns[i].type, &type));
        TRY(json_set_text(column, "name", manifest->columns[i].name));
        TRY(json_set_text(column, "type", type));
    }
    if (policy_entity_is_none(&dataset->entity)) {
        TRY(json_set(row, "entity", json_null()));
        return json_set(row, "min_entities", json_null());
    }
    TRY(json_set_text(row, "entity", dataset->entity.column));
    return json_set_i64(row, "min_entities", (int64_t)dataset->entity.min_entities);
}
