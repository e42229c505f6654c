#include "host/queue/queue.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct queue_settings settings = {.lease_ms = 10000, .attempts_max = 3, .open_max = 8};
static const struct queue_room room_a = {"room-a", "sim:aa", "instance-a"};
static const struct queue_room room_b = {"room-b", "sim:aa", "instance-b"};

struct fixture {
    char folder[64];
    char path[96];
    struct queue queue;
};

static void assert_ok(struct result result)
{
    if (!result_is_ok(result)) {
        fail_msg("%s: %s", result_code_name(result.code), result.why);
    }
}

static void assert_why(struct result result, enum result_code want_code, const char *want_why)
{
    assert_string_equal(result.why, want_why);
    assert_int_equal(result.code, want_code);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/truce-queue-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/queue.sqlite", fixture->folder);
    assert_ok(queue_open(fixture->path, &settings, &fixture->queue));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    queue_close(&fixture->queue);
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[112];
        snprintf(path, sizeof path, "%s%s", fixture->path, endings[i]);
        unlink(path);
    }
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static struct queue_job job_named(const char *run, const char *querier)
{
    struct queue_job job = {.not_after_ms = 1000000, .seconds = 60};
    snprintf(job.run, sizeof job.run, "%s", run);
    snprintf(job.request, sizeof job.request, "request-%s", run);
    snprintf(job.contract, sizeof job.contract, "contract");
    snprintf(job.query, sizeof job.query, "rate");
    snprintf(job.querier, sizeof job.querier, "%s", querier);
    snprintf(job.tee, sizeof job.tee, "sim:aa sim:bb");
    return job;
}

static void add(struct queue *queue, const char *run, const char *querier, int64_t now_ms)
{
    struct queue_job job = job_named(run, querier);
    bool is_new = false;
    assert_ok(queue_add(queue, &job, now_ms, &is_new));
    assert_true(is_new);
}

static void assert_state(struct queue *queue, const char *run, enum queue_state want, const char *want_reason,
                         int64_t want_attempts)
{
    struct queue_job job;
    assert_ok(queue_find(queue, run, &job));
    assert_string_equal(queue_state_name(job.state), queue_state_name(want));
    assert_string_equal(job.reason, want_reason);
    assert_int_equal(job.attempts, want_attempts);
}

static void a_run_is_added_once(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 5);
    struct queue_job job = job_named("r1", "insurer");
    bool is_new = true;
    assert_ok(queue_add(queue, &job, 6, &is_new));
    assert_false(is_new);
    snprintf(job.request, sizeof job.request, "another");
    assert_why(queue_add(queue, &job, 6, &is_new), RESULT_CONFLICT, "queue.run.used");
    assert_why(queue_find(queue, "r2", &job), RESULT_NOT_FOUND, "queue.run.unknown");
    assert_ok(queue_find(queue, "r1", &job));
    assert_int_equal(job.created_ms, 5);
    assert_int_equal(job.state, QUEUE_QUEUED);
}

static void the_queue_is_bounded(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    for (int i = 0; i < settings.open_max; i++) {
        char run[8];
        snprintf(run, sizeof run, "r%d", i);
        add(queue, run, "insurer", i);
    }
    struct queue_job job = job_named("more", "insurer");
    bool is_new;
    assert_why(queue_add(queue, &job, 9, &is_new), RESULT_LIMIT, "queue.full");
    assert_ok(queue_claim(queue, &room_a, 10, &job));
    assert_ok(queue_finish(queue, job.run, room_a.id, QUEUE_DONE, "", 11));
    job = job_named("more", "insurer");
    assert_ok(queue_add(queue, &job, 12, &is_new));
}

