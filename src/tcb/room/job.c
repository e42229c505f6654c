#include "room/job.h"

#include "edge/query_wire.h"

static void job_wipe(struct job *job)
{
    data_release(&job->data);
    for (size_t i = 0; i < CONTRACT_DATASETS_MAX; i++) {
        secret_release(&job->data_keys[i]);
    }
    key_release(&job->wrapping_key);
    key_release(&job->receipt_key);
    gate_close(&job->gate);
    wipe(job->room->slots, (size_t)READS_SLOTS * QUERY_SLOT_BYTES);
    buffer_release(&job->result);
    for (size_t i = 0; i < job->token_count; i++) {
        json_decref(job->tokens[i].jwks);
    }
    json_decref(job->evidence);
    if (job->bundle != NULL) {
        bundle_release(job->bundle);
    }
    json_decref(job->documents);
    arena_release(&job->arena);
}
#define scoped_job defer(job_wipe) struct job

bool job_reads_dataset(const struct job *job, size_t dataset)
{
    for (size_t i = 0; i < job->query->read_count; i++) {
        if (job->query->reads[i].dataset == dataset) {
            return true;
        }
    }
    return false;
}

bool job_needs_owner(const struct job *job, size_t party)
{
    const struct contract *contract = &job->bundle->contract;
    for (size_t i = 0; i < contract->dataset_count; i++) {
        if (contract->datasets[i].owner == party && job_reads_dataset(job, i)) {
            return true;
        }
    }
    return false;
}

fallible job_progress(struct job *job, const char *step, uint64_t done, uint64_t total)
{
    scoped_json *message = json_object();
    TRY(json_set_text(message, "run", job->bundle->run_request.run));
    TRY(json_set_text(message, "step", text_of(step)));
    TRY(json_set_i64(message, "done", (int64_t)done));
    TRY(json_set_i64(message, "total", (int64_t)total));
    scoped_buffer text;
    buffer_init(&text, message_size_max(MESSAGE_progress));
    TRY(json_encode(message, &text));
    return link_send(&job->room->link, MESSAGE_progress, buffer_view(&text));
}

static struct text run_of(const struct job *job)
{
    bool known = job->bundle != NULL && job->bundle->has_run_request;
    return known ? job->bundle->run_request.run : TEXT("");
}

static fallible report_refusal(struct job *job, struct result refusal)
{
    scoped_json *message = json_object();
    TRY(json_set_text(message, "run", run_of(job)));
    TRY(json_set_text(message, "code", text_of(result_code_name(refusal.code))));
    TRY(json_set_text(message, "why", text_of(refusal.why)));
    struct text where = text_of(refusal.where);
    bool printable = where.size <= 256 && text_is_printable_utf8(where);
    TRY(json_set_text(message, "where", printable ? where : TEXT("")));
    scoped_buffer text;
    buffer_init(&text, message_size_max(MESSAGE_refused));
    TRY(json_encode(message, &text));
    return link_send(&job->room->link, MESSAGE_refused, buffer_view(&text));
}

static fallible report_failure(struct job *job)
{
    scoped_json *message = json_object();
    TRY(json_set_text(message, "run", run_of(job)));
    scoped_buffer text;
    buffer_init(&text, message_size_max(MESSAGE_failed));
    TRY(json_encode(message, &text));
    return link_send(&job->room->link, MESSAGE_failed, buffer_view(&text));
}

/* Everything before the engine sees data. */
static fallible prepare(struct job *job, struct bytes untrusted_documents)
{
    TRY(job_admit(job, untrusted_documents));
    TRY(job_vet(job));
    TRY(job_attest(job));
    TRY(job_release_keys(job));
    return job_pull(job);
}

/* A broken stream is no outcome: there is nobody to tell. */
static bool is_stream_failure(struct result result)
{
    return text_starts_with(text_of(result.why), TEXT("link.")) && !text_is(text_of(result.why), "link.unavailable");
}

fallible job_run(struct room *room, struct bytes untrusted_documents)
{
    scoped_job job = {.room = room};
    arena_init(&job.arena, JOB_ARENA_BYTES_MAX);
    struct result result = prepare(&job, untrusted_documents);
    if (is_stream_failure(result)) {
        return result;
    }
    if (!result_is_ok(result)) {
        return report_refusal(&job, result);
    }
    if (!result_is_ok(job_execute(&job))) {
        return report_failure(&job);
    }
    result = job_finish(&job);
    if (is_stream_failure(result)) {
        return result;
    }
    return result_is_ok(result) ? OK : report_failure(&job);
}
