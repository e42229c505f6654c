#include "host/queue/queue.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
    "CREATE TABLE IF NOT EXISTS jobs("
    " run TEXT PRIMARY KEY, request TEXT NOT NULL, contract TEXT NOT NULL, query TEXT NOT NULL,"
    " querier TEXT NOT NULL, tee TEXT NOT NULL, instance TEXT NOT NULL, not_after_ms INTEGER NOT NULL,"
    " seconds INTEGER NOT NULL, state INTEGER NOT NULL, step TEXT NOT NULL DEFAULT '',"
    " done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',"
    " room TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL DEFAULT 0,"
    " finished_ms INTEGER NOT NULL DEFAULT 0, lease_until_ms INTEGER NOT NULL DEFAULT 0,"
    " attempts INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX IF NOT EXISTS jobs_state ON jobs(state);"
    "CREATE INDEX IF NOT EXISTS jobs_querier ON jobs(querier, state, started_ms);"
    "CREATE INDEX IF NOT EXISTS jobs_contract ON jobs(contract, created_ms);";

#define COLUMNS                                                                                              \
    "run,request,contract,query,querier,tee,instance,not_after_ms,seconds,state,step,done,total,"            \
    "reason,room,created_ms,finished_ms,lease_until_ms,attempts"

enum { SCHEMA_VERSION = 1 };

static sqlite3 *database_of(const struct queue *queue)
{
    return queue->database;
}

struct statement {
    sqlite3_stmt *handle;
    int next;
    bool is_unbound; /* a parameter could not be bound: it must not run */
};

static void statement_release(struct statement *statement)
{
    sqlite3_finalize(statement->handle);
}
#define scoped_statement defer(statement_release) struct statement

static void unlock(pthread_mutex_t **mutex)
{
    pthread_mutex_unlock(*mutex);
}
#define LOCKED(queue)                                                                                        \
    defer(unlock) pthread_mutex_t *locked_ = &(queue)->mutex;                                                \
    pthread_mutex_lock(locked_)

static fallible store_failure(const struct queue *queue)
{
    int code = sqlite3_errcode(database_of(queue)) & 0xff;
    REQUIRE(code != SQLITE_FULL && code != SQLITE_IOERR, UNAVAILABLE, "queue.store.disk");
    REQUIRE(code != SQLITE_CORRUPT && code != SQLITE_NOTADB, CORRUPT, "queue.store.damaged");
    REQUIRE(code != SQLITE_BUSY, UNAVAILABLE, "queue.store.busy");
    REQUIRE(code != SQLITE_CANTOPEN, UNAVAILABLE, "queue.store.open");
    /* No failure of the store: a parameter could not be bound. */
    bool is_memory = code == SQLITE_NOMEM || code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE;
    REQUIRE(!is_memory, NO_MEMORY, "queue.store.memory");
    return FAIL(INTERNAL, "queue.store");
}

static fallible prepare(const struct queue *queue, const char *sql, struct statement *out)
{
    if (sqlite3_prepare_v2(database_of(queue), sql, -1, &out->handle, NULL) != SQLITE_OK) {
        return store_failure(queue);
    }
    out->next = 1;
    return OK;
}

static void bind_text(struct statement *statement, const char *text)
{
    int code = sqlite3_bind_text(statement->handle, statement->next++, text, -1, SQLITE_TRANSIENT);
    statement->is_unbound = statement->is_unbound || code != SQLITE_OK;
}

static void bind_number(struct statement *statement, int64_t number)
{
    int code = sqlite3_bind_int64(statement->handle, statement->next++, number);
    statement->is_unbound = statement->is_unbound || code != SQLITE_OK;
}

static int step(struct statement *statement)
{
    return statement->is_unbound ? SQLITE_NOMEM : sqlite3_step(statement->handle);
}

static fallible run_to_end(const struct queue *queue, struct statement *statement)
{
    if (step(statement) != SQLITE_DONE) {
        return store_failure(queue);
    }
    return OK;
}

