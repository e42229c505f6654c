/* Every granted column is pulled once, in the order of the contract and the manifests, whatever the data or
 * the query's parameters are: before the engine starts what says where its pages are, then the pages, beside
 * the query. Where the contract lets the room load on demand, the second half follows the child's wishes. */
#include "room/job.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static json_t *part_request(const struct data_table *table, const struct data_part *part)
{
    return json_pack("{s:s%,s:I,s:I}", "dataset", TEXT_SIZED(table->manifest->dataset), "version",
                     (json_int_t)table->manifest->version, "part", (json_int_t)part->part->number);
}

static fallible pull_leaves(struct job *job, const struct data_table *table, struct data_part *part)
{
    scoped_buffer untrusted_leaves;
    buffer_init(&untrusted_leaves, message_size_max(MESSAGE_leaves));
    TRY(link_ask(&job->room->link, MESSAGE_leaves_request, part_request(table, part), MESSAGE_leaves,
                 &untrusted_leaves));
    return data_part_take_leaves(&job->arena, &job->data, part, buffer_view(&untrusted_leaves));
}

static fallible pull_run(struct job *job, const struct data_table *table, struct data_part *part,
                         const struct data_run *run)
{
    scoped_json *message = part_request(table, part);
    TRY(json_set_i64(message, "first", (int64_t)run->first));
    TRY(json_set_i64(message, "count", (int64_t)run->count));
    struct buffer place = data_part_place(part, run);
    struct result asked =
        link_ask(&job->room->link, MESSAGE_segments_request, json_incref(message), MESSAGE_segments, &place);
    REQUIRE(!text_is(text_of(asked.why), "buffer.full"), UNTRUSTED, "data.segments.size");
    TRY(asked);
    return data_part_keep(&job->data, part, run, place.size, &job->reader);
}

static fallible pull_segments(struct job *job, const struct data_table *table, struct data_part *part,
                              bool only_wanted)
{
    struct data_run run = {0};
    for (;;) {
        data_part_next(part, run.index + run.count, only_wanted, &run);
        if (run.count == 0) {
            return OK;
        }
        TRY(pull_run(job, table, part, &run));
    }
}

static fallible prepare_table(struct job *job, const struct data_table *table, const struct secret *data_key)
{
    for (size_t i = 0; i < table->part_count; i++) {
        struct data_part *part = &table->parts[i];
        TRY(pull_leaves(job, table, part));
        TRY(pull_segments(job, table, part, true));
        TRY(data_part_ready(&job->arena, &job->data, table, part, data_key));
    }
    return OK;
}

static fallible pull_table(struct job *job, const struct data_table *table)
{
    for (size_t i = 0; i < table->part_count; i++) {
        TRY(pull_segments(job, table, &table->parts[i], false));
    }
    return OK;
}

static fallible show_table(struct job *job, const struct data_table *table)
{
    for (size_t i = 0; i < table->part_count; i++) {
        TRY(data_show_all(&job->data, &table->parts[i], &job->reader));
    }
    return OK;
}

static struct result in_table(struct job *job, const struct data_table *table, struct result result)
{
    if (!result_is_ok(result)) {
        result.where = arena_where(&job->arena, "%.*s", TEXT_ARGS(table->manifest->dataset));
    }
    return result;
}

fallible job_prepare_data(struct job *job)
{
    job->data.window = &job->room->window;
    bool keeps = job->room->limits.keeps_ciphertext && !job->bundle->contract.on_demand;
    job->data.store = keeps ? &job->room->store : NULL;
    job->data.memory_max = job->room->limits.ciphertext_bytes_max;
    const struct contract *contract = &job->bundle->contract;
    if (contract->on_demand) {
        REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, job->loads) == 0, UNAVAILABLE,
                "room.loads");
        TRY(ARENA_ARRAY(&job->arena, struct data_shown, DATA_ON_DEMAND_SEGMENTS_MAX, &job->data.shown));
        job->data.on_demand = true;
        job->data.load_socket = job->loads[1];
    }
    for (size_t i = 0; i < job->query->read_count; i++) {
        const struct contract_read *read = &job->query->reads[i];
        TRY(data_add_table(&job->arena, &job->data, contract->datasets[read->dataset].table,
                           &job->bundle->manifests[read->dataset], read->columns, read->column_count));
    }
    for (size_t i = 0; i < job->query->read_count; i++) {
        struct secret *data_key = &job->data_keys[job->query->reads[i].dataset];
        const struct data_table *table = &job->data.tables[i];
        TRY(in_table(job, table, prepare_table(job, table, data_key)));
        secret_release(data_key); /* the parts have keys of their own now */
    }
    return OK;
}

static fallible load(struct job *job, const struct data_load *load)
{
    const struct data_table *table = job->data.tables;
    while (load->part < table->parts || load->part >= table->parts + table->part_count) {
        table++;
    }
    uint64_t last = stream_segment_holding(load->offset + load->size - 1);
    struct data_run run = {0};
    for (;;) {
        data_part_next(load->part, run.index + run.count, true, &run);
        if (run.count == 0 || run.first > last) {
            return OK;
        }
        TRY(pull_run(job, table, load->part, &run));
    }
}

/* Until the child has something to say. */
static fallible pull_on_demand(struct job *job, int stream)
{
    struct pollfd waits[] = {{.fd = stream, .events = POLLIN}, {.fd = job->loads[0], .events = POLLIN}};
    for (;;) {
        REQUIRE(poll(waits, 2, -1) > 0 || errno == EINTR, UNAVAILABLE, "room.loads");
        if (waits[0].revents != 0) {
            return OK;
        }
        struct data_load wish;
        if (waits[1].revents != 0 && recv(job->loads[0], &wish, sizeof wish, 0) == (ssize_t)sizeof wish) {
            TRY(load(job, &wish));
        }
    }
}

fallible job_pull(struct job *job, int stream)
{
    if (job->data.on_demand) {
        return pull_on_demand(job, stream);
    }
    const struct data *data = &job->data;
    for (size_t i = 0; i < data->table_count; i++) {
        TRY(in_table(job, &data->tables[i], pull_table(job, &data->tables[i])));
    }
    TRY(job_progress(job, "pulled", data->table_count, data->table_count));
    for (size_t i = 0; i < data->table_count; i++) {
        TRY(in_table(job, &data->tables[i], show_table(job, &data->tables[i])));
    }
    return OK;
}
