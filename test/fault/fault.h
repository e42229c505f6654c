/* fault/fault.h: failing at a named point, in test builds of the programs only.
 *
 * The programs themselves hold nothing of this. A test build links these files beside the same objects: they
 * stand in for main(), for calls of the C library and for a few functions of ours (the linker's --wrap), and
 * hand everything through but the one passage that the command line names:
 *
 *     PROGRAM … --fail-at NAME.KIND[:N] --fail-mark FILE
 *
 * Both options are taken off the command line before the program sees it and handed to the programs that it
 * starts. FILE counts passages across processes and restarts, so that a fault happens once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_KILLED,
    FAULT_FULL,
    FAULT_SHORT,
    FAULT_TORN,
    FAULT_EIO,
    FAULT_BROKEN,
    FAULT_TWICE,
    FAULT_LOST,
};

/* A passage of `hook` with `subject`. What does not depend on the step (kill, slow, ahead, back) is done
 * here; the rest is the caller's. errno is kept. */
enum fault_kind fault_meet(const char *hook, const char *subject);

/* True when the command line names a point of this hook: for hooks that have to look up what they touch. */
bool fault_wants(const char *hook);

/* While the disk is full. */
bool fault_disk_is_full(void);
void fault_fill_disk(void);

_Noreturn void fault_die(void);
void fault_pause_ms(long milliseconds);

/* What was added to the wall clock, in seconds. */
long fault_clock_offset(void);