static void column_text(sqlite3_stmt *row, int column, size_t size, char *out)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    snprintf(out, size, "%s", text == NULL ? "" : (const char *)text);
}

static struct queue_job job_of_row(sqlite3_stmt *row)
{
    struct queue_job job = {0};
    int column = 0;
#define TAKE_TEXT(member) column_text(row, column++, sizeof job.member, job.member)
#define TAKE_NUMBER(member) job.member = sqlite3_column_int64(row, column++)
    TAKE_TEXT(run);
    TAKE_TEXT(request);
    TAKE_TEXT(contract);
    TAKE_TEXT(query);
    TAKE_TEXT(querier);
    TAKE_TEXT(tee);
    TAKE_TEXT(instance);
    TAKE_NUMBER(not_after_ms);
    TAKE_NUMBER(seconds);
    job.state = (enum queue_state)sqlite3_column_int(row, column++);
    TAKE_TEXT(step);
    TAKE_NUMBER(done);
    TAKE_NUMBER(total);
    TAKE_TEXT(reason);
    TAKE_TEXT(room);
    TAKE_NUMBER(created_ms);
    TAKE_NUMBER(finished_ms);
    TAKE_NUMBER(lease_until_ms);
    TAKE_NUMBER(attempts);
#undef TAKE_TEXT
#undef TAKE_NUMBER
    return job;
}

static fallible check_version(const struct queue *queue)
{
    scoped_statement statement = {0};
    TRY(prepare(queue, "PRAGMA user_version", &statement));
    if (step(&statement) != SQLITE_ROW) {
        return store_failure(queue);
    }
    int version = sqlite3_column_int(statement.handle, 0);
    REQUIRE(version == 0 || version == SCHEMA_VERSION, CORRUPT, "queue.store.version");
    return OK;
}

static fallible prepare_store(const struct queue *queue)
{
    TRY(check_version(queue));
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version=%d", SCHEMA_VERSION);
    if (sqlite3_exec(database_of(queue), schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(database_of(queue), version, NULL, NULL, NULL) != SQLITE_OK) {
        return store_failure(queue);
    }
    return OK;
}

/* SQLite gives its side files the mode of the store. */
static void make_private(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file >= 0) {
        close(file);
    }
}

fallible queue_open(const char *path, const struct queue_settings *settings, struct queue *out)
{
    make_private(path);
    struct queue queue = {.settings = *settings};
    sqlite3 *database = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(path, &database, flags, NULL) != SQLITE_OK) {
        sqlite3_close(database);
        return FAIL(UNAVAILABLE, "queue.store.open");
    }
    sqlite3_busy_timeout(database, 5000);
    queue.database = database;
    struct result result = prepare_store(&queue);
    if (!result_is_ok(result)) {
        sqlite3_close(database);
        return result;
    }
    *out = queue;
    pthread_mutex_init(&out->mutex, NULL);
    return OK;
}

void queue_close(struct queue *queue)
{
    if (queue->database != NULL) {
        sqlite3_close(database_of(queue));
        pthread_mutex_destroy(&queue->mutex);
        queue->database = NULL;
    }
}

static fallible find(struct queue *queue, const char *run, struct queue_job *out)
{
    scoped_statement statement = {0};
    TRY(prepare(queue, "SELECT " COLUMNS " FROM jobs WHERE run=?", &statement));
    bind_text(&statement, run);
    int code = step(&statement);
    REQUIRE(code != SQLITE_DONE, NOT_FOUND, "queue.run.unknown");
    if (code != SQLITE_ROW) {
        return store_failure(queue);
    }
    struct queue_job job = job_of_row(statement.handle);
    /* A text that there was no memory for reads as none. */
    REQUIRE(sqlite3_errcode(database_of(queue)) != SQLITE_NOMEM, NO_MEMORY, "queue.store.memory");
    *out = job;
    return OK;
}

static fallible count(struct queue *queue, enum queue_state state, int64_t *out)
{
    scoped_statement statement = {0};
    TRY(prepare(queue, "SELECT COUNT(*) FROM jobs WHERE state=?", &statement));
    bind_number(&statement, state);
    if (step(&statement) != SQLITE_ROW) {
        return store_failure(queue);
    }
    *out = sqlite3_column_int64(statement.handle, 0);
    return OK;
}

