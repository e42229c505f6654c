/* room/task.h: one child of the query program, from its start to its end. */
#pragma once

#include "base/buffer.h"
#include "room/room.h"

struct task {
    struct room *room;
    int stream;
    int read_socket; /* run only, else -1 */
    pid_t pid;
    bool running;
};

/* Starts a child that must be done in `limit_ms`; then its stream ends. */
fallible task_start(struct room *room, enum spawner_task kind, int64_t limit_ms, struct task *out);
/* Ends the child, whatever it does, and waits until it is gone. True in `out_late` when its time had passed.
 */
fallible task_end(struct task *task, bool *out_late);
