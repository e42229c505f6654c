#include "party/draft/vetter.h"

#include "contract/contract.h"
#include "contract/manifest.h"
#include "edge/query_wire.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { VET_SECONDS_MAX = 60, VET_ANSWER_BYTES_MAX = 4 * 1024 * 1024 };

static void close_socket(int *socket)
{
    if (*socket >= 0) {
        close(*socket);
    }
}
#define scoped_socket defer(close_socket) int

static fallible refusal(struct arena *arena, struct bytes payload)
{
    scoped_json *json = NULL;
    struct text code;
    struct text message;
    TRY(json_decode(payload, &json));
    TRY(json_get_text(json, "code", &code));
    TRY(json_get_text(json, "message", &message));
    return FAIL_AT(DENIED, "sql.refused",
                   arena_where(arena, "%.*s: %.*s", TEXT_ARGS(code), TEXT_ARGS(message)));
}

static fallible converse(struct arena *arena, int stream, const json_t *request, json_t **out_answer)
{
    struct text text;
    scoped_buffer payload;
    uint8_t kind;
    buffer_init(&payload, VET_ANSWER_BYTES_MAX);
    TRY(json_encode_text(arena, request, &text));
    TRY(query_frame_send(stream, QUERY_FRAME_VET, bytes_of_text(text)));
    TRY(query_frame_receive(stream, &payload, &kind));
    if (kind == QUERY_FRAME_REFUSED) {
        return refusal(arena, buffer_view(&payload));
    }
    REQUIRE(kind == QUERY_FRAME_ACCEPTED, CORRUPT, "vet.answer");
    return json_decode(buffer_view(&payload), out_answer);
}

static fallible ask_program(void *self, struct arena *arena, const json_t *request, json_t **out_answer)
{
    struct vetter_program *program = self;
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, UNAVAILABLE, "vet.socket");
    scoped_socket ours = pair[0];
    scoped_socket theirs = pair[1];
    struct timeval patience = {.tv_sec = VET_SECONDS_MAX};
    (void)setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
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

fallible vetter_program_open(struct vetter_program *program, const char *path, struct vetter *out)
{
    if (access(path, X_OK) != 0) {
        return FAIL_AT(UNAVAILABLE, "vet.program_missing", path);
    }
    TRY(spawner_start(path, &program->spawner));
    *out = (struct vetter){program, ask_program};
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
