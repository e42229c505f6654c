#include "base/encode.h"
#include "host/storage/dossier.h"
#include "host/workflow/handlers.h"
#include "jose/jwe.h"

#include <stdio.h>

static fallible build_job(const struct queue_job *job, json_t *out)
{
    char contract[80];
    snprintf(contract, sizeof contract, "sha256:%s", job->contract);
    TRY(json_set_text(out, "run", text_of(job->run)));
    TRY(json_set_text(out, "contract", text_of(contract)));
    TRY(json_set_text(out, "query", text_of(job->query)));
    TRY(json_set_text(out, "querier", text_of(job->querier)));
    TRY(json_set_text(out, "state", text_of(queue_state_name(job->state))));
    TRY(json_set_text(out, "step", text_of(job->step)));
    TRY(json_set_i64(out, "done", job->done));
    TRY(json_set_i64(out, "total", job->total));
    TRY(json_set_i64(out, "attempts", job->attempts));
    TRY(json_set_time(out, "created", job->created_ms / 1000));
    if (job->reason[0] != '\0') {
        TRY(json_set_text(out, "reason", text_of(job->reason)));
    }
    return job->finished_ms > 0 ? json_set_time(out, "finished", job->finished_ms / 1000) : OK;
}

static fallible reply_job(struct http_request *request, struct http_reply *reply, int status,
                          const struct queue_job *job)
{
    scoped_json *value = json_object();
    TRY(build_job(job, value));
    return reply_json(request, reply, status, value);
}

/* ---- POST ---- */

static void copy(char *out, size_t size, struct text text)
{
    snprintf(out, size, "%.*s", TEXT_ARGS(text));
}

static fallible list_tees(struct arena *arena, const struct contract *contract, struct text *out)
{
    *out = TEXT("");
    for (size_t i = 0; i < contract->tee_count; i++) {
        struct text hex;
        TRY(encode_hex(arena, contract->tees[i].measurement, &hex));
        TRY(arena_printf(arena, out, "%.*s%s%.*s:%.*s", TEXT_ARGS(*out), i > 0 ? " " : "",
                         TEXT_ARGS(contract->tees[i].type), TEXT_ARGS(hex)));
    }
    REQUIRE(out->size <= QUEUE_TEE_CHARS, LIMIT, "workflow.contract.tees");
    return OK;
}

/* The room instance that alone can read the sealed parameters, or empty. */
static fallible find_instance(struct arena *arena, const struct run_request *request, struct text *out)
{
    *out = TEXT("");
    if (request->sealed_parameters.size == 0) {
        return OK;
    }
    struct text kids[JWE_RECIPIENTS_MAX];
    size_t count;
    TRY(jwe_recipients(arena, bytes_of_text(request->sealed_parameters), kids, &count));
    REQUIRE(count == 1 && kids[0].size <= QUEUE_NAME_CHARS, INVALID, "workflow.run.sealed_parameters");
    *out = kids[0];
    return OK;
}

static fallible check_request(struct workflow *workflow, struct arena *arena, struct text hex,
                              const struct contract *contract, const struct run_request *run,
                              size_t *out_query)
{
    struct storage_path revocation;
    TRY(storage_path_revocation(hex, &revocation));
    REQUIRE(!storage_has(workflow->storage, &revocation), DENIED, "contract.revoked");
    int64_t now = world_now(workflow->world);
    TRY(contract_verify(arena, contract, NULL, 0));
    TRY(contract_check_time(contract, now));
    TRY(run_request_verify(arena, run, contract, out_query));
    TRY(run_request_check_time(run, now));
    return dossier_check(arena, workflow->storage, hex, contract, run);
}

static fallible build_queue_job(struct arena *arena, struct text hex, const struct contract *contract,
                                const struct run_request *run, size_t query, struct queue_job *out)
{
    struct text tees;
    struct text instance;
    struct text request_hex;
    TRY(list_tees(arena, contract, &tees));
    TRY(find_instance(arena, run, &instance));
    TRY(workflow_hex_of(arena, &run->document.digest, &request_hex));
    struct queue_job job = {.not_after_ms = run->not_after * 1000,
                            .seconds = (int64_t)contract->queries[query].seconds};
    copy(job.run, sizeof job.run, run->run);
    copy(job.request, sizeof job.request, request_hex);
    copy(job.contract, sizeof job.contract, hex);
    copy(job.query, sizeof job.query, run->query);
    copy(job.querier, sizeof job.querier, run->querier);
    copy(job.tee, sizeof job.tee, tees);
    copy(job.instance, sizeof job.instance, instance);
    *out = job;
    return OK;
}

