/* The child runs the rewritten text over the granted octets; what it hands over goes through the gate.
 * Whatever goes wrong here may depend on data, so it has no name outside: the caller says `failed`. */
#include "room/job.h"

#include "edge/query_wire.h"
#include "privacy/result_frame.h"
#include "room/task.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CELLS_BYTES_MAX = 16 * 1024 * 1024, CELLS_BYTES_OF_RUN_MAX = 256 * 1024 * 1024 };

static fallible describe_tables(const struct data *data, json_t *tables)
{
    for (size_t i = 0; i < data->table_count; i++) {
        const struct data_table *table = &data->tables[i];
        json_t *parts = json_array();
        TRY(json_add(tables, json_pack("{s:s%,s:I,s:o}", "name", TEXT_SIZED(table->name), "dataset",
                                       (json_int_t)i, "parts", parts)));
        for (size_t k = 0; k < table->part_count; k++) {
            const struct data_part *part = &table->parts[k];
            TRY(json_add(parts, json_pack("{s:I,s:I}", "size", (json_int_t)data_part_file_size(part), "first",
                                          (json_int_t)part->first)));
        }
    }
    return OK;
}

static uint64_t engine_memory_mb(const struct job *job)
{
    uint64_t max = job->room->limits.engine_memory_mb_max;
    return job->query->memory_mb < max ? job->query->memory_mb : max;
}

/* The contract bounds the octets of CSV text, which the gate counts. The child counts the octets of its
 * cells, at most nine for one of text (a one-digit number is 17 octets and, with its separator, 2 of text).
 */
static uint64_t cells_bytes_max(const struct job *job)
{
    uint64_t octets = job->query->max_bytes * 9 + 4096;
    return octets < CELLS_BYTES_OF_RUN_MAX ? octets : CELLS_BYTES_OF_RUN_MAX;
}

static fallible run_request_text(struct job *job, struct buffer *out)
{
    json_t *tables = json_array();
    json_t *output = json_array();
    scoped_json *request =
        json_pack("{s:s%,s:o,s:o,s:I,s:I,s:I,s:I}", "executed", TEXT_SIZED(job->executed), "tables", tables,
                  "output", output, "threads", (json_int_t)job->room->limits.threads, "memory_mb",
                  (json_int_t)engine_memory_mb(job), "max_rows", (json_int_t)job->query->max_rows,
                  "max_bytes", (json_int_t)cells_bytes_max(job));
    REQUIRE(request != NULL, NO_MEMORY, "json.memory");
    TRY(describe_tables(&job->data, tables));
    TRY(column_schema_build(job->query->output, job->query->output_count, output));
    return json_encode(request, out);
}

static fallible take_cells(struct gate *gate, struct bytes untrusted_cells)
{
    struct reader reader = reader_of(untrusted_cells);
    while (reader_left(&reader) > 0) {
        struct cell cell;
        TRY(query_cell_decode(&reader, &cell));
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

/* The child works while its data arrives. All of it is pulled and checked whatever the child does, and its
 * time begins when it could have everything. */
static fallible converse(struct job *job, struct task *task)
{
    scoped_buffer request;
    buffer_init(&request, QUERY_FRAME_BYTES_MAX);
    TRY(run_request_text(job, &request));
    TRY(query_frame_send(task->stream, QUERY_FRAME_RUN, buffer_view(&request)));
    int64_t limit_ms = (int64_t)job->query->seconds * 1000;
    if (job->data.on_demand) {
        task_limit(task, limit_ms);
    }
    job->pulled = job_pull(job, task->stream);
    TRY(job->pulled);
    if (!job->data.on_demand) {
        task_limit(task, limit_ms);
    }
    return take_rows(job, task->stream);
}

static fallible run_child(struct job *job)
{
    struct room *room = job->room;
    struct task task;
    TRY(task_start(room, SPAWNER_RUN, &task));
    reads_begin(&room->reads, &job->data, task.read_socket);
    struct result result = converse(job, &task);
    bool late;
    struct result ended = task_end(&task, &late);
    reads_finish(&room->reads);
    close(task.read_socket);
    TRY(ended);
    const struct data_part *untrusted = job->data.untrusted_part;
    if (result_is_ok(job->pulled) && untrusted != NULL && !job->data.on_demand) {
        const struct data_table *table = job->data.tables;
        while (untrusted < table->parts || untrusted >= table->parts + table->part_count) {
            table++;
        }
        job->pulled = FAIL_AT(UNTRUSTED, "part.segment",
                              arena_where(&job->arena, "%.*s", TEXT_ARGS(table->manifest->dataset)));
    }
    TRY(job->pulled);
    if (job->data.store != NULL) {
        data_keep(&job->data);
    }
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
