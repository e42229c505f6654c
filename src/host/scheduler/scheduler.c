#include "host/scheduler/scheduler.h"

#include "host/storage/dossier.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 500, PAUSE_MS = 50, ARENA_BYTES = 64 * 1024 * 1024 };

enum seat_state { SEAT_FREE = 0, SEAT_TAKEN, SEAT_LEFT };

/* A connected room. The mutex of the scheduler guards everything but `link`, which is its thread's. */
struct seat {
    struct scheduler *scheduler;
    enum seat_state state;
    pthread_t thread;
    int socket;
    int wake; /* eventfd */
    uint64_t number;
    struct link link;
    bool is_ready;
    bool is_working;
    char id[QUEUE_NAME_CHARS + 1];
    char run[QUEUE_RUN_CHARS + 1];
    int64_t deadline_ms; /* monotonic, as is the next */
    int64_t renew_ms;
    bool is_overdue;
};

struct scheduler {
    const struct link_host *host;
    struct scheduler_settings settings;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int socket;
    int stop_event;
    pthread_t accepting;
    pthread_t keeping;
    pthread_mutex_t mutex;
    uint64_t numbers;
    atomic_bool is_stopping; /* nothing new is started */
    atomic_bool is_ending;   /* what is in progress ends too */
    struct seat seats[SCHEDULER_ROOMS_MAX];
};

static int64_t now_ms(const struct scheduler *scheduler)
{
    return world_now(scheduler->host->world) * 1000;
}

static void signal_event(int event)
{
    uint64_t one = 1;
    ssize_t written = write(event, &one, sizeof one);
    (void)written;
}

/* ---- One room ---- */

static bool is_ending(void *self)
{
    struct seat *seat = self;
    return atomic_load(&seat->scheduler->is_ending);
}

static void start_work(struct seat *seat, const struct queue_job *job)
{
    struct scheduler *scheduler = seat->scheduler;
    pthread_mutex_lock(&scheduler->mutex);
    seat->is_working = true;
    seat->is_overdue = false;
    seat->deadline_ms =
        world_monotonic_ms(scheduler->host->world) + job->seconds * 1000 + scheduler->settings.job_extra_ms;
    seat->renew_ms = 0;
    snprintf(seat->run, sizeof seat->run, "%s", job->run);
    pthread_mutex_unlock(&scheduler->mutex);
}

/* True when the deadline ended it. */
static bool end_work(struct seat *seat)
{
    pthread_mutex_lock(&seat->scheduler->mutex);
    bool was_overdue = seat->is_overdue;
    seat->is_working = false;
    pthread_mutex_unlock(&seat->scheduler->mutex);
    return was_overdue;
}

/* Its receipt is stored, and the queue could not be told: it is done, and must not be done again. */
static bool is_reported(const struct link_host *host, const struct queue_job *job)
{
    struct storage_path receipt;
    return result_is_ok(storage_path_receipt(text_of(job->run), &receipt)) &&
           storage_has(host->storage, &receipt);
}

static fallible run_job(struct seat *seat, const struct queue_job *job)
{
    const struct link_host *host = seat->scheduler->host;
    if (is_reported(host, job)) {
        return queue_finish(host->queue, job->run, seat->id, QUEUE_DONE, "", now_ms(seat->scheduler));
    }
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_buffer dossier;
    buffer_init(&dossier, DOSSIER_BYTES_MAX);
    struct result result =
        dossier_build(&arena, host->storage, text_of(job->contract), text_of(job->run), &dossier);
    if (!result_is_ok(result)) {
        event_job_refused(host->log, text_of(job->run), result.why);
        return queue_finish(host->queue, job->run, seat->id, QUEUE_REFUSED, result.why,
                            now_ms(seat->scheduler));
    }
    return link_run(&seat->link, job, buffer_view(&dossier));
}

/* A lost room gives its job back, unless we are going ourselves: then the next start returns it. */
static void give_back(struct seat *seat, const struct queue_job *job, const char *reason)
{
    const struct link_host *host = seat->scheduler->host;
    if (atomic_load(&seat->scheduler->is_ending)) {
        return;
    }
    struct result result =
        is_reported(host, job)
            ? queue_finish(host->queue, job->run, seat->id, QUEUE_DONE, "", now_ms(seat->scheduler))
            : queue_return(host->queue, job->run, seat->id, reason, now_ms(seat->scheduler));
    event_job_returned(host->log, text_of(job->run), text_of(seat->id), reason, job->attempts, result.why);
    scheduler_wake(seat->scheduler);
}

