#include "engine.h"

#include "base/json.h"
#include "edge/query_wire.h"
#include "query/spawner.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct task {
    pthread_t thread;
    enum spawner_task kind;
    int stream;
    int reads;
    int memory;
    bool fail;
    bool is_used;
};

enum { TASKS_MAX = 16 };
static struct task tasks[TASKS_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool fail_next;
static void (*watch)(void);
static atomic_bool saw_denied;

void engine_fail_next(bool fail)
{
    fail_next = fail;
}

void engine_watch(void (*started)(void))
{
    watch = started;
}

bool engine_saw_denied(void)
{
    return atomic_load(&saw_denied);
}

static fallible vet(struct task *task)
{
    static const char answer[] =
        "{\"canonical\":\"" ENGINE_SQL "\",\"executed\":\"" ENGINE_SQL "\",\"reads\":{\"claims\":[\"id\"],"
        "\"flights\":[\"id\"]},\"output\":[{\"name\":\"answer\",\"type\":\"VARCHAR\"},{\"name\":\"hits\","
        "\"type\":\"BIGINT\"}],\"vetter\":\"" QUERY_VETTER "\",\"engine\":\"" QUERY_ENGINE "\"}";
    return query_frame_send(task->stream, QUERY_FRAME_ACCEPTED, bytes_of_text(text_of(answer)));
}

/* The octets of a dataset's one part: it wishes for all of them, waits until each segment is shown, and
 * looks. */
static fallible read_part(const struct task *task, const _Atomic uint32_t *states, const json_t *table,
                          struct buffer *out)
{
    const json_t *part = json_array_get(json_object_get(table, "parts"), 0);
    uint64_t dataset;
    uint64_t size;
    uint64_t first;
    uint8_t *octets;
    TRY(json_get_u64(table, "dataset", UINT32_MAX, &dataset));
    TRY(json_get_u64(part, "size", QUERY_READ_LENGTH_MAX, &size));
    TRY(json_get_u64(part, "first", QUERY_SEGMENTS_MAX, &first));
    struct query_read read = {.dataset = (uint32_t)dataset, .length = (uint32_t)size};
    uint8_t wish[QUERY_READ_BYTES];
    query_read_encode(&read, wish);
    REQUIRE(send(task->reads, wish, sizeof wish, MSG_NOSIGNAL) == sizeof wish, UNAVAILABLE, "engine.read");
    for (uint64_t i = 0; i <= query_segment_of(size - 1); i++) {
        struct pollfd gone = {.fd = task->reads, .events = POLLIN};
        while (states[first + i] == QUERY_STATE_ABSENT) {
            REQUIRE(poll(&gone, 1, 1) == 0, UNAVAILABLE, "engine.read");
        }
        REQUIRE(states[first + i] != QUERY_STATE_REFUSED, UNTRUSTED, "engine.read");
    }
    buffer_clear(out);
    TRY(buffer_extend(out, size, &octets));
    ssize_t got = pread(task->memory, octets, size, (off_t)query_window_at(first, 0));
    REQUIRE(got == (ssize_t)size, UNAVAILABLE, "engine.read");
    return OK;
}

static size_t count_of(struct bytes in, const char *what)
{
    size_t count = 0;
    const uint8_t *at = in.data;
    const uint8_t *end = in.data + in.size;
    while ((at = memmem(at, (size_t)(end - at), what, strlen(what))) != NULL) {
        count++;
        at += strlen(what);
    }
    return count;
}

static fallible count_hits(const struct task *task, const _Atomic uint32_t *states, struct bytes request,
                           size_t *out_hits)
{
    scoped_json *json = NULL;
    scoped_buffer file;
    size_t hits = 0;
    size_t index;
    json_t *table;
    buffer_init(&file, QUERY_READ_LENGTH_MAX);
    TRY(json_decode(request, &json));
    json_array_foreach (json_object_get(json, "tables"), index, table) {
        TRY(read_part(task, states, table, &file));
        hits += count_of(buffer_view(&file), ENGINE_GRANTED);
        if (count_of(buffer_view(&file), ENGINE_DENIED) > 0) {
            atomic_store(&saw_denied, true);
        }
    }
    *out_hits = hits;
    return OK;
}

static fallible run(struct task *task, struct bytes request)
{
    if (task->fail) {
        return query_frame_send(task->stream, QUERY_FRAME_FAILED, (struct bytes){0});
    }
    void *states = mmap(NULL, QUERY_STATES_BYTES, PROT_READ, MAP_SHARED, task->memory, 0);
    REQUIRE(states != MAP_FAILED, NO_MEMORY, "engine.window");
    size_t hits = 0;
    struct result result = count_hits(task, states, request, &hits);
    munmap(states, QUERY_STATES_BYTES);
    TRY(result);
    scoped_buffer cells;
    buffer_init(&cells, 4096);
    struct cell answer = {.kind = CELL_TEXT, .text = TEXT(ENGINE_ANSWER)};
    struct cell number = {.kind = CELL_NUMBER, .number = (__int128)hits};
    TRY(query_cell_encode(&cells, &answer));
    TRY(query_cell_encode(&cells, &number));
    TRY(query_frame_send(task->stream, QUERY_FRAME_CELLS, buffer_view(&cells)));
    return query_frame_send(task->stream, QUERY_FRAME_END, (struct bytes){0});
}

static void *task_thread(void *self)
{
    struct task *task = self;
    scoped_buffer request;
    buffer_init(&request, QUERY_FRAME_BYTES_MAX);
    uint8_t kind;
    struct result result = query_frame_receive(task->stream, &request, &kind);
    if (result_is_ok(result)) {
        result = kind == QUERY_FRAME_VET ? vet(task) : run(task, buffer_view(&request));
    }
    return NULL;
}

fallible __wrap_spawner_spawn(struct spawner *spawner, enum spawner_task kind,
                              const struct spawner_descriptors *descriptors, pid_t *out_pid);
fallible __wrap_spawner_kill(struct spawner *spawner, pid_t pid);
fallible __wrap_spawner_wait_exit(struct spawner *spawner, pid_t pid, int timeout_ms, int *out_status);

static struct task *free_task(int *out_number)
{
    pthread_mutex_lock(&mutex);
    int i = 0;
    while (tasks[i].is_used) {
        i++;
        ASSERT(i < TASKS_MAX);
    }
    tasks[i] = (struct task){.is_used = true};
    pthread_mutex_unlock(&mutex);
    *out_number = i;
    return &tasks[i];
}

fallible __wrap_spawner_spawn(struct spawner *spawner, enum spawner_task kind,
                              const struct spawner_descriptors *descriptors, pid_t *out_pid)
{
    (void)spawner;
    int number;
    struct task *task = free_task(&number);
    task->kind = kind;
    task->stream = dup(descriptors->stream);
    task->reads = kind == SPAWNER_RUN ? dup(descriptors->read_socket) : -1;
    task->memory = descriptors->memory;
    if (kind == SPAWNER_RUN) {
        task->fail = fail_next;
        fail_next = false;
        watch();
    }
    ASSERT(pthread_create(&task->thread, NULL, task_thread, task) == 0);
    *out_pid = 1000 + number;
    return OK;
}

fallible __wrap_spawner_kill(struct spawner *spawner, pid_t pid)
{
    (void)spawner;
    struct task *task = &tasks[pid - 1000];
    shutdown(task->stream, SHUT_RDWR);
    if (task->reads >= 0) {
        shutdown(task->reads, SHUT_RDWR);
    }
    return OK;
}

fallible __wrap_spawner_wait_exit(struct spawner *spawner, pid_t pid, int timeout_ms, int *out_status)
{
    (void)spawner;
    (void)timeout_ms;
    struct task *task = &tasks[pid - 1000];
    pthread_join(task->thread, NULL);
    close(task->stream);
    if (task->reads >= 0) {
        close(task->reads);
    }
    task->is_used = false;
    *out_status = 0;
    return OK;
}
