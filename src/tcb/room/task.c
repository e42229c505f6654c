#include "room/task.h"

#include <sys/socket.h>
#include <unistd.h>

enum { END_WAIT_MS = 10000 };

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) {
            close(pair[i]);
        }
    }
}

static fallible spawn(struct task *task, enum spawner_task kind, int stream, int read_socket)
{
    struct spawner_descriptors descriptors = {.stream = stream,
                                              .read_socket = read_socket,
                                              .memory =
                                                  kind == SPAWNER_RUN ? task->room->window.read_only : -1};
    TRY(spawner_spawn(task->room->spawner, kind, &descriptors, &task->pid));
    task->running = true;
    return OK;
}

fallible task_start(struct room *room, enum spawner_task kind, struct task *out)
{
    int stream[2] = {-1, -1};
    int reads[2] = {-1, -1};
    struct task task = {.room = room, .stream = -1, .read_socket = -1};
    bool made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == 0;
    if (made && kind == SPAWNER_RUN) {
        made = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reads) == 0;
    }
    struct result result = made ? spawn(&task, kind, stream[1], reads[1]) : FAIL(UNAVAILABLE, "task.sockets");
    if (!result_is_ok(result)) {
        close_pair(stream);
        close_pair(reads);
        return result;
    }
    close(stream[1]);
    if (reads[1] >= 0) {
        close(reads[1]);
    }
    task.stream = stream[0];
    task.read_socket = reads[0];
    *out = task;
    return OK;
}

void task_limit(struct task *task, int64_t limit_ms)
{
    struct room *room = task->room;
    deadline_arm(&room->deadline, task->stream, world_monotonic_ms(&room->world) + limit_ms);
}

fallible task_end(struct task *task, bool *out_late)
{
    *out_late = deadline_disarm(&task->room->deadline);
    struct result result = spawner_kill(task->room->spawner, task->pid);
    int status;
    if (result_is_ok(result)) {
        result = spawner_wait_exit(task->room->spawner, task->pid, END_WAIT_MS, &status);
    }
    if (task->read_socket >= 0) {
        shutdown(task->read_socket, SHUT_RDWR);
    }
    close(task->stream);
    task->running = false;
    return result;
}
