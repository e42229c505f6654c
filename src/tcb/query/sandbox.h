/* query/sandbox.h: what a task's process gives up before it opens the engine.
 *
 * Resource limits, no core, no new privileges, and a syscall list that lets DuckDB's threads compute,
 * allocate and talk on the sockets they already have; everything else is EPERM, and exec, ptrace and sockets
 * end the process. Irrevocable. Call it while the process has one thread. */
#pragma once

#include "base/result.h"

struct sandbox_limits {
    uint64_t address_space_bytes;
    uint64_t cpu_seconds;
};

/* INTERNAL where the kernel refuses any step: the caller must then end the process. */
fallible sandbox_enter(const struct sandbox_limits *limits);

/* False in a build with AddressSanitizer, which reads files and maps terabytes at odd moments: there the
 * filter only kills and the address space is unlimited. */
bool sandbox_is_whole(void);
