#include "room/job.h"

#include <unistd.h>

static void job_wipe(struct job *job)
{
    if (job->loads[0] > 0) {
        close(job->loads[0]);
        close(job->loads[1]);
    }
    data_reader_release(&job->reader);
    data_release(&job->data);
    for (size_t i = 0; i < CONTRACT_DATASETS_MAX; i++) {
        secret_release(&job->data_keys[i]);
    }
    key_release(&job->wrapping_key);
    key_release(&job->receipt_key);
    gate_close(&job->gate);
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
    return link_send_json(&job->room->link, MESSAGE_progress,
                          json_pack("{s:s%,s:s,s:I,s:I}", "run", TEXT_SIZED(job->bundle->run_request.run),
                                    "step", step, "done", (json_int_t)done, "total", (json_int_t)total));
}

static struct text run_of(const struct job *job)
{
    bool known = job->bundle != NULL && job->bundle->has_run_request;
    return known ? job->bundle->run_request.run : TEXT("");
}

static fallible report_refusal(struct job *job, struct result refusal)
{
    struct text run = run_of(job);
    struct text where = text_of(refusal.where);
    bool printable = where.size <= 256 && text_is_printable_utf8(where);
    return link_send_json(&job->room->link, MESSAGE_refused,
                          json_pack("{s:s%,s:s,s:s,s:s}", "run", TEXT_SIZED(run), "code",
                                    result_code_name(refusal.code), "why", refusal.why, "where",
                                    printable && where.size > 0 ? refusal.where : ""));
}

static fallible report_failure(struct job *job)
{
    struct text run = run_of(job);
    return link_send_json(&job->room->link, MESSAGE_failed, json_pack("{s:s%}", "run", TEXT_SIZED(run)));
}

/* Everything before the engine starts. */
static fallible prepare(struct job *job, struct bytes untrusted_documents)
{
    TRY(job_admit(job, untrusted_documents));
    TRY(job_vet(job));
    TRY(job_attest(job));
    TRY(job_release_keys(job));
    return job_prepare_data(job);
}

/* A broken stream is no outcome: there is nobody to tell. */
static bool is_stream_failure(struct result result)
{
    return text_starts_with(text_of(result.why), TEXT("link.")) &&
           !text_is(text_of(result.why), "link.unavailable");
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
    result = job_execute(&job);
    if (is_stream_failure(job.pulled)) {
        return job.pulled;
    }
    if (!result_is_ok(result)) {
        return result_is_ok(job.pulled) ? report_failure(&job) : report_refusal(&job, job.pulled);
    }
    result = job_finish(&job);
    if (is_stream_failure(result)) {
        return result;
    }
    return result_is_ok(result) ? OK : report_failure(&job);
}