static void one_room_at_a_time_holds_a_job(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 0);
    struct queue_job job;
    assert_ok(queue_claim(queue, &room_a, 100, &job));
    assert_string_equal(job.run, "r1");
    assert_int_equal(job.lease_until_ms, 10100);
    assert_why(queue_claim(queue, &room_b, 100, &job), RESULT_NOT_FOUND, "queue.empty");
    assert_why(queue_renew(queue, "r1", room_b.id, 100), RESULT_CONFLICT, "queue.lease.lost");
    assert_why(queue_progress(queue, "r1", room_b.id, "pull", 1, 2), RESULT_CONFLICT, "queue.lease.lost");
    assert_why(queue_finish(queue, "r1", room_b.id, QUEUE_DONE, "", 100), RESULT_CONFLICT,
               "queue.lease.lost");
    assert_why(queue_return(queue, "r1", room_b.id, "room.lost", 100), RESULT_CONFLICT, "queue.lease.lost");
    assert_ok(queue_progress(queue, "r1", room_a.id, "pull", 1, 2));
    assert_ok(queue_find(queue, "r1", &job));
    assert_string_equal(job.step, "pull");
    assert_int_equal(job.done, 1);
    assert_int_equal(job.total, 2);
    assert_ok(queue_finish(queue, "r1", room_a.id, QUEUE_DONE, "", 200));
    assert_why(queue_finish(queue, "r1", room_a.id, QUEUE_FAILED, "", 200), RESULT_CONFLICT,
               "queue.lease.lost");
    assert_ok(queue_find(queue, "r1", &job));
    assert_int_equal(job.finished_ms, 200);
    assert_state(queue, "r1", QUEUE_DONE, "", 1);
}

static void an_expired_lease_gives_the_job_back(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 0);
    struct queue_job job;
    assert_ok(queue_claim(queue, &room_a, 0, &job));
    assert_ok(queue_renew(queue, "r1", room_a.id, 9000));
    assert_ok(queue_sweep(queue, 19000));
    assert_state(queue, "r1", QUEUE_RUNNING, "", 1);
    assert_ok(queue_sweep(queue, 19001));
    assert_state(queue, "r1", QUEUE_QUEUED, "room.lease.expired", 1);
    assert_why(queue_renew(queue, "r1", room_a.id, 19001), RESULT_CONFLICT, "queue.lease.lost");
    assert_ok(queue_claim(queue, &room_b, 20000, &job));
    assert_int_equal(job.attempts, 2);
}

static void a_late_room_cannot_renew_what_has_expired(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 0);
    struct queue_job job;
    assert_ok(queue_claim(queue, &room_a, 0, &job));
    assert_why(queue_renew(queue, "r1", room_a.id, 10001), RESULT_CONFLICT, "queue.lease.lost");
}

static void a_claim_itself_returns_what_has_expired(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 0);
    struct queue_job job;
    assert_ok(queue_claim(queue, &room_a, 0, &job));
    assert_ok(queue_claim(queue, &room_b, 10001, &job));
    assert_string_equal(job.room, room_b.id);
    assert_why(queue_finish(queue, "r1", room_a.id, QUEUE_DONE, "", 10002), RESULT_CONFLICT,
               "queue.lease.lost");
}

static void attempts_are_used_up(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 0);
    struct queue_job job;
    for (int attempt = 1; attempt <= settings.attempts_max; attempt++) {
        assert_ok(queue_claim(queue, &room_a, attempt, &job));
        assert_ok(queue_return(queue, "r1", room_a.id, "room.lost", attempt));
        assert_state(queue, "r1", attempt < settings.attempts_max ? QUEUE_QUEUED : QUEUE_FAILED, "room.lost",
                     attempt);
    }
    assert_why(queue_claim(queue, &room_a, 9, &job), RESULT_NOT_FOUND, "queue.empty");
    assert_ok(queue_find(queue, "r1", &job));
    assert_int_equal(job.finished_ms, settings.attempts_max);
}