static fallible work(struct seat *seat, const struct queue_job *job)
{
    const struct link_host *host = seat->scheduler->host;
    event_job_started(host->log, text_of(job->run), text_of(seat->id), job->attempts);
    int64_t started = world_monotonic_ms(host->world);
    start_work(seat, job);
    struct result result = run_job(seat, job);
    bool was_overdue = end_work(seat);
    if (!result_is_ok(result)) {
        give_back(seat, job, was_overdue ? "room.deadline" : result.why);
        return result;
    }
    event_job_ended(host->log, text_of(job->run), text_of(seat->id),
                    world_monotonic_ms(host->world) - started);
    return OK;
}

/* OK: there may be a job. UNAVAILABLE "room.lost" when the room went or spoke out of turn. */
static fallible wait_for_work(struct seat *seat)
{
    struct pollfd pollers[2] = {{.fd = seat->socket, .events = POLLIN}, {.fd = seat->wake, .events = POLLIN}};
    int ready = poll(pollers, 2, TICK_MS);
    REQUIRE(ready >= 0 || errno == EINTR, UNAVAILABLE, "room.lost");
    if (ready > 0 && pollers[1].revents != 0) {
        uint64_t count;
        ssize_t got = read(seat->wake, &count, sizeof count);
        (void)got;
    }
    if (ready > 0 && pollers[0].revents != 0) {
        uint8_t octet;
        bool is_gone = recv(seat->socket, &octet, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
        return is_gone ? FAIL(UNAVAILABLE, "room.lost") : FAIL(INVALID, "room.turn.kind");
    }
    return OK;
}

static fallible serve_room(struct seat *seat)
{
    struct scheduler *scheduler = seat->scheduler;
    struct queue_room room = {seat->id, seat->link.identity.tee, seat->link.identity.instance};
    while (!atomic_load(&scheduler->is_stopping)) {
        struct queue_job job;
        struct result claimed = queue_claim(scheduler->host->queue, &room, now_ms(scheduler), &job);
        if (result_is_ok(claimed)) {
            TRY(work(seat, &job));
            continue;
        }
        if (claimed.code != RESULT_NOT_FOUND) {
            event_queue_claim_failed(scheduler->host->log, claimed.why);
        }
        TRY(wait_for_work(seat));
    }
    return FAIL(UNAVAILABLE, "host.stopping");
}

static void enter_room(struct seat *seat)
{
    pthread_mutex_lock(&seat->scheduler->mutex);
    snprintf(seat->id, sizeof seat->id, "%s", seat->link.identity.id);
    seat->is_ready = true;
    pthread_mutex_unlock(&seat->scheduler->mutex);
    event_room_connected(seat->scheduler->host->log, text_of(seat->id), text_of(seat->link.identity.tee));
}

static void leave_room(struct seat *seat, struct result result)
{
    event_room_left(seat->scheduler->host->log, text_of(seat->id), result.why);
    pthread_mutex_lock(&seat->scheduler->mutex);
    if (seat->is_ready) {
        link_close(&seat->link);
    }
    seat->is_ready = false;
    close(seat->socket);
    close(seat->wake);
    seat->socket = seat->wake = -1;
    seat->state = SEAT_LEFT;
    pthread_mutex_unlock(&seat->scheduler->mutex);
}

static void *room_thread(void *self)
{
    struct seat *seat = self;
    struct result result =
        link_open(seat->scheduler->host, seat->socket, seat->number, is_ending, seat, &seat->link);
    if (result_is_ok(result)) {
        enter_room(seat);
        result = serve_room(seat);
    }
    leave_room(seat, result);
    return NULL;
}

/* ---- Accepting ---- */

/* A free seat under the mutex, or NULL. */
static struct seat *find_seat(struct scheduler *scheduler)
{
    for (size_t i = 0; i < SCHEDULER_ROOMS_MAX; i++) {
        struct seat *seat = &scheduler->seats[i];
        if (seat->state == SEAT_LEFT) {
            pthread_join(seat->thread, NULL);
            seat->state = SEAT_FREE;
        }
        if (seat->state == SEAT_FREE) {
            return seat;
        }
    }
    return NULL;
}

static bool take_seat(struct scheduler *scheduler, int socket)
{
    pthread_mutex_lock(&scheduler->mutex);
    struct seat *seat = find_seat(scheduler);
    int wake = seat == NULL ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool is_taken = wake >= 0;
    if (is_taken) {
        *seat = (struct seat){.scheduler = scheduler, .state = SEAT_TAKEN, .socket = socket, .wake = wake};
        seat->number = ++scheduler->numbers;
        is_taken = pthread_create(&seat->thread, NULL, room_thread, seat) == 0;
        seat->state = is_taken ? SEAT_TAKEN : SEAT_FREE;
    }
    if (!is_taken && wake >= 0) {
        close(wake);
    }
    pthread_mutex_unlock(&scheduler->mutex);
    return is_taken;
}

static void *accept_thread(void *self)
{
    struct scheduler *scheduler = self;
    while (!atomic_load(&scheduler->is_stopping)) {
        struct pollfd pollers[2] = {{.fd = scheduler->socket, .events = POLLIN},
                                    {.fd = scheduler->stop_event, .events = POLLIN}};
        poll(pollers, 2, -1);
        if (pollers[0].revents == 0) {
            continue;
        }
        int socket = accept4(scheduler->socket, NULL, NULL, SOCK_CLOEXEC);
        if (socket >= 0 && !take_seat(scheduler, socket)) {
            event_room_turned_away(scheduler->host->log, SCHEDULER_ROOMS_MAX);
            close(socket);
        }
    }
    return NULL;
}

/* ---- Keeping time ---- */

/* A conflict is also what a job gives that has ended this very moment: then nothing is lost. */
static bool is_lost(struct scheduler *scheduler, const struct seat *seat)
{
    struct queue *queue = scheduler->host->queue;
    struct result renewed = queue_renew(queue, seat->run, seat->id, now_ms(scheduler));
    struct queue_job job;
    return renewed.code == RESULT_CONFLICT && result_is_ok(queue_find(queue, seat->run, &job)) &&
           job.state <= QUEUE_RUNNING;
}

/* Under the mutex. A lease that is lost, or a job over its deadline, ends the room. */
static void keep_seat(struct scheduler *scheduler, struct seat *seat)
{
    if (seat->state != SEAT_TAKEN || !seat->is_working) {
        return;
    }
    int64_t now = world_monotonic_ms(scheduler->host->world);
    bool is_lease_lost = false;
    if (now >= seat->renew_ms) {
        is_lease_lost = is_lost(scheduler, seat);
        seat->renew_ms = now + scheduler->host->queue->settings.lease_ms / 4;
    }
    seat->is_overdue = now > seat->deadline_ms;
    if (is_lease_lost || seat->is_overdue) {
        shutdown(seat->socket, SHUT_RDWR);
    }
}

/* Stopping ends the tick, so that it is quick; the event stays set from then on. */
static void wait_a_tick(const struct scheduler *scheduler)
{
    struct pollfd poller = {.fd = scheduler->stop_event, .events = POLLIN};
    if (poll(&poller, 1, TICK_MS) != 0) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
}

static void *keep_thread(void *self)
{
    struct scheduler *scheduler = self;
    while (!atomic_load(&scheduler->is_ending)) {
        pthread_mutex_lock(&scheduler->mutex);
        for (size_t i = 0; i < SCHEDULER_ROOMS_MAX; i++) {
            keep_seat(scheduler, &scheduler->seats[i]);
        }
        pthread_mutex_unlock(&scheduler->mutex);
        struct result swept = queue_sweep(scheduler->host->queue, now_ms(scheduler));
        if (!result_is_ok(swept)) {
            event_queue_sweep_failed(scheduler->host->log, swept.why);
        }
        wait_a_tick(scheduler);
    }
    return NULL;
}

/* ---- Starting and stopping ---- */

static bool is_listening(const struct sockaddr_un *address)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listens = probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof *address) == 0;
    if (probe >= 0) {
        close(probe);
    }
    return listens;
}