static fallible insert(struct queue *queue, const struct queue_job *job, int64_t now_ms)
{
    scoped_statement statement = {0};
    TRY(prepare(queue,
                "INSERT INTO jobs(run,request,contract,query,querier,tee,instance,not_after_ms,seconds,state,"
                "created_ms) VALUES(?,?,?,?,?,' '||?||' ',?,?,?,?,?)",
                &statement));
    bind_text(&statement, job->run);
    bind_text(&statement, job->request);
    bind_text(&statement, job->contract);
    bind_text(&statement, job->query);
    bind_text(&statement, job->querier);
    bind_text(&statement, job->tee);
    bind_text(&statement, job->instance);
    bind_number(&statement, job->not_after_ms);
    bind_number(&statement, job->seconds);
    bind_number(&statement, QUEUE_QUEUED);
    bind_number(&statement, now_ms);
    return run_to_end(queue, &statement);
}

fallible queue_add(struct queue *queue, const struct queue_job *job, int64_t now_ms, bool *out_is_new)
{
    LOCKED(queue);
    struct queue_job present;
    struct result result = find(queue, job->run, &present);
    if (result_is_ok(result)) {
        REQUIRE(strcmp(present.request, job->request) == 0, CONFLICT, "queue.run.used");
        *out_is_new = false;
        return OK;
    }
    if (result.code != RESULT_NOT_FOUND) {
        return result;
    }
    int64_t queued;
    int64_t running;
    TRY(count(queue, QUEUE_QUEUED, &queued));
    TRY(count(queue, QUEUE_RUNNING, &running));
    REQUIRE(queued + running < queue->settings.open_max, LIMIT, "queue.full");
    TRY(insert(queue, job, now_ms));
    *out_is_new = true;
    return OK;
}

fallible queue_find(struct queue *queue, const char *run, struct queue_job *out)
{
    LOCKED(queue);
    return find(queue, run, out);
}

fallible queue_list(struct queue *queue, const char *contract, size_t max, struct queue_job out[],
                    size_t *out_count)
{
    LOCKED(queue);
    scoped_statement statement = {0};
    TRY(prepare(queue,
                "SELECT " COLUMNS " FROM jobs WHERE ?1='' OR contract=?1"
                " ORDER BY created_ms DESC, rowid DESC LIMIT ?2",
                &statement));
    bind_text(&statement, contract);
    bind_number(&statement, (int64_t)max);
    size_t taken = 0;
    int code = step(&statement);
    while (code == SQLITE_ROW && taken < max) {
        out[taken++] = job_of_row(statement.handle);
        REQUIRE(sqlite3_errcode(database_of(queue)) != SQLITE_NOMEM, NO_MEMORY, "queue.store.memory");
        code = step(&statement);
    }
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        return store_failure(queue);
    }
    *out_count = taken;
    return OK;
}

static fallible next_run(struct queue *queue, const struct queue_room *room, int64_t now_ms,
                         char out_run[static QUEUE_RUN_CHARS + 1])
{
    scoped_statement statement = {0};
    TRY(prepare(queue,
                "SELECT run FROM jobs AS j WHERE state=1 AND not_after_ms>?"
                " AND instr(tee, ' '||?||' ')>0 AND (instance='' OR instance=?)"
                " ORDER BY (SELECT COUNT(*) FROM jobs AS r WHERE r.querier=j.querier AND r.state=2),"
                " (SELECT MAX(r.started_ms) FROM jobs AS r WHERE r.querier=j.querier), j.created_ms, j.rowid"
                " LIMIT 1",
                &statement));
    bind_number(&statement, now_ms);
    bind_text(&statement, room->tee);
    bind_text(&statement, room->instance);
    int code = step(&statement);
    REQUIRE(code != SQLITE_DONE, NOT_FOUND, "queue.empty");
    if (code != SQLITE_ROW) {
        return store_failure(queue);
    }
    column_text(statement.handle, 0, QUEUE_RUN_CHARS + 1, out_run);
    REQUIRE(out_run[0] != '\0', NO_MEMORY, "queue.store.memory");
    return OK;
}

