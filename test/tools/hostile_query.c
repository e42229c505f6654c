/* A subverted engine: the query program with another run task and another vetting task, for
 * test/e2e/test_hostile_engine.py.
 *
 * Both behave honestly until a text literal 'hostile:MODE' in the SQL tells them what to do. A hostile run
 * enters the same sandbox first, because an engine is subverted by what it reads, and it reads nothing
 * before. What it learns it writes into its cells, rows of (label, number), so that the test can look at it.
 */
#include "base/json.h"
#include "edge/query_wire.h"
#include "query/run.h"
#include "query/sandbox.h"

#include "hostile_calls.h"
#include "hostile_request.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The honest one, compiled under this name. */
void honest_run_serve(int stream, int read_socket, int memory);

enum {
    CELLS_MAX = 8 << 20,
    MAX_BYTES = 65536,
    HAMMER_THREADS = 8,
    HAMMER_ROUNDS = 1500,
    THREADS_TAKEN = 500,
    WINDOW_LOOKED_AT = 16 << 20, /* far more than the test's data */
    SEGMENTS_LOOKED_AT = 65536,
    MOMENTS = 5000, /* milliseconds that a part may take to come */
    MOMENTS_OF_A_WISH = 200,
};

static const char hidden_mark[] = "CANARY-HIDDEN";
static const char other_mark[] = "CANARY-SHOP";
static const char granted_mark[] = "CANARY-GRANTED";

struct engine {
    int stream;
    int reads;
    int memory;
    uint64_t file_size; /* of part 0 of dataset 0, as the room says */
    pid_t parent;
    const _Atomic uint32_t *states;
    uint8_t octets[QUERY_READ_LENGTH_MAX];
    struct buffer cells;
};

/* ---- What it says ---- */

static void add_cell(struct engine *engine, const struct cell *cell)
{
    struct result result = query_cell_encode(&engine->cells, cell);
    (void)result;
}

static void add_row(struct engine *engine, const char *label, int64_t number)
{
    add_cell(engine, &(struct cell){.kind = CELL_TEXT, .text = text_of(label)});
    add_cell(engine, &(struct cell){.kind = CELL_NUMBER, .number = number});
}

static void send_frame(struct engine *engine, uint8_t kind, struct bytes payload)
{
    struct result result = query_frame_send(engine->stream, kind, payload);
    (void)result;
}

static void send_cells(struct engine *engine)
{
    send_frame(engine, QUERY_FRAME_CELLS, buffer_view(&engine->cells));
    buffer_clear(&engine->cells);
}

/* ---- Wishes ---- */

static int64_t count_octets(struct engine *engine, uint64_t at)
{
    int64_t count = 0;
    int64_t got = syscall(SYS_pread64, engine->memory, engine->octets, sizeof engine->octets, (off_t)at);
    for (int64_t i = 0; i < got; i++) {
        count += engine->octets[i] != 0;
    }
    return count;
}

/* Segments that are shown behind the only file, and octets there. */
static int64_t count_beyond(struct engine *engine)
{
    uint64_t end = query_segment_of(engine->file_size) + 1;
    int64_t count = count_octets(engine, query_window_at(end, 0));
    for (uint64_t segment = end; segment < end + SEGMENTS_LOOKED_AT; segment++) {
        count += engine->states[segment] != QUERY_STATE_ABSENT;
    }
    return count;
}

static bool wish_for(struct engine *engine, struct query_read wish)
{
    uint8_t octets[QUERY_READ_BYTES];
    query_read_encode(&wish, octets);
    return send(engine->reads, octets, sizeof octets, MSG_NOSIGNAL) == (ssize_t)sizeof octets;
}

/* The octets of a range of the file, and their number; 0 where the room does not show all of it. */
static int64_t ask(struct engine *engine, uint64_t offset, uint32_t length)
{
    uint64_t segment = query_segment_of(offset);
    uint64_t last = query_segment_of(offset + length - 1);
    for (int i = 0; i < MOMENTS && segment <= last; i++) {
        if (i % MOMENTS_OF_A_WISH == 0 &&
            !wish_for(engine, (struct query_read){.length = length, .offset = offset})) {
            return 0;
        }
        while (segment <= last && engine->states[segment] != QUERY_STATE_ABSENT &&
               engine->states[segment] != QUERY_STATE_REFUSED) {
            segment++;
        }
        usleep(segment <= last ? 1000 : 0);
    }
    off_t at = (off_t)query_window_at(0, offset);
    return segment > last ? syscall(SYS_pread64, engine->memory, engine->octets, (size_t)length, at) : 0;
}

