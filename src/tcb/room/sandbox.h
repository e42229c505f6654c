/* room/sandbox.h: the room locks itself in.
 *
 * After this the process can use what it has open, make threads, sockets pairs for its children's tasks and
 * memory, and nothing else: no file can be opened, no socket connected, no program started, by whoever takes
 * it over. Everything that needs a file (certificates of the simulation, /proc for the measurement, the query
 * program) happens before. */
#pragma once

#include "base/result.h"

/* UNSUPPORTED "room.sandbox" where the kernel has no seccomp. Cannot be undone. */
fallible sandbox_enter(void);
