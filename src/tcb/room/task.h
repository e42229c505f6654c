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

/* Starts a child. */
fallible task_start(struct room *room, enum spawner_task kind, struct task *out);
/* It must be done in `limit_ms` from now; then its stream ends. Once per task. */
void task_limit(struct task *task, int64_t limit_ms);
/* Ends the child, whatever it does, and waits until it is gone. True in `out_late` when its time had passed.
 */
fallible task_end(struct task *task, bool *out_late);
