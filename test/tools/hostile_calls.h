/* What a subverted engine may try of the kernel. Part of hostile_query.c's program. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Tries every system call by number that is neither needed by an engine nor deadly, with arguments of zero:
 * how many were tried, how many did anything but EPERM, and the first of those. */
struct calls_swept {
    int64_t tried;
    int64_t not_refused;
    int64_t first;
};
void calls_sweep(struct calls_swept *out);

/* One call that ends the process, by its name: "connect", "ia32" and so on. Returns for a name that it does
 * not know, or where the process lives on. */
void calls_die(const char *name);
