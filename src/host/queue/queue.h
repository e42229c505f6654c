/* host/queue.h: the jobs of a host, in SQLite, so that a restart loses none of them.
 *
 * A job is added once per run id and lives through queued → running → done, refused or failed. A room
 * holds a job by a lease: while the room's connection lives the host renews it; when the lease passes its
 * end, or the room is lost, the job is queued again before anybody else may claim it, until its attempts
 * are used up. An outcome is final: a job that a room reported as `failed` is never given out again.
 *
 * The queue decides nothing that matters for confidentiality: whatever it does, the room judges the
 * documents itself. Times are milliseconds of the wall clock, passed in. Any thread: one mutex inside. */
#pragma once

#include "base/result.h"
#include "base/view.h"

#include <pthread.h>

enum {
    QUEUE_RUN_CHARS = 32,
    QUEUE_HEX_CHARS = 64,
    QUEUE_NAME_CHARS = 64,
    QUEUE_REASON_CHARS = 160,
    QUEUE_TEE_CHARS = 1024,
    QUEUE_LIST_MAX = 500,
};

enum queue_state { QUEUE_QUEUED = 1, QUEUE_RUNNING, QUEUE_DONE, QUEUE_REFUSED, QUEUE_FAILED };

/* One job. Texts are NUL-terminated. `tee` lists what may run it as "type:measurement" words; `instance`
 * is empty, or the key id of the one room instance that can read its sealed parameters. */
struct queue_job {
    char run[QUEUE_RUN_CHARS + 1];
    char request[QUEUE_HEX_CHARS + 1]; /* digest of the run request */
    char contract[QUEUE_HEX_CHARS + 1];
    char query[QUEUE_NAME_CHARS + 1];
    char querier[QUEUE_NAME_CHARS + 1];
    char tee[QUEUE_TEE_CHARS + 1];
    char instance[QUEUE_NAME_CHARS + 1];
    int64_t not_after_ms;
    int64_t seconds; /* what the contract allows the query itself */

    enum queue_state state;
    char step[QUEUE_NAME_CHARS + 1];
    int64_t done;
    int64_t total;
    char reason[QUEUE_REASON_CHARS + 1];
    char room[QUEUE_NAME_CHARS + 1];
    int64_t created_ms;
    int64_t finished_ms; /* 0 while it is open */
    int64_t lease_until_ms;
    int64_t attempts;
};

struct queue_settings {
    int64_t lease_ms;
    int64_t attempts_max;
    int64_t open_max; /* queued and running jobs together */
};

struct queue {
    void *database;
    struct queue_settings settings;
    pthread_mutex_t mutex;
};

/* Opens or makes the store. UNAVAILABLE "queue.store.open", CORRUPT "queue.store.version". */
fallible queue_open(const char *path, const struct queue_settings *settings, struct queue *out);
void queue_close(struct queue *queue);

/* Adds a job from the members above the blank line. The same run with the same request is no error:
 * `*out_is_new` is false. CONFLICT "queue.run.used" for another request, LIMIT "queue.full". */
fallible queue_add(struct queue *queue, const struct queue_job *job, int64_t now_ms, bool *out_is_new);

fallible queue_find(struct queue *queue, const char *run,
                    struct queue_job *out); /* NOT_FOUND "queue.run.unknown" */

/* The newest jobs first, at most `max`; of one contract, or of all when `contract` is empty. */
fallible queue_list(struct queue *queue, const char *contract, size_t max, struct queue_job out[],
                    size_t *out_count);

/* What a room is: who holds the lease, what it measures as, and its instance key's id. */
struct queue_room {
    const char *id;
    const char *tee; /* "type:measurement" */
    const char *instance;
};

/* Leases the next job that this room may run. Fair between queriers: the one with the fewest running jobs
 * and the longest wait since its last start comes first, then the oldest job. NOT_FOUND "queue.empty". */
fallible queue_claim(struct queue *queue, const struct queue_room *room, int64_t now_ms,
                     struct queue_job *out);

/* Each of these needs the lease: CONFLICT "queue.lease.lost" otherwise, and nothing changes. */
fallible queue_renew(struct queue *queue, const char *run, const char *room, int64_t now_ms);
fallible queue_progress(struct queue *queue, const char *run, const char *room, const char *step,
                        int64_t done, int64_t total);
/* `state` is DONE, REFUSED or FAILED: final. */
fallible queue_finish(struct queue *queue, const char *run, const char *room, enum queue_state state,
                      const char *reason, int64_t now_ms);
/* The room is lost: queued again, or FAILED with `reason` when no attempt is left. */
fallible queue_return(struct queue *queue, const char *run, const char *room, const char *reason,
                      int64_t now_ms);

/* Returns every job whose lease has passed (reason "room.lease.expired") and ends every queued job whose
 * request has expired (REFUSED "run.expired"). Call it before claims. */
fallible queue_sweep(struct queue *queue, int64_t now_ms);

/* A new process took over: no lease of the former one is alive. Returns all running jobs at once, also those
 * without an attempt left: it was not a room that failed. */
fallible queue_return_all(struct queue *queue);

/* Ends all queued jobs of a contract as REFUSED. Running ones go on. */
fallible queue_cancel(struct queue *queue, const char *contract, const char *reason, int64_t now_ms);

fallible queue_counts(struct queue *queue, int64_t *out_queued, int64_t *out_running);

/* Whether the store is whole: CORRUPT "queue.store.damaged" where SQLite finds it damaged or a row cannot be.
 */
fallible queue_verify(struct queue *queue);

const char *queue_state_name(enum queue_state state);
