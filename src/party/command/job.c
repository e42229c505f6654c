#include "party/command/job.h"

#include "party/agreement/agreement.h"
#include "party/command/table.h"
#include "party/home/file.h"

#include <time.h>

enum { POLL_MS = 200, WAIT_SECONDS_DEFAULT = 3600, WAIT_SECONDS_MAX = 86400 * 7 };

static const char *text_member(struct invocation *invocation, const json_t *json, const char *name)
{
    struct text text;
    return result_is_ok(json_get_text(json, name, &text)) ? screen_safe(invocation->arena, text) : "";
}

static uint64_t number_member(const json_t *json, const char *name)
{
    uint64_t number;
    return result_is_ok(json_get_u64(json, name, INT64_MAX, &number)) ? number : 0;
}

/* A run that has ended, one way or the other. */
static fallible judge_end(struct invocation *invocation, const json_t *job, bool *out_ended)
{
    const char *state = text_member(invocation, job, "state");
    *out_ended = true;
    if (strcmp(state, "refused") == 0) {
        return invocation_advise(
            invocation, FAIL_AT(DENIED, "job.refused", text_member(invocation, job, "reason")),
            "The run was refused before any data was read; the reason is the room's or the host's.");
    }
    if (strcmp(state, "failed") == 0) {
        return FAIL(UNAVAILABLE, "job.failed");
    }
    *out_ended = strcmp(state, "done") == 0;
    return OK;
}

fallible job_wait(struct invocation *invocation, struct host_link *link, const char *run, uint64_t seconds,
                  json_t **out)
{
    struct progress progress;
    int64_t deadline_ms = world_monotonic_ms(&invocation->world) + (int64_t)seconds * 1000;
    progress_begin(&progress, &invocation->screen, &invocation->world, "waiting for the room", 0, false);
    while (world_monotonic_ms(&invocation->world) < deadline_ms) {
        scoped_json *job = NULL;
        bool ended;
        TRY(host_link_get_json(link, invocation->arena, arena_where(invocation->arena, "/v1/jobs/%s", run),
                               &job));
        struct result result = judge_end(invocation, job, &ended);
        if (!result_is_ok(result) || ended) {
            progress.label = ended && result_is_ok(result) ? "run" : progress.label;
            progress_end(&progress, result_is_ok(result));
            TRY(result);
            *out = job;
            job = NULL;
            return OK;
        }
        const char *step = text_member(invocation, job, "step");
        progress.label = step[0] != '\0' ? step : progress.label;
        progress.total = number_member(job, "total");
        progress_set(&progress, number_member(job, "done"));
        struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
    progress_end(&progress, false);
    return invocation_advise(invocation, FAIL(TIMEOUT, "job.timeout"),
                             "The run goes on. Look again: truce job show %s --wait", run);
}

static void print_job(struct invocation *invocation, const json_t *job)
{
    const char *reason = text_member(invocation, job, "reason");
    screen_line(&invocation->screen, "%s  %-8s %s by %s, created %s%s%s%s%s",
                text_member(invocation, job, "run"), text_member(invocation, job, "state"),
                text_member(invocation, job, "query"), text_member(invocation, job, "querier"),
                text_member(invocation, job, "created"), json_has(job, "finished") ? ", finished " : "",
                text_member(invocation, job, "finished"), reason[0] != '\0' ? ": " : "", reason);
}

static fallible run_list(struct invocation *invocation)
{
    struct own_party party;
    scoped_host_link link = {0};
    scoped_json *answer = NULL;
    json_t *jobs = NULL;
    const char *path = "/v1/jobs";
    TRY(invocation_party(invocation, &party));
    if (invocation_argument(invocation, 0) != NULL) {
        scoped_contract contract = {0};
        const char *hex;
        TRY(agreement_read(invocation->arena, invocation_argument(invocation, 0), &contract));
        TRY(agreement_hex(invocation->arena, &contract.document.digest, &hex));
        path = arena_where(invocation->arena, "/v1/jobs?contract=%s", hex);
    }
    TRY(host_link_open(invocation->arena, party.folder, &link));
    TRY(host_link_get_json(&link, invocation->arena, path, &answer));
    jobs = json_is_array(answer) ? answer : json_object_get(answer, "jobs");
    if (json_array_size(jobs) == 0) {
        screen_line(&invocation->screen, "no jobs");
    }
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        print_job(invocation, json_array_get(jobs, i));
    }
    return screen_json(&invocation->screen, answer);
}

static fallible run_show(struct invocation *invocation)
{
    struct own_party party;
    scoped_host_link link = {0};
    scoped_json *job = NULL;
    uint64_t seconds;
    const char *run = invocation_argument(invocation, 0);
    if (strlen(run) != RUN_ID_CHARACTERS || !text_is_name(text_of(run))) {
        return invocation_usage(
            invocation, "A run is named by 32 hex digits, as `truce run` and `truce job list` print it.");
    }
    TRY(invocation_number(invocation, "timeout", WAIT_SECONDS_MAX, WAIT_SECONDS_DEFAULT, &seconds));
    TRY(invocation_party(invocation, &party));
    TRY(host_link_open(invocation->arena, party.folder, &link));
    if (option_given(&invocation->options, "wait")) {
        TRY(job_wait(invocation, &link, run, seconds, &job));
    } else {
        TRY(host_link_get_json(&link, invocation->arena, arena_where(invocation->arena, "/v1/jobs/%s", run),
                               &job));
    }
    print_job(invocation, job);
    return screen_json(&invocation->screen, job);
}

static fallible run_send(struct invocation *invocation)
{
    struct own_party party;
    struct bytes document;
    scoped_run_request request = {0};
    scoped_host_link link = {0};
    scoped_json *answer = NULL;
    TRY(invocation_party(invocation, &party));
    TRY(file_read(invocation->arena, invocation_argument(invocation, 0), &document));
    TRY(run_request_parse(invocation->arena, document, &request));
    TRY(host_link_open(invocation->arena, party.folder, &link));
    TRY(host_link_post(&link, invocation->arena, "/v1/jobs", document, &answer));
    screen_line(&invocation->screen, "run %.*s", TEXT_ARGS(request.run));
    return screen_json(&invocation->screen, answer);
}

static const struct option no_options[] = {{0}};
static const struct option show_options[] = {
    {"wait", 'w', NULL, "wait until the run has ended", false},
    {"timeout", 0, "SECONDS", "how long to wait (default 3600)", false},
    {0}};

const struct command command_job[] = {
    {"job", "list", "list the runs that the host knows", "[CONTRACT]", NULL, no_options, 0, 1, run_list},
    {"job", "send", "send a signed run request from a file", "FILE",
     "What `truce run --out FILE` wrote, by whomever; the signature in it counts.", no_options, 1, 1,
     run_send},
    {"job", "show", "print the state of a run", "RUN", NULL, show_options, 1, 1, run_show},
    {0},
};