static int64_t count_marks(const uint8_t *octets, size_t size, const char *mark)
{
    int64_t count = 0;
    const uint8_t *at = octets;
    while ((at = memmem(at, size - (size_t)(at - octets), mark, strlen(mark))) != NULL) {
        count++;
        at++;
    }
    return count;
}

struct found {
    int64_t zeros, hidden, other, granted;
};

static void look(struct engine *engine, int64_t size, struct found *found)
{
    for (int64_t i = 0; i < size; i++) {
        found->zeros += engine->octets[i] == 0;
    }
    if (size > 0) {
        found->hidden += count_marks(engine->octets, (size_t)size, hidden_mark);
        found->other += count_marks(engine->octets, (size_t)size, other_mark);
        found->granted += count_marks(engine->octets, (size_t)size, granted_mark);
    }
}

static void read_whole_file(struct engine *engine)
{
    int64_t total = 0;
    struct found found = {0};
    for (uint64_t from = 0; from < engine->file_size; from += QUERY_READ_LENGTH_MAX / 2) {
        uint64_t left = engine->file_size - from;
        uint32_t length = left < QUERY_READ_LENGTH_MAX ? (uint32_t)left : (uint32_t)QUERY_READ_LENGTH_MAX;
        int64_t given = ask(engine, from, length);
        look(engine, given, &found);
        total += given < 0 ? 0 : given;
    }
    int64_t zeros = found.zeros;
    /* And the whole window, whatever it was shown. */
    for (off_t at = 0; at < WINDOW_LOOKED_AT; at += QUERY_READ_LENGTH_MAX) {
        off_t from = QUERY_STATES_BYTES + at;
        look(engine, syscall(SYS_pread64, engine->memory, engine->octets, sizeof engine->octets, from),
             &found);
    }
    add_row(engine, "octets given", total);
    add_row(engine, "zeros", zeros);
    add_row(engine, "hidden marks", found.hidden);
    add_row(engine, "marks of the other dataset", found.other);
    add_row(engine, "granted marks", found.granted);
}

static void ask_for_what_is_not_there(struct engine *engine)
{
    const struct {
        const char *label;
        struct query_read wish;
    } wishes[] = {
        {"dataset 1", {.dataset = 1, .length = 65536}},
        {"dataset 4294967295", {.dataset = UINT32_MAX, .length = 65536}},
        {"part 1", {.part = 1, .length = 65536}},
        {"part 4294967295", {.part = UINT32_MAX, .length = 65536}},
        {"at the end", {.offset = engine->file_size, .length = 65536}},
        {"offset 2^63", {.offset = 1ULL << 63, .length = 65536}},
        {"offset 2^64-1", {.offset = UINT64_MAX, .length = 65536}},
        {"offset that wraps", {.offset = UINT64_MAX - 100, .length = 65536}},
        {"over the end", {.offset = engine->file_size - 10, .length = 1 << 20}},
        {"length 0", {.length = 0}},
    };
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        bool sent = wish_for(engine, wishes[i].wish);
        usleep(20000);
        add_row(engine, wishes[i].label, sent ? count_beyond(engine) : -1);
    }
    uint8_t octets[64] = {0};
    for (size_t size = 1; size <= sizeof octets; size += 3) {
        send(engine->reads, octets, size, MSG_NOSIGNAL);
    }
    add_row(engine, "ten before the end", ask(engine, engine->file_size - 10, 10));
}

/* ---- Many threads that change a request while it is on its way ---- */

struct hammer {
    struct engine *engine;
    uint8_t shared[QUERY_READ_BYTES]; /* one message for all, rewritten all the time */
    atomic_bool over;
    atomic_llong answers, hidden, other, granted;
};

static void *rewrite(void *argument)
{
    struct hammer *hammer = argument;
    for (uint64_t i = 0; !atomic_load(&hammer->over); i++) {
        struct query_read wish = {.dataset = (uint32_t)(i / 7 % 3 == 2),
                                  .part = (uint32_t)(i / 11 % 5 == 4),
                                  .length = i % 13 == 0 ? UINT32_MAX
                                                        : (uint32_t)(1 + i * 7919 % QUERY_READ_LENGTH_MAX),
                                  .offset = i * 104729 % (hammer->engine->file_size + 1000)};
        query_read_encode(&wish, hammer->shared);
    }
    return NULL;
}

