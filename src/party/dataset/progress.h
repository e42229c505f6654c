/* dataset/progress.h: how far sealing or verifying is, for a progress bar. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum dataset_step {
    DATASET_CHECKING,  /* that the source still gives the rows of finished parts; rows */
    DATASET_SEALING,   /* rows */
    DATASET_VERIFYING, /* octets of ciphertext */
};

struct dataset_progress {
    enum dataset_step step;
    uint64_t done;
    uint64_t total;
    size_t part; /* the one in work */
    size_t part_count;
};

/* `hear` is called from the thread that called, seldom enough to draw each time. May be NULL. */
struct dataset_listener {
    void *self;
    void (*hear)(void *self, const struct dataset_progress *progress);
};

static inline void dataset_tell(const struct dataset_listener *listener, struct dataset_progress progress)
{
    if (listener->hear != NULL) {
        listener->hear(listener->self, &progress);
    }
}
