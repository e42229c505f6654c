/* The child runs the rewritten text over the granted octets; what it hands over goes through the gate. Whatever goes
 * wrong here may depend on data, so it has no name outside: the caller says `failed`. */
#include "room/job.h"

#include "edge/query_wire.h"
#include "room/task.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CELLS_BYTES_MAX = 16 * 1024 * 1024, CELLS_BYTES_OF_RUN_MAX = 256 * 1024 * 1024 };

static fallible describe_tables(const struct data *data, json_t *tables)
{
    for (size_t i = 0; i < data->table_count; i++) {
        scoped_json *parts = json_array();
        for (size_t k = 0; k < data->tables[i].part_count; k++) {
            scoped_json *part = json_object();
            TRY(json_set_i64(part, "size", (int64_t)data_part_file_size(&data->tables[i].parts[k])));
            TRY(json_add(parts, json_incref(part)));
        }
        scoped_json *table = json_object();
        TRY(json_set_text(table, "name", data->tables[i].name));
        TRY(json_set_i64(table, "dataset", (int64_t)i));
        TRY(json_set(table, "parts", json_incref(parts)));
        TRY(json_add(tables, json_incref(table)));
    }
    return OK;
}

static fallible describe_output(struct job *job, json_t *output)
{
    for (size_t i = 0; i < job->query->output_count; i++) {
        struct text type;
        TRY(column_type_to_text(&job->arena, job->query->output[i].type, &type));
        scoped_json *column = json_object();
        TRY(json_set_text(column, "name", job->query->output[i].name));
        TRY(json_set_text(column, "type", type));
        TRY(json_add(output, json_incref(column)));
    }
    return OK;
}

static uint64_t engine_memory_mb(const struct job *job)
{
    uint64_t max = job->room->limits.engine_memory_mb_max;
    return job->query->memory_mb < max ? job->query->memory_mb : max;
}

/* The contract bounds the octets of CSV text, which the gate counts. The child counts the octets of its cells, at most nine for
 * one of text (a one-digit number is 17 octets and, with its separator, 2 of text). */
static uint64_t cells_bytes_max(const struct job *job)
{
    uint64_t octets = job->query->max_bytes * 9 + 4096;
    return octets < CELLS_BYTES_OF_RUN_MAX ? octets : CELLS_BYTES_OF_RUN_MAX;
}

static fallible run_request_text(struct job *job, struct buffer *out)
{
    scoped_json *tables = json_array();
    TRY(describe_tables(&job->data, tables));
    scoped_json *output = json_array();
    TRY(describe_output(job, output));
    scoped_json *request = json_object();
    TRY(json_set_text(request, "executed", job->executed));
    TRY(json_set(request, "tables", json_incref(tables)));
    TRY(json_set(request, "output", json_incref(output)));
    TRY(json_set_i64(request, "threads", (int64_t)job->room->limits.threads));
    TRY(json_set_i64(request, "memory_mb", (int64_t)engine_memory_mb(job)));
    TRY(json_set_i64(request, "max_rows", (int64_t)job->query->max_rows));
    TRY(json_set_i64(request, "max_bytes", (int64_t)cells_bytes_max(job)));
    return json_encode(request, out);
}

static struct cell cell_of(const struct query_cell *from)
{
    switch (from->kind) {
    case QUERY_CELL_NUMBER:
        return (struct cell){.kind = CELL_NUMBER, .number = from->number};
    case QUERY_CELL_DATE:
        return (struct cell){.kind = CELL_DATE, .number = from->days};
    case QUERY_CELL_TEXT:
        return (struct cell){.kind = CELL_TEXT, .text = from->text};
    case QUERY_CELL_NULL:
        break;
    }
    return (struct cell){.kind = CELL_NULL};
}

static fallible take_cells(struct gate *gate, struct bytes untrusted_cells)
{
    struct reader reader = reader_of(untrusted_cells);
    while (reader_left(&reader) > 0) {
        struct query_cell from;
        TRY(query_cell_decode(&reader, &from));
        struct cell cell = cell_of(&from);
        TRY(gate_add_cell(gate, &cell));
    }
    return OK;
}

static fallible take_rows(struct job *job, int stream)
{
    scoped_buffer frame;
    buffer_init(&frame, CELLS_BYTES_MAX);
    for (;;) {
        uint8_t kind;
        TRY(query_frame_receive(stream, &frame, &kind));
        if (kind == QUERY_FRAME_END) {
            return OK;
        }
        REQUIRE(kind == QUERY_FRAME_CELLS, INTERNAL, "room.execution.failed");
        TRY(take_cells(&job->gate, buffer_view(&frame)));
    }
}

static fallible converse(struct job *job, int stream)
{
    scoped_buffer request;
    buffer_init(&request, QUERY_FRAME_BYTES_MAX);
    TRY(run_request_text(job, &request));
    TRY(query_frame_send(stream, QUERY_FRAME_RUN, buffer_view(&request)));
    return take_rows(job, stream);
}

static fallible run_child(struct job *job)
{
    struct room *room = job->room;
    struct task task;
    TRY(task_start(room, SPAWNER_RUN, (int64_t)job->query->seconds * 1000, &task));
    reads_begin(&room->reads, &job->data, task.read_socket, room->slots);
    struct result result = converse(job, task.stream);
    bool late;
    struct result ended = task_end(&task, &late);
    reads_finish(&room->reads);
    close(task.read_socket);
    TRY(ended);
    REQUIRE(!late, TIMEOUT, "room.execution.deadline");
    return result;
}

/* A failure shows nothing but that it happened: not even when. */
static void wait_for_quantum(struct job *job, int64_t start_ms)
{
    int64_t since = world_monotonic_ms(&job->room->world) - start_ms;
    int64_t left = JOB_FAILURE_QUANTUM_MS - since % JOB_FAILURE_QUANTUM_MS;
    struct timespec pause = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

fallible job_execute(struct job *job)
{
    int64_t start_ms = world_monotonic_ms(&job->room->world);
    struct result result = gate_open(job->query->output, job->query->output_count, job->query->max_rows,
                                     job->query->max_bytes, &job->gate);
    if (result_is_ok(result)) {
        result = run_child(job);
    }
    if (result_is_ok(result)) {
        result = gate_finish(&job->gate, &job->csv);
    }
    if (!result_is_ok(result)) {
        wait_for_quantum(job, start_ms);
    }
    return result;
}
