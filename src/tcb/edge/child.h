/* edge/child.h: a program of ours, started before a process locks itself in. */
#pragma once

#include "base/result.h"

#include <sys/types.h>

enum { CHILD_DESCRIPTOR = 3 };

/* Starts the program at `path` with an empty environment, the standard streams, and its end of a pair of Unix
 * sockets of that type as CHILD_DESCRIPTOR; it has no other descriptor and dies with this process.
 * UNAVAILABLE where it cannot be run. */
fallible child_start(const char *path, char *const arguments[], int socket_type, int *out_socket,
                     pid_t *out_pid);
