/* query/vfs.h: the only file system and the only clock that DuckDB has.
 *
 * vfs.c defines the C library's file and time functions that libduckdb.so calls (open, pread, __fxstat,
 * …); linked into the executable they take precedence over libc's. There are three worlds, chosen once:
 *
 *   closed    the start and the vetting task: no file exists.
 *   sealed    the run task: `/sealed/DATASET/PART` exist, read-only; their octets come from the room.
 *   unsealed  the party's own machine: local files are real, and writing `/sealed/out/…` goes to a sink.
 *
 * In the first two the clock stands still, so that no answer can depend on time; waits with a deadline keep
 * their length. Sockets do not exist in any of them. This is the one module with process-wide state: the
 * functions it defines have no argument to carry it. Set a world before the engine opens; afterwards any
 * thread may call in. */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct vfs_dataset {
    const uint64_t *part_sizes;
    uint32_t part_count;
};

struct vfs_sealed {
    int read_socket;      /* SOCK_SEQPACKET to the room */
    const uint8_t *slots; /* the room's shared memory, mapped read-only */
    uint32_t slot_count;  /* 1 to QUERY_SLOTS_MAX */
    const struct vfs_dataset *datasets;
    uint32_t dataset_count;
};

/* Enters the sealed world. What `sealed` points to must live as long as the process. */
void vfs_enter_sealed(const struct vfs_sealed *sealed);

/* Receives what is written to `/sealed/out/…`, in order. A failure makes the engine's write fail. */
struct vfs_sink {
    void *self;
    fallible (*write)(void *self, struct bytes octets);
};

/* Enters the unsealed world. The sink must live as long as the process. */
void vfs_enter_unsealed(const struct vfs_sink *sink);
