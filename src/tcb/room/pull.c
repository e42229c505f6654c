/* Every granted column is pulled once, in the order of the contract and the manifests, whatever the data or
 * the query's parameters are. */
#include "room/job.h"

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

static fallible pull_segments(struct job *job, const struct data_table *table, struct data_part *part)
{
    scoped_buffer untrusted_segments;
    buffer_init(&untrusted_segments, message_size_max(MESSAGE_segments));
    for (;;) {
        uint64_t first;
        uint64_t count;
        size_t size;
        data_part_next(part, &first, &count, &size);
        if (count == 0) {
            return OK;
        }
        scoped_json *message = part_request(table, part);
        TRY(json_set_i64(message, "first", (int64_t)first));
        TRY(json_set_i64(message, "count", (int64_t)count));
        buffer_clear(&untrusted_segments);
        TRY(link_ask(&job->room->link, MESSAGE_segments_request, json_incref(message), MESSAGE_segments,
                     &untrusted_segments));
        TRY(data_part_keep(part, buffer_view(&untrusted_segments)));
    }
}

static fallible pull_table(struct job *job, const struct data_table *table, const struct secret *data_key,
                           uint64_t *done, uint64_t total)
{
    for (size_t i = 0; i < table->part_count; i++) {
        struct data_part *part = &table->parts[i];
        TRY(pull_leaves(job, table, part));
        TRY(pull_segments(job, table, part));
        TRY(data_part_ready(&job->arena, table, part, data_key));
        (*done)++;
        TRY(job_progress(job, "pulled", *done, total));
    }
    return OK;
}

fallible job_pull(struct job *job)
{
    job->data.memory_max = job->room->limits.ciphertext_bytes_max;
    const struct contract *contract = &job->bundle->contract;
    uint64_t total = 0;
    for (size_t i = 0; i < job->query->read_count; i++) {
        const struct contract_read *read = &job->query->reads[i];
        const struct manifest *manifest = &job->bundle->manifests[read->dataset];
        TRY(data_add_table(&job->arena, &job->data, contract->datasets[read->dataset].table, manifest,
                           read->columns, read->column_count));
        total += manifest->part_count;
    }
    uint64_t done = 0;
    for (size_t i = 0; i < job->query->read_count; i++) {
        size_t dataset = job->query->reads[i].dataset;
        struct result result = pull_table(job, &job->data.tables[i], &job->data_keys[dataset], &done, total);
        if (!result_is_ok(result)) {
            result.where = arena_where(&job->arena, "%.*s", TEXT_ARGS(contract->datasets[dataset].dataset));
            return result;
        }
        secret_release(&job->data_keys[dataset]); /* the parts have keys of their own now */
    }
    return OK;
}
