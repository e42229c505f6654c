/* query/spawner.h: the room's side of the query program: starting tasks and ending them.
 *
 * `spawner_start` runs `truce-query` as a child that does nothing but fork one process per task. The room
 * calls it before it locks itself in; afterwards a task needs from the room only sendmsg, recvmsg and poll
 * here, plus the task's own sockets. `spawner_spawn` is given descriptors that the room has made (socketpair
 * and, for a run, memfd_create with ftruncate and mmap), so the room either allows these calls in its syscall
 * list or makes a bounded stock of them before. The program dies with the room. One thread. No DuckDB here.
 */
#pragma once

#include "base/result.h"

#include <sys/types.h>

struct spawner {
    int control;
    pid_t pid;
};

/* Starts the program at `path` with an empty environment and waits until it has loaded its libraries, so that
 * it can be measured. UNAVAILABLE where it cannot be run or does not answer. */
fallible spawner_start(const char *path, struct spawner *out);

/* Ends the program and all its tasks. `{0}` and a closed spawner may be closed. */
void spawner_close(struct spawner *spawner);
#define scoped_spawner defer(spawner_close) struct spawner

enum spawner_task { SPAWNER_VET = 1, SPAWNER_RUN = 2 };

struct spawner_descriptors {
    int stream;      /* the task's end of its stream socket */
    int read_socket; /* run only: the task's end of the SOCK_SEQPACKET socket for reads */
    int memory;      /* run only: the window, open for reading only */
};

/* Starts a task and gives its process number. The descriptors stay the caller's, who closes its copies. The
 * memory object must be one that the task cannot write: a descriptor that is open for reading only.
 * LIMIT while another task is there or where none can be forked, UNAVAILABLE when the program is gone. */
fallible spawner_spawn(struct spawner *spawner, enum spawner_task task,
                       const struct spawner_descriptors *descriptors, pid_t *out_pid);

/* Kills a task. A task that has ended already is no error. UNAVAILABLE when the program is gone. */
fallible spawner_kill(struct spawner *spawner, pid_t pid);

/* Waits until the task has ended. TIMEOUT after `timeout_ms` (-1: no limit) without any message;
 * UNAVAILABLE when the program is gone. */
fallible spawner_wait_exit(struct spawner *spawner, pid_t pid, int timeout_ms, int *out_status);