static fallible open_socket(const char *path, mode_t mode, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    REQUIRE(strlen(path) < sizeof address.sun_path, INVALID, "scheduler.socket.path_too_long");
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    REQUIRE(!is_listening(&address), CONFLICT, "scheduler.socket.used");
    unlink(path);
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(file >= 0, UNAVAILABLE, "scheduler.socket");
    bool is_open = bind(file, (struct sockaddr *)&address, sizeof address) == 0 && chmod(path, mode) == 0 &&
                   listen(file, SCHEDULER_ROOMS_MAX) == 0;
    if (!is_open) {
        close(file);
        return FAIL(UNAVAILABLE, "scheduler.socket");
    }
    *out = file;
    return OK;
}

static fallible start_threads(struct scheduler *scheduler)
{
    scheduler->stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    REQUIRE(scheduler->stop_event >= 0, UNAVAILABLE, "scheduler.event");
    REQUIRE(pthread_create(&scheduler->keeping, NULL, keep_thread, scheduler) == 0, UNAVAILABLE,
            "scheduler.thread");
    if (pthread_create(&scheduler->accepting, NULL, accept_thread, scheduler) != 0) {
        atomic_store(&scheduler->is_ending, true);
        pthread_join(scheduler->keeping, NULL);
        return FAIL(UNAVAILABLE, "scheduler.thread");
    }
    return OK;
}