static void an_outcome_is_final(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    static const enum queue_state outcomes[] = {QUEUE_DONE, QUEUE_REFUSED, QUEUE_FAILED};
    for (size_t i = 0; i < 3; i++) {
        char run[8];
        snprintf(run, sizeof run, "r%zu", i);
        add(queue, run, "insurer", 0);
        struct queue_job job;
        assert_ok(queue_claim(queue, &room_a, 1, &job));
        assert_ok(queue_finish(queue, run, room_a.id, outcomes[i], "why", 2));
        assert_ok(queue_return_all(queue));
        assert_ok(queue_sweep(queue, 2000000));
        assert_ok(queue_cancel(queue, "contract", "contract.revoked", 4));
        assert_why(queue_claim(queue, &room_a, 5, &job), RESULT_NOT_FOUND, "queue.empty");
        assert_state(queue, run, outcomes[i], "why", 1);
    }
}

static void a_restart_loses_no_job(void **state)
{
    struct fixture *fixture = *state;
    add(&fixture->queue, "r1", "insurer", 0);
    add(&fixture->queue, "r2", "insurer", 1);
    struct queue_job job;
    assert_ok(queue_claim(&fixture->queue, &room_a, 2, &job));
    queue_close(&fixture->queue);
    assert_ok(queue_open(fixture->path, &settings, &fixture->queue));
    assert_state(&fixture->queue, "r1", QUEUE_RUNNING, "", 1);
    assert_state(&fixture->queue, "r2", QUEUE_QUEUED, "", 0);
    assert_ok(queue_return_all(&fixture->queue));
    assert_state(&fixture->queue, "r1", QUEUE_QUEUED, "host.restarted", 1);
    assert_ok(queue_claim(&fixture->queue, &room_b, 4, &job));
    assert_ok(queue_claim(&fixture->queue, &room_b, 4, &job));
    assert_why(queue_claim(&fixture->queue, &room_b, 4, &job), RESULT_NOT_FOUND, "queue.empty");
}

static void a_restart_costs_no_attempt(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 0);
    struct queue_job job;
    for (int64_t restart = 1; restart <= settings.attempts_max + 2; restart++) {
        assert_ok(queue_claim(queue, &room_a, restart, &job));
        assert_ok(queue_return_all(queue));
        assert_state(queue, "r1", QUEUE_QUEUED, "host.restarted", restart);
    }
}

static void a_room_gets_only_what_it_can_run(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    struct queue_job job = job_named("r1", "insurer");
    snprintf(job.instance, sizeof job.instance, "instance-b");
    bool is_new;
    assert_ok(queue_add(queue, &job, 0, &is_new));
    static const struct queue_room strange[] = {
        {"c", "sim:a", "instance-b"},
        {"c", "sim:aaa", "instance-b"},
        {"c", "snp:aa", "instance-b"},
    };
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        assert_why(queue_claim(queue, &strange[i], 1, &job), RESULT_NOT_FOUND, "queue.empty");
    }
    assert_why(queue_claim(queue, &room_a, 1, &job), RESULT_NOT_FOUND, "queue.empty");
    assert_ok(queue_claim(queue, &room_b, 1, &job));
}

static void queriers_take_turns(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "a1", "airport", 0);
    add(queue, "a2", "airport", 1);
    add(queue, "a3", "airport", 2);
    add(queue, "i1", "insurer", 3);
    add(queue, "i2", "insurer", 4);
    static const char *const want[] = {"a1", "i1", "a2", "i2", "a3"};
    for (size_t i = 0; i < 5; i++) {
        struct queue_job job;
        assert_ok(queue_claim(queue, &room_a, 100 + (int64_t)i, &job));
        assert_string_equal(job.run, want[i]);
        assert_ok(queue_finish(queue, job.run, room_a.id, QUEUE_DONE, "", 100 + (int64_t)i));
    }
}