static void *beat(void *argument)
{
    struct hammer *hammer = argument;
    struct engine *engine = hammer->engine;
    for (int i = 0; i < HAMMER_ROUNDS; i++) {
        if (send(engine->reads, hammer->shared, sizeof hammer->shared, MSG_NOSIGNAL) < 0) {
            break;
        }
        atomic_fetch_add(&hammer->answers, 1);
        static _Thread_local uint8_t seen[64 * 1024];
        uint64_t at = query_window_at(0, (uint64_t)i * 32768 % (hammer->engine->file_size + (8 << 20)));
        int64_t size = syscall(SYS_pread64, engine->memory, seen, sizeof seen, at);
        if (size > 0) {
            atomic_fetch_add(&hammer->hidden, count_marks(seen, (size_t)size, hidden_mark));
            atomic_fetch_add(&hammer->other, count_marks(seen, (size_t)size, other_mark));
            atomic_fetch_add(&hammer->granted, count_marks(seen, (size_t)size, granted_mark));
        }
    }
    return NULL;
}

static void hammer_wishes(struct engine *engine)
{
    static struct hammer hammer;
    hammer.engine = engine;
    pthread_t writer;
    pthread_t threads[HAMMER_THREADS];
    size_t started = 0;
    bool writing = pthread_create(&writer, NULL, rewrite, &hammer) == 0;
    while (started < HAMMER_THREADS && pthread_create(&threads[started], NULL, beat, &hammer) == 0) {
        started++;
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&hammer.over, true);
    if (writing) {
        pthread_join(writer, NULL);
    }
    add_row(engine, "threads", (int64_t)started + writing);
    add_row(engine, "answers", hammer.answers);
    add_row(engine, "hidden marks", hammer.hidden);
    add_row(engine, "marks of the other dataset", hammer.other);
    add_row(engine, "granted marks seen", hammer.granted > 0);
}

/* ---- Ways out ---- */

static int64_t error_of(int64_t status)
{
    return status < 0 ? errno : 0;
}

static void try_ways_out(struct engine *engine)
{
    size_t page = 4096;
    void *file = mmap(NULL, page, PROT_READ, MAP_SHARED, engine->memory, 0);
    add_row(engine, "map a file", file == MAP_FAILED ? errno : 0);
    void *writable = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, engine->memory, 0);
    add_row(engine, "map for writing", writable == MAP_FAILED ? errno : 0);
    add_row(engine, "make writable",
            error_of(mprotect((void *)(uintptr_t)engine->states, page, PROT_READ | PROT_WRITE)));
    add_row(engine, "write to the memory", error_of(syscall(SYS_pwrite64, engine->memory, "x", 1, 0)));
    add_row(engine, "truncate the memory", error_of(syscall(SYS_ftruncate, engine->memory, 0)));
    add_row(engine, "open a file", error_of(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY)));
    add_row(engine, "open the memory again",
            error_of(syscall(SYS_openat, AT_FDCWD, "/proc/self/fd/5", O_RDWR)));
    add_row(engine, "open the parent", error_of(syscall(SYS_openat, AT_FDCWD, "/proc/1/mem", O_RDONLY)));
    add_row(engine, "make a file",
            error_of(syscall(SYS_openat, AT_FDCWD, "/tmp/hostile", O_CREAT | O_WRONLY, 0600)));
    add_row(engine, "list a folder", error_of(syscall(SYS_getdents64, 0, NULL, 0)));
    add_row(engine, "look at a file", error_of(syscall(SYS_newfstatat, AT_FDCWD, "/", NULL, 0)));
    add_row(engine, "write to standard error", error_of(syscall(SYS_write, 2, "x", 1)));
    add_row(engine, "make a pipe", error_of(syscall(SYS_pipe2, NULL, 0)));
    add_row(engine, "copy a descriptor", error_of(syscall(SYS_dup, 3)));
    add_row(engine, "make executable memory",
            mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno
                                                                                                      : 0);
    struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    add_row(engine, "allow a core", error_of(syscall(SYS_prlimit64, 0, RLIMIT_CORE, &more, NULL)));
    add_row(engine, "allow dumping", error_of(syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)));
    add_row(engine, "share memory", error_of(syscall(SYS_shmget, 1, page, 0600)));
    add_row(engine, "make a namespace", error_of(syscall(SYS_unshare, 0x40000000)));
}

