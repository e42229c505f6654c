/* query/vfs.h: the only file system and the only clock that DuckDB has.
 *
 * vfs.c and vfs_absent.c define the C library's file and time functions that libduckdb.so calls (open, pread,
 * __fxstat, …); linked into the executable they take precedence over libc's. At first no file exists, which
 * is how vetting stays; the run task enters the sealed world, where `/sealed/DATASET/PART` exist, read-only,
 * and their octets come from the room. No code that reaches a local file is in this program.
 *
 * The clock stands still, so that no answer can depend on time; waits with a deadline keep their length.
 * Sockets do not exist. This is the one module with process-wide state: the functions it defines have no
 * argument to carry it. Enter before the engine opens; afterwards any thread may call in. */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct vfs_part {
    uint64_t size;
    uint64_t first; /* its first segment among those of the window */
};

struct vfs_dataset {
    const struct vfs_part *parts;
    uint32_t part_count;
};

struct vfs_sealed {
    int read_socket;          /* SOCK_SEQPACKET to the room */
    int window;               /* the room's memory object, open for reading only */
    _Atomic uint32_t *states; /* of its segments, mapped read-only */
    const struct vfs_dataset *datasets;
    uint32_t dataset_count;
};

/* Enters the sealed world. What `sealed` points to must live as long as the process. */
void vfs_enter_sealed(const struct vfs_sealed *sealed);