static void expired_and_revoked_requests_leave_the_queue(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 0);
    add(queue, "r2", "insurer", 0);
    struct queue_job job;
    assert_ok(queue_claim(queue, &room_a, 1, &job));
    assert_ok(queue_cancel(queue, "other", "contract.revoked", 2));
    assert_state(queue, "r2", QUEUE_QUEUED, "", 0);
    assert_ok(queue_cancel(queue, "contract", "contract.revoked", 2));
    assert_state(queue, "r1", QUEUE_RUNNING, "", 1);
    assert_state(queue, "r2", QUEUE_REFUSED, "contract.revoked", 0);
    assert_ok(queue_return(queue, "r1", room_a.id, "room.lost", 3));
    assert_why(queue_claim(queue, &room_a, 1000000, &job), RESULT_NOT_FOUND, "queue.empty");
    assert_ok(queue_sweep(queue, 1000000));
    assert_state(queue, "r1", QUEUE_REFUSED, "run.expired", 1);
}

static void lists_are_newest_first_and_bounded(void **state)
{
    struct queue *queue = &((struct fixture *)*state)->queue;
    add(queue, "r1", "insurer", 1);
    add(queue, "r2", "insurer", 2);
    struct queue_job jobs[2];
    size_t count;
    assert_ok(queue_list(queue, "contract", 2, jobs, &count));
    assert_int_equal(count, 2);
    assert_string_equal(jobs[0].run, "r2");
    assert_ok(queue_list(queue, "", 1, jobs, &count));
    assert_int_equal(count, 1);
    assert_ok(queue_list(queue, "other", 2, jobs, &count));
    assert_int_equal(count, 0);
    int64_t queued;
    int64_t running;
    assert_ok(queue_counts(queue, &queued, &running));
    assert_int_equal(queued, 2);
    assert_int_equal(running, 0);
}

static void strange_stores_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct queue other;
    assert_why(queue_open("/nonexistent/queue.sqlite", &settings, &other), RESULT_UNAVAILABLE,
               "queue.store.open");
    queue_close(&fixture->queue);
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 200; i++) {
        fputs("this is no database ", file);
    }
    fclose(file);
    assert_why(queue_open(fixture->path, &settings, &other), RESULT_CORRUPT, "queue.store.damaged");
}

static void a_row_that_cannot_be_is_seen(void **state)
{
    struct fixture *fixture = *state;
    static const char *const damages[] = {"state=9", "room='room-a'", "finished_ms=5", "lease_until_ms=5",
                                          "state=5,finished_ms=5"};
    add(&fixture->queue, "a", "alice", 1);
    assert_ok(queue_verify(&fixture->queue));
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "UPDATE jobs SET %s", damages[i]);
        assert_int_equal(sqlite3_exec(fixture->queue.database, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_why(queue_verify(&fixture->queue), RESULT_CORRUPT, "queue.store.damaged");
        assert_int_equal(sqlite3_exec(fixture->queue.database,
                                      "UPDATE jobs SET state=1,room='',finished_ms=0,lease_until_ms=0", NULL,
                                      NULL, NULL),
                         SQLITE_OK);
        assert_ok(queue_verify(&fixture->queue));
    }
}

#define WITH_QUEUE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_QUEUE(a_run_is_added_once),
        WITH_QUEUE(the_queue_is_bounded),
        WITH_QUEUE(one_room_at_a_time_holds_a_job),
        WITH_QUEUE(an_expired_lease_gives_the_job_back),
        WITH_QUEUE(a_late_room_cannot_renew_what_has_expired),
        WITH_QUEUE(a_claim_itself_returns_what_has_expired),
        WITH_QUEUE(attempts_are_used_up),
        WITH_QUEUE(an_outcome_is_final),
        WITH_QUEUE(a_restart_loses_no_job),
        WITH_QUEUE(a_restart_costs_no_attempt),
        WITH_QUEUE(a_room_gets_only_what_it_can_run),
        WITH_QUEUE(queriers_take_turns),
        WITH_QUEUE(expired_and_revoked_requests_leave_the_queue),
        WITH_QUEUE(lists_are_newest_first_and_bounded),
        WITH_QUEUE(strange_stores_are_refused),
        WITH_QUEUE(a_row_that_cannot_be_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