static fallible add_job(struct workflow *workflow, struct http_request *request, struct http_reply *reply,
                        struct workflow_documents *documents)
{
    const struct run_request *run = &documents->run;
    struct contract *contract = &documents->contract;
    struct text hex;
    TRY(workflow_hex_of(request->arena, &run->contract, &hex));
    TRY(workflow_load_contract(workflow, request->arena, hex, contract));
    size_t query;
    TRY(check_request(workflow, request->arena, hex, contract, run, &query));
    struct queue_job job;
    TRY(build_queue_job(request->arena, hex, contract, run, query, &job));
    struct storage_path path;
    TRY(storage_path_request(run->run, &path));
    bool is_new;
    TRY(storage_put(workflow->storage, &path, request->body, STORAGE_REPLACE, &is_new));
    TRY(queue_add(workflow->queue, &job, world_now(workflow->world) * 1000, &is_new));
    log_event(workflow->log, "job.queued", LOG_WORD("run", job.run), LOG_WORD("contract", job.contract),
              LOG_WORD("query", job.query), LOG_WORD("querier", job.querier));
    TRY(queue_find(workflow->queue, job.run, &job));
    scheduler_wake(workflow->scheduler);
    return reply_job(request, reply, 202, &job);
}

/* The same run asked for again is answered with its state; another request under its id is a conflict. */
static fallible reply_known(struct workflow *workflow, struct http_request *request, struct http_reply *reply,
                            const struct run_request *run)
{
    const char *id;
    struct text request_hex;
    struct queue_job job;
    TRY(arena_cstring(request->arena, run->run, &id));
    TRY(queue_find(workflow->queue, id, &job));
    TRY(workflow_hex_of(request->arena, &run->document.digest, &request_hex));
    REQUIRE(text_is(request_hex, job.request), CONFLICT, "queue.run.used");
    return reply_job(request, reply, 200, &job);
}

static fallible post_job(struct workflow *workflow, struct http_request *request, struct http_reply *reply,
                         struct workflow_documents *documents)
{
    struct run_request *run = &documents->run;
    TRY(run_request_parse(request->arena, request->body, run));
    pthread_mutex_lock(&workflow->contract_mutex);
    struct result result = reply_known(workflow, request, reply, run);
    if (result.code == RESULT_NOT_FOUND) {
        result = add_job(workflow, request, reply, documents);
    }
    pthread_mutex_unlock(&workflow->contract_mutex);
    return result;
}
DOCUMENT_HANDLER(workflow_post_job, post_job)

/* ---- GET ---- */

static fallible find_job(struct workflow *workflow, struct http_request *request, struct queue_job *out)
{
    struct text run = request->captures.rows[0];
    REQUIRE(storage_is_hex(run, QUEUE_RUN_CHARS), INVALID, "storage.name.run");
    const char *id;
    TRY(arena_cstring(request->arena, run, &id));
    return queue_find(workflow->queue, id, out);
}

HANDLER(workflow_get_job)
{
    struct queue_job job;
    TRY(find_job(self, request, &job));
    return reply_job(request, reply, 200, &job);
}

HANDLER(workflow_list_jobs)
{
    struct workflow *workflow = self;
    struct text contract = http_query(request, "contract");
    REQUIRE(contract.size == 0 || storage_is_hex(contract, QUEUE_HEX_CHARS), INVALID, "storage.name.digest");
    const char *hex;
    TRY(arena_cstring(request->arena, contract, &hex));
    struct queue_job *jobs;
    TRY(ARENA_ARRAY(request->arena, struct queue_job, QUEUE_LIST_MAX, &jobs));
    size_t count;
    TRY(queue_list(workflow->queue, hex, QUEUE_LIST_MAX, jobs, &count));
    scoped_json *value = json_object();
    json_t *rows = json_array();
    TRY(json_set(value, "jobs", rows));
    for (size_t i = 0; i < count; i++) {
        json_t *row = json_object();
        TRY(json_add(rows, row));
        TRY(build_job(&jobs[i], row));
    }
    return reply_json(request, reply, 200, value);
}

static fallible send_outcome(struct workflow *workflow, struct http_request *request,
                             struct http_reply *reply,
                             fallible (*path_of)(struct text, struct storage_path *))
{
    struct queue_job job;
    TRY(find_job(workflow, request, &job));
    REQUIRE(job.state == QUEUE_DONE, NOT_FOUND, "workflow.job.not_done");
    struct storage_path path;
    TRY(path_of(request->captures.rows[0], &path));
    return workflow_send_object(workflow, request, reply, &path, "application/json");
}

HANDLER(workflow_get_result)
{
    return send_outcome(self, request, reply, storage_path_result);
}

HANDLER(workflow_get_receipt)
{
    return send_outcome(self, request, reply, storage_path_receipt);
}