/* Ways that the list above does not name: signals, descriptors, other processes, the shared memory. */
static void try_tricks(struct engine *engine)
{
    struct calls_swept swept;
    calls_sweep(&swept);
    add_row(engine, "calls tried", swept.tried);
    add_row(engine, "calls not refused", swept.not_refused);
    add_row(engine, "the first of them", swept.first);
    size_t page = 4096;
    pid_t parent = engine->parent;
    add_row(engine, "signal the spawner", error_of(syscall(SYS_tgkill, parent, parent, SIGKILL)));
    add_row(engine, "a process by clone", error_of(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
    add_row(engine, "a process by clone3", error_of(syscall(SYS_clone3, NULL, 0)));
    add_row(engine, "punch a hole into the memory",
            error_of(madvise((void *)(uintptr_t)engine->states, page, MADV_REMOVE)));
    /* Every hole that a mapping touches becomes memory of the room, so the window must not be mapped on. */
    void *grown = mremap((void *)(uintptr_t)engine->states, QUERY_STATES_BYTES, QUERY_STATES_BYTES + page,
                         MREMAP_MAYMOVE);
    add_row(engine, "map more of the window", grown == MAP_FAILED ? errno : 0);
    add_row(
        engine, "a named socket",
        error_of(sendto(engine->stream, "x", 0, MSG_NOSIGNAL, (const void *)"\1\0/tmp/hostile.sock", 20)));
    /* An answer that is taken from the socket by somebody else, and one that is read twice. */
    uint8_t octets[8];
    add_row(engine, "an answer that nobody asked for",
            recv(engine->reads, octets, sizeof octets, MSG_DONTWAIT) < 0 ? errno : 0);
}

static void look_at_window(struct engine *engine)
{
    int64_t octets = 0;
    int64_t shown = 0;
    for (uint64_t at = 0; at < WINDOW_LOOKED_AT; at += sizeof engine->octets) {
        octets += count_octets(engine, QUERY_STATES_BYTES + at);
    }
    for (size_t segment = 0; segment < SEGMENTS_LOOKED_AT; segment++) {
        shown += engine->states[segment] != QUERY_STATE_ABSENT;
    }
    add_row(engine, "octets in the window", octets);
    add_row(engine, "segments shown", shown);
}

/* Each of these ends the process. */
static void do_deadly(const char *mode)
{
    if (mode_is(mode, "call-segv")) {
        volatile uintptr_t nowhere = 16;
        *(volatile int *)nowhere = 1;
    }
    calls_die(mode + strlen("call-"));
}

/* ---- Results that break the contract ---- */

static const struct cell label_cell = {.kind = CELL_TEXT, .text = {"x", 1}};

static void answer_badly(struct engine *engine, const char *mode)
{
    if (mode_is(mode, "cell-text")) { /* where a number is declared */
        add_cell(engine, &label_cell);
        add_cell(engine, &label_cell);
    } else if (mode_is(mode, "cell-date")) {
        add_cell(engine, &label_cell);
        add_cell(engine, &(struct cell){.kind = CELL_DATE, .number = 1});
    } else if (mode_is(mode, "cell-range")) { /* too large for a BIGINT */
        add_cell(engine, &label_cell);
        add_cell(engine, &(struct cell){.kind = CELL_NUMBER, .number = (__int128)1 << 100});
    } else if (mode_is(mode, "cell-control")) {
        add_row(engine, "red\x1b[31m", 1);
    } else if (mode_is(mode, "cell-utf")) {
        add_row(engine, "\xc3\x28", 1);
    } else if (mode_is(mode, "cell-kind")) {
        add_row(engine, "x", 1);
        send_frame(engine, QUERY_FRAME_CELLS, ((struct bytes){(const uint8_t *)"\x09", sizeof "\x09" - 1}));
    } else if (mode_is(mode, "cell-size")) { /* a text of 4 GiB in five octets */
        send_frame(
            engine, QUERY_FRAME_CELLS,
            ((struct bytes){(const uint8_t *)"\x03\xff\xff\xff\xff", sizeof "\x03\xff\xff\xff\xff" - 1}));
    } else if (mode_is(mode, "rows-partial")) {
        add_row(engine, "x", 1);
        add_cell(engine, &label_cell);
    } else if (mode_is(mode, "rows-many")) {
        for (int i = 0; i < 101; i++) {
            add_row(engine, "x", i);
        }
    } else if (mode_is(mode, "bytes-many")) {
        static char text[60 * 1024];
        memset(text, 'x', sizeof text - 1);
        for (int i = 0; i < 30; i++) {
            add_row(engine, text, i);
        }
    } else if (mode_is(mode, "frame-kind")) {
        add_row(engine, "x", 1);
        send_cells(engine);
        send_frame(engine, 'Z', (struct bytes){0});
    } else if (mode_is(mode, "frame-size")) {
        send(engine->stream, "\xff\xff\xff\xff\x43", 5, MSG_NOSIGNAL);
    } else if (mode_is(mode, "rows-most")) { /* as many as the contract allows */
        for (int i = 0; i < 100; i++) {
            add_row(engine, "x", i);
        }
    } else if (mode_is(mode, "bytes-most") || mode_is(mode, "bytes-beyond")) {
        static char text[65536];
        memset(text, 'x', MAX_BYTES - strlen("label,n\n") - strlen(",1\n") + mode_is(mode, "bytes-beyond"));
        add_row(engine, text, 1);
    } else if (mode_is(mode, "rows-none")) {
        return;
    } else if (mode_is(mode, "cell-null")) {
        add_cell(engine, &(struct cell){.kind = CELL_NULL});
        add_cell(engine, &(struct cell){.kind = CELL_NULL});
    } else if (mode_is(mode, "cell-cut")) {
        add_row(engine, "x", 1);
        engine->cells.size -= 3;
    } else if (mode_is(mode, "end-payload")) { /* octets where none belong */
        add_row(engine, "x", 1);
        send_cells(engine);
        send_frame(engine, QUERY_FRAME_END, bytes_of_text(TEXT("CANARY-GRANTED")));
        return;
    } else if (mode_is(mode, "end-twice")) { /* what comes after the end */
        add_row(engine, "x", 1);
        send_cells(engine);
        send_frame(engine, QUERY_FRAME_END, (struct bytes){0});
        add_row(engine, "y", 2);
    } else if (mode_is(mode, "failed-after-cells")) {
        add_row(engine, "x", 1);
        send_cells(engine);
        send_frame(engine, QUERY_FRAME_FAILED, bytes_of_text(TEXT("CANARY-GRANTED")));
    } else if (mode_is(mode, "vet-answer")) { /* of another conversation */
        send_frame(engine, QUERY_FRAME_ACCEPTED, bytes_of_text(TEXT("{}")));
    } else if (mode_is(mode, "frame-half")) {
        send(engine->stream, "\x10\x00\x00\x00\x43half", 9, MSG_NOSIGNAL);
        _exit(0);
    } else if (mode_is(mode, "frame-large")) { /* larger than the room's buffer, and it comes */
        static uint8_t octets[20 << 20];
        send_frame(engine, QUERY_FRAME_CELLS, BYTES_OF(octets));
    } else if (mode_is(mode, "end-never")) {
        add_row(engine, "x", 1);
        send_cells(engine);
        _exit(0);
    }
    send_cells(engine);
}

/* ---- No end ---- */

static void *sleep_forever(void *argument)
{
    for (;;) {
        sched_yield();
        syscall(SYS_futex, argument, 0, 0, NULL, NULL, 0); /* FUTEX_WAIT while it is 0 */
    }
    return NULL;
}

/* Takes all that the limits allow, and keeps it. */
static void take(const char *mode)
{
    static int never;
    if (mode_is(mode, "never-memory")) {
        for (size_t size = 64 << 20; size >= 4096; size /= 2) {
            void *taken;
            while ((taken = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) !=
                   MAP_FAILED) {
                memset(taken, 1, size);
            }
        }
    } else if (mode_is(mode, "never-threads")) {
        pthread_t thread;
        for (int i = 0; i < THREADS_TAKEN && pthread_create(&thread, NULL, sleep_forever, &never) == 0; i++) {
        }
    } else if (mode_is(mode, "never-stopped")) {
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
    }
}

static _Noreturn void never_end(struct engine *engine, const char *mode)
{
    take(mode);
    uint8_t wish[QUERY_READ_BYTES];
    query_read_encode(&(struct query_read){.length = 4096}, wish);
    for (;;) {
        if (mode_is(mode, "never-flood")) {
            send_frame(engine, QUERY_FRAME_CELLS, (struct bytes){0});
        } else if (mode_is(
                       mode,
                       "never-late")) { /* an answer when the time is over: the room's end is closed then */
            uint8_t octet;
            while (recv(engine->stream, &octet, 1, 0) > 0) {
            }
            add_row(engine, "x", 1);
            send_cells(engine);
            send_frame(engine, QUERY_FRAME_END, (struct bytes){0});
        } else if (mode_is(mode, "never-half")) { /* a frame that goes on for ever, an octet at a time */
            send(engine->stream, "\x00\x00\x00\x01\x43", 5, MSG_NOSIGNAL);
            while (send(engine->stream, "x", 1, MSG_NOSIGNAL) == 1) {
                syscall(SYS_sched_yield);
            }
        } else if (mode_is(mode, "never-unread")) { /* wishes whose answers nobody takes */
            send(engine->reads, wish, sizeof wish, MSG_NOSIGNAL);
        }
    }
}

static void behave(struct engine *engine, const char *mode)
{
    if (mode_is(mode, "read")) {
        read_whole_file(engine);
        ask_for_what_is_not_there(engine);
    } else if (mode_is(mode, "hammer")) {
        hammer_wishes(engine);
    } else if (mode_is(mode, "ways-out")) {
        try_ways_out(engine);
    } else if (mode_is(mode, "tricks")) {
        try_tricks(engine);
    } else if (mode_is(mode, "leftovers") || mode_is(mode, "notes")) {
        read_whole_file(engine);
        look_at_window(engine);
    } else if (mode_starts(mode, "call-")) {
        do_deadly(mode);
    } else if (mode_starts(mode, "never-")) {
        never_end(engine, mode);
    } else {
        answer_badly(engine, mode);
    }
    if (engine->cells.size > 0) {
        send_cells(engine);
    }
    send_frame(engine, QUERY_FRAME_END, (struct bytes){0});
}

static fallible read_request(struct bytes request, uint64_t *out_file_size, uint64_t *out_memory_mb,
                             uint64_t *out_threads)
{
    scoped_json *json = NULL;
    TRY(json_decode(request, &json));
    const json_t *table = json_array_get(json_object_get(json, "tables"), 0);
    TRY(json_get_u64(json, "memory_mb", 1 << 20, out_memory_mb));
    TRY(json_get_u64(json, "threads", 1024, out_threads));
    return json_get_u64(json_array_get(json_object_get(table, "parts"), 0), "size", INT64_MAX, out_file_size);
}

void run_serve(int stream, int read_socket, int memory)
{
    char mode[MODE_BYTES];
    size_t size = 0;
    char *request = request_peek(stream, &size);
    if (request == NULL || !request_mode(request, mode)) {
        free(request);
        honest_run_serve(stream, read_socket, memory);
        return;
    }
    static struct engine engine;
    engine = (struct engine){.stream = stream, .reads = read_socket, .memory = memory, .parent = getppid()};
    buffer_init(&engine.cells, CELLS_MAX);
    scoped_buffer taken;
    buffer_init(&taken, REQUEST_MAX);
    uint8_t kind;
    void *states = mmap(NULL, QUERY_STATES_BYTES, PROT_READ, MAP_SHARED, memory, 0);
    engine.states = states;
    uint64_t memory_mb = 0;
    uint64_t threads = 0;
    if (states == MAP_FAILED || !result_is_ok(query_frame_receive(stream, &taken, &kind)) ||
        !result_is_ok(read_request(buffer_view(&taken), &engine.file_size, &memory_mb, &threads)) ||
        /* The limits of run.c: an engine is in its sandbox before anything subverts it. */
        !result_is_ok(sandbox_enter(&(struct sandbox_limits){
            .address_space_bytes = ((memory_mb + 432) << 20) + threads * (16 << 20), .cpu_seconds = 60}))) {
        _exit(1);
    }
    behave(&engine, mode);
    free(request);
}
