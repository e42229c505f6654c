/* party/process/process.h: the other programs of Truce, started by `truce`.
 *
 * Words go to execve as they are; there is no shell. A daemon gets its own session, no terminal, and a log
 * file. One thread. */
#pragma once

#include "base/arena.h"

#include <sys/types.h>

enum { PROCESS_OUTPUT_BYTES_MAX = 1024 * 1024, PROCESS_STOP_MS = 15000 };

/* The path of a companion program: in `beside` (the folder of `truce`), else where they are installed. */
fallible process_find(struct arena *arena, const char *beside, const char *name, const char **out);

/* Runs to its end and gives standard output; standard error goes to ours. UNAVAILABLE "process.missing"
 * (where = the program), INTERNAL "process.failed" when it does not end with 0. */
fallible process_output(struct arena *arena, const char *const words[], struct text *out);

/* A child with a stream socket on its descriptor 3. */
struct process {
    pid_t pid;
    int socket; /* ours, -1 when closed */
};
fallible process_start(const char *const words[], struct process *out);
/* Closes the socket and waits for the end. */
void process_close(struct process *process);
#define scoped_process defer(process_close) struct process

/* Starts a daemon whose output is appended to `log_path`. `keep` writes its number down before it runs: where
 * that fails, or we die, it never does. */
fallible process_start_daemon(const char *const words[], const char *log_path,
                              fallible (*keep)(void *self, pid_t pid), void *self, pid_t *out);
/* True while the process lives and its program is `program` (a number may be used again by another). */
bool process_is_alive(pid_t pid, const char *program);
/* SIGTERM, and SIGKILL after PROCESS_STOP_MS; waits for the end. */
void process_stop(pid_t pid, const char *program);