fallible scheduler_start(const char *path, const struct link_host *host,
                         const struct scheduler_settings *settings, struct scheduler **out)
{
    int file;
    TRY(open_socket(path, settings->socket_mode, &file));
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (scheduler == NULL) {
        close(file);
        return FAIL(NO_MEMORY, "scheduler.memory");
    }
    scheduler->host = host;
    scheduler->settings = *settings;
    scheduler->socket = file;
    snprintf(scheduler->path, sizeof scheduler->path, "%s", path);
    pthread_mutex_init(&scheduler->mutex, NULL);
    struct result result = start_threads(scheduler);
    if (!result_is_ok(result)) {
        close(file);
        free(scheduler);
        return result;
    }
    *out = scheduler;
    return OK;
}

void scheduler_wake(struct scheduler *scheduler)
{
    pthread_mutex_lock(&scheduler->mutex);
    for (size_t i = 0; i < SCHEDULER_ROOMS_MAX; i++) {
        if (scheduler->seats[i].state == SEAT_TAKEN) {
            signal_event(scheduler->seats[i].wake);
        }
    }
    pthread_mutex_unlock(&scheduler->mutex);
}

static fallible add_ready(struct scheduler *scheduler, json_t *out)
{
    for (size_t i = 0; i < SCHEDULER_ROOMS_MAX; i++) {
        if (scheduler->seats[i].is_ready) {
            TRY(json_add(out, json_deep_copy(scheduler->seats[i].link.identity.ready)));
        }
    }
    return OK;
}

fallible scheduler_rooms(struct scheduler *scheduler, json_t **out)
{
    scoped_json *rooms = json_array();
    pthread_mutex_lock(&scheduler->mutex);
    struct result result = add_ready(scheduler, rooms);
    pthread_mutex_unlock(&scheduler->mutex);
    TRY(result);
    *out = json_incref(rooms);
    return OK;
}

size_t scheduler_room_count(struct scheduler *scheduler)
{
    size_t count = 0;
    pthread_mutex_lock(&scheduler->mutex);
    for (size_t i = 0; i < SCHEDULER_ROOMS_MAX; i++) {
        count += scheduler->seats[i].is_ready;
    }
    pthread_mutex_unlock(&scheduler->mutex);
    return count;
}

static bool is_anyone_working(struct scheduler *scheduler)
{
    bool is_working = false;
    pthread_mutex_lock(&scheduler->mutex);
    for (size_t i = 0; i < SCHEDULER_ROOMS_MAX; i++) {
        is_working =
            is_working || (scheduler->seats[i].state == SEAT_TAKEN && scheduler->seats[i].is_working);
    }
    pthread_mutex_unlock(&scheduler->mutex);
    return is_working;
}

static void end_rooms(struct scheduler *scheduler)
{
    for (size_t i = 0; i < SCHEDULER_ROOMS_MAX; i++) {
        struct seat *seat = &scheduler->seats[i];
        pthread_mutex_lock(&scheduler->mutex);
        enum seat_state state = seat->state;
        if (state == SEAT_TAKEN) {
            shutdown(seat->socket, SHUT_RDWR);
        }
        pthread_mutex_unlock(&scheduler->mutex);
        if (state != SEAT_FREE) {
            pthread_join(seat->thread, NULL);
        }
    }
}

void scheduler_stop(struct scheduler *scheduler, int64_t grace_ms)
{
    if (scheduler == NULL) {
        return;
    }
    atomic_store(&scheduler->is_stopping, true);
    signal_event(scheduler->stop_event);
    pthread_join(scheduler->accepting, NULL);
    scheduler_wake(scheduler);
    const struct world *world = scheduler->host->world;
    int64_t until = world_monotonic_ms(world) + grace_ms;
    while (is_anyone_working(scheduler) && world_monotonic_ms(world) < until) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
    atomic_store(&scheduler->is_ending, true);
    end_rooms(scheduler);
    pthread_join(scheduler->keeping, NULL);
    close(scheduler->socket);
    close(scheduler->stop_event);
    unlink(scheduler->path);
    pthread_mutex_destroy(&scheduler->mutex);
    free(scheduler);
}