static fallible return_expired(struct queue *queue, int64_t now_ms);

fallible queue_claim(struct queue *queue, const struct queue_room *room, int64_t now_ms,
                     struct queue_job *out)
{
    LOCKED(queue);
    TRY(return_expired(queue, now_ms));
    char run[QUEUE_RUN_CHARS + 1];
    TRY(next_run(queue, room, now_ms, run));
    scoped_statement statement = {0};
    TRY(prepare(queue,
                "UPDATE jobs SET state=2, room=?, lease_until_ms=?, started_ms=?, attempts=attempts+1,"
                " step='', done=0, total=0, reason='' WHERE run=?",
                &statement));
    bind_text(&statement, room->id);
    bind_number(&statement, now_ms + queue->settings.lease_ms);
    bind_number(&statement, now_ms);
    bind_text(&statement, run);
    TRY(run_to_end(queue, &statement));
    return find(queue, run, out);
}

/* Runs an update that is guarded by the lease. */
static fallible run_with_lease(struct queue *queue, struct statement *statement)
{
    TRY(run_to_end(queue, statement));
    REQUIRE(sqlite3_changes(database_of(queue)) == 1, CONFLICT, "queue.lease.lost");
    return OK;
}

fallible queue_renew(struct queue *queue, const char *run, const char *room, int64_t now_ms)
{
    LOCKED(queue);
    scoped_statement statement = {0};
    TRY(prepare(queue,
                "UPDATE jobs SET lease_until_ms=? WHERE run=? AND room=? AND state=2 AND lease_until_ms>=?",
                &statement));
    bind_number(&statement, now_ms + queue->settings.lease_ms);
    bind_text(&statement, run);
    bind_text(&statement, room);
    bind_number(&statement, now_ms);
    return run_with_lease(queue, &statement);
}

fallible queue_progress(struct queue *queue, const char *run, const char *room, const char *step,
                        int64_t done, int64_t total)
{
    LOCKED(queue);
    scoped_statement statement = {0};
    TRY(prepare(queue, "UPDATE jobs SET step=?, done=?, total=? WHERE run=? AND room=? AND state=2",
                &statement));
    bind_text(&statement, step);
    bind_number(&statement, done);
    bind_number(&statement, total);
    bind_text(&statement, run);
    bind_text(&statement, room);
    return run_with_lease(queue, &statement);
}

fallible queue_finish(struct queue *queue, const char *run, const char *room, enum queue_state state,
                      const char *reason, int64_t now_ms)
{
    ASSERT(state == QUEUE_DONE || state == QUEUE_REFUSED || state == QUEUE_FAILED);
    LOCKED(queue);
    scoped_statement statement = {0};
    TRY(prepare(queue,
                "UPDATE jobs SET state=?, reason=?, finished_ms=?, room='', lease_until_ms=0"
                " WHERE run=? AND room=? AND state=2",
                &statement));
    bind_number(&statement, state);
    bind_text(&statement, reason);
    bind_number(&statement, now_ms);
    bind_text(&statement, run);
    bind_text(&statement, room);
    return run_with_lease(queue, &statement);
}

/* One statement, so that a crash leaves each job either leased or returned. */
#define RETURN_JOBS                                                                                          \
    "UPDATE jobs SET room='', lease_until_ms=0, step='', done=0, total=0, reason=?1,"                        \
    " state=CASE WHEN attempts>=?2 THEN 5 ELSE 1 END,"                                                       \
    " finished_ms=CASE WHEN attempts>=?2 THEN ?3 ELSE 0 END WHERE state=2 AND "

static fallible prepare_return(struct queue *queue, const char *sql, const char *reason, int64_t now_ms,
                               struct statement *out)
{
    TRY(prepare(queue, sql, out));
    bind_text(out, reason);
    bind_number(out, queue->settings.attempts_max);
    bind_number(out, now_ms);
    return OK;
}

