/* tee/measurement.h: what the simulated TEE calls its launch measurement (doc/formats.md §7).
 *
 * SHA-384 over lines "SHA-256-hex, two spaces, name, LF", sorted by name, of the room's and the query program
 * and the shared libraries that either has mapped. It describes the files on the disk at that moment and
 * proves nothing against whoever owns the machine: that is what hardware is for. Reads /proc and files: to be
 * called before the room locks itself in. One thread. */
#pragma once

#include "base/arena.h"
#include "crypto/digest.h"

#include <sys/types.h>

enum { MEASUREMENT_FILES_MAX = 128 };

struct measurement_file {
    struct text path;
    struct text name; /* what the line says: the last part of the path */
};

struct measurement_list {
    struct measurement_file files[MEASUREMENT_FILES_MAX];
    size_t count;
};

/* Adds the files that a process has mapped for execution: its program and its libraries. `pid` 0 is the
 * caller. A file is listed once; two files of one name and different paths are CONFLICT
 * "measurement.name_twice"; a file that has been replaced since is UNTRUSTED "measurement.file_replaced". */
fallible measurement_add_process(struct arena *arena, pid_t pid, struct measurement_list *list);
fallible measurement_add_file(struct arena *arena, struct text path, struct measurement_list *list);

/* Hashes all files. `out_lines` (may be NULL) is the text that was hashed, for `truce room measure`. */
fallible measurement_compute(struct arena *arena, struct measurement_list *list, struct digest384 *out,
                             struct text *out_lines);
