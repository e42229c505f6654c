#include "party/process/process.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CANNOT_RUN_STATUS = 127, SOCKET_DESCRIPTOR = 3 };

static void close_descriptor(int *file)
{
    if (*file >= 0) {
        close(*file);
    }
    *file = -1;
}
#define scoped_descriptor defer(close_descriptor) int

fallible process_find(struct arena *arena, const char *beside, const char *name, const char **out)
{
    struct text path;
    TRY(arena_printf(arena, &path, "%s/%s", beside, name));
    TRY(arena_cstring(arena, path, out));
    if (access(*out, X_OK) == 0) {
        return OK;
    }
    /* An installed tree finds its own, also where it is not where it was made for. */
    const char *const elsewhere[] = {arena_where(arena, "%s/../libexec/truce/%s", beside, name),
                                     arena_where(arena, "%s/%s", TRUCE_LIBEXEC, name)};
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        char *found = access(elsewhere[i], X_OK) == 0 ? realpath(elsewhere[i], NULL) : NULL;
        if (found != NULL) {
            struct result result = arena_cstring(arena, text_of(found), out);
            free(found);
            return result;
        }
    }
    return OK;
}

static fallible check_program(const char *path)
{
    return access(path, X_OK) == 0 ? OK : FAIL_AT(UNAVAILABLE, "process.missing", path);
}

static _Noreturn void become(const char *const words[])
{
    execv(words[0], (char *const *)words);
    _exit(CANNOT_RUN_STATUS);
}

/* Only in a child: descriptor `from` as `to`, kept over exec. */
static void place(int from, int to)
{
    if (from == to) {
        fcntl(to, F_SETFD, 0);
    } else {
        dup2(from, to);
    }
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

static fallible read_to_end(int file, struct buffer *out)
{
    uint8_t chunk[4096];
    for (;;) {
        ssize_t size = read(file, chunk, sizeof(chunk));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(size >= 0, INTERNAL, "process.read");
        if (size == 0) {
            return OK;
        }
        TRY(buffer_add(out, (struct bytes){chunk, (size_t)size}));
    }
}

fallible process_output(struct arena *arena, const char *const words[], struct text *out)
{
    int ends[2];
    TRY(check_program(words[0]));
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0, UNAVAILABLE, "process.pipe");
    scoped_descriptor reading = ends[0];
    scoped_descriptor writing = ends[1];
    pid_t pid = fork();
    REQUIRE(pid >= 0, UNAVAILABLE, "process.fork");
    if (pid == 0) {
        place(writing, STDOUT_FILENO);
        become(words);
    }
    close_descriptor(&writing);
    scoped_buffer output;
    buffer_init(&output, PROCESS_OUTPUT_BYTES_MAX);
    struct result result = read_to_end(reading, &output);
    close_descriptor(&reading);
    int status = wait_for(pid);
    TRY(result);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return FAIL_AT(INTERNAL, "process.failed", words[0]);
    }
    return arena_copy_text(arena, buffer_text(&output), out);
}

fallible process_start(const char *const words[], struct process *out)
{
    int ends[2];
    TRY(check_program(words[0]));
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, UNAVAILABLE, "process.socket");
    scoped_descriptor ours = ends[0];
    scoped_descriptor theirs = ends[1];
    pid_t pid = fork();
    REQUIRE(pid >= 0, UNAVAILABLE, "process.fork");
    if (pid == 0) {
        place(theirs, SOCKET_DESCRIPTOR);
        become(words);
    }
    *out = (struct process){pid, ours};
    ours = -1;
    return OK;
}

void process_close(struct process *process)
{
    close_descriptor(&process->socket);
    if (process->pid > 0) {
        wait_for(process->pid);
    }
    process->pid = 0;
}

static void detach(const char *log_path)
{
    int nothing = open("/dev/null", O_RDWR);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    setsid();
    place(nothing, STDIN_FILENO);
    place(log >= 0 ? log : nothing, STDOUT_FILENO);
    place(log >= 0 ? log : nothing, STDERR_FILENO);
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)!chdir("/");
}

/* The pipe's other end closes when the child has become the program; an octet says that it could not. */
static bool has_become(int reading)
{
    uint8_t failed;
    ssize_t size;
    while ((size = read(reading, &failed, 1)) < 0 && errno == EINTR) {
    }
    return size == 0;
}

/* The child waits until its process id is kept: one that nobody could find again never runs. */
static _Noreturn void become_daemon(const char *const words[], const char *log_path, int going, int failing)
{
    char go;
    ssize_t size;
    while ((size = read(going, &go, 1)) < 0 && errno == EINTR) {
    }
    if (size == 1) {
        detach(log_path);
        execv(words[0], (char *const *)words);
        (void)!write(failing, "x", 1);
    }
    _exit(CANNOT_RUN_STATUS);
}

fallible process_start_daemon(const char *const words[], const char *log_path,
                              fallible (*keep)(void *self, pid_t pid), void *self, pid_t *out)
{
    int ends[2];
    int gate[2];
    TRY(check_program(words[0]));
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0, UNAVAILABLE, "process.pipe");
    scoped_descriptor reading = ends[0];
    scoped_descriptor writing = ends[1];
    REQUIRE(pipe2(gate, O_CLOEXEC) == 0, UNAVAILABLE, "process.pipe");
    scoped_descriptor going = gate[0];
    scoped_descriptor opening = gate[1];
    pid_t pid = fork();
    REQUIRE(pid >= 0, UNAVAILABLE, "process.fork");
    if (pid == 0) {
        close_descriptor(&opening);
        become_daemon(words, log_path, going, writing);
    }
    close_descriptor(&writing);
    struct result kept = keep(self, pid);
    bool is_open = result_is_ok(kept) && write(opening, "g", 1) == 1;
    close_descriptor(&opening);
    bool has_started = is_open && has_become(reading);
    if (!has_started) {
        wait_for(pid);
        TRY(kept);
        return FAIL_AT(UNAVAILABLE, "process.missing", words[0]);
    }
    *out = pid;
    return OK;
}

bool process_is_alive(pid_t pid, const char *program)
{
    char link[64];
    char target[PATH_MAX];
    if (pid <= 0 || (waitpid(pid, NULL, WNOHANG) == pid)) {
        return false;
    }
    snprintf(link, sizeof(link), "/proc/%ld/exe", (long)pid);
    ssize_t size = readlink(link, target, sizeof(target) - 1);
    if (size < 0) {
        return false;
    }
    target[size] = '\0';
    const char *name = strrchr(program, '/');
    const char *found = strrchr(target, '/');
    name = name != NULL ? name + 1 : program;
    return found != NULL && strncmp(found + 1, name, strlen(name)) == 0;
}

void process_stop(pid_t pid, const char *program)
{
    struct timespec pause = {.tv_nsec = 20 * 1000000L};
    if (!process_is_alive(pid, program)) {
        return;
    }
    kill(pid, SIGTERM);
    for (int waited_ms = 0; waited_ms < PROCESS_STOP_MS && process_is_alive(pid, program); waited_ms += 20) {
        nanosleep(&pause, NULL);
    }
    if (process_is_alive(pid, program)) {
        kill(pid, SIGKILL);
    }
    for (int waited_ms = 0; waited_ms < PROCESS_STOP_MS && process_is_alive(pid, program); waited_ms += 20) {
        nanosleep(&pause, NULL);
    }
}