fallible queue_return(struct queue *queue, const char *run, const char *room, const char *reason,
                      int64_t now_ms)
{
    LOCKED(queue);
    scoped_statement statement = {0};
    TRY(prepare_return(queue, RETURN_JOBS "run=?4 AND room=?5", reason, now_ms, &statement));
    bind_text(&statement, run);
    bind_text(&statement, room);
    return run_with_lease(queue, &statement);
}

static fallible return_expired(struct queue *queue, int64_t now_ms)
{
    scoped_statement statement = {0};
    TRY(prepare_return(queue, RETURN_JOBS "lease_until_ms<?4", "room.lease.expired", now_ms, &statement));
    bind_number(&statement, now_ms);
    return run_to_end(queue, &statement);
}

fallible queue_sweep(struct queue *queue, int64_t now_ms)
{
    LOCKED(queue);
    TRY(return_expired(queue, now_ms));
    scoped_statement statement = {0};
    TRY(prepare(
        queue,
        "UPDATE jobs SET state=4, reason='run.expired', finished_ms=? WHERE state=1 AND not_after_ms<=?",
        &statement));
    bind_number(&statement, now_ms);
    bind_number(&statement, now_ms);
    return run_to_end(queue, &statement);
}

fallible queue_return_all(struct queue *queue)
{
    LOCKED(queue);
    scoped_statement statement = {0};
    TRY(prepare(queue,
                "UPDATE jobs SET room='', lease_until_ms=0, step='', done=0, total=0, "
                "reason='host.restarted', state=1"
                " WHERE state=2",
                &statement));
    return run_to_end(queue, &statement);
}

fallible queue_cancel(struct queue *queue, const char *contract, const char *reason, int64_t now_ms)
{
    LOCKED(queue);
    scoped_statement statement = {0};
    TRY(prepare(queue, "UPDATE jobs SET state=4, reason=?, finished_ms=? WHERE state=1 AND contract=?",
                &statement));
    bind_text(&statement, reason);
    bind_number(&statement, now_ms);
    bind_text(&statement, contract);
    return run_to_end(queue, &statement);
}

fallible queue_counts(struct queue *queue, int64_t *out_queued, int64_t *out_running)
{
    LOCKED(queue);
    int64_t queued;
    TRY(count(queue, QUEUE_QUEUED, &queued));
    TRY(count(queue, QUEUE_RUNNING, out_running));
    *out_queued = queued;
    return OK;
}

static fallible expect_text(struct queue *queue, const char *sql, const char *want)
{
    scoped_statement statement = {0};
    TRY(prepare(queue, sql, &statement));
    if (step(&statement) != SQLITE_ROW) {
        return store_failure(queue);
    }
    const unsigned char *text = sqlite3_column_text(statement.handle, 0);
    REQUIRE(text != NULL, NO_MEMORY, "queue.store.memory");
    REQUIRE(strcmp((const char *)text, want) == 0, CORRUPT, "queue.store.damaged");
    return OK;
}

/* An open job has no end, a leased one has a room, and only an ended one has an end. */
fallible queue_verify(struct queue *queue)
{
    LOCKED(queue);
    TRY(expect_text(queue, "PRAGMA integrity_check(1)", "ok"));
    return expect_text(queue,
                       "SELECT COUNT(*) FROM jobs WHERE state NOT BETWEEN 1 AND 5 OR (state=2)!=(room!='')"
                       " OR (state>2)!=(finished_ms>0) OR (state=2)!=(lease_until_ms>0)"
                       " OR (state IN (4,5) AND reason='')",
                       "0");
}

const char *queue_state_name(enum queue_state state)
{
    switch (state) {
    case QUEUE_QUEUED:
        return "queued";
    case QUEUE_RUNNING:
        return "running";
    case QUEUE_DONE:
        return "done";
    case QUEUE_REFUSED:
        return "refused";
    case QUEUE_FAILED:
        return "failed";
    }
    return "unknown";
}
