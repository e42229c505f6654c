/* tee/tee.h: collecting evidence: what a room asks of the hardware that it runs on.
 *
 * A collector makes a report over 64 octets that the room chooses. One file per family exports one `struct
 * tee_family`; a build of the room links exactly one of them, so that a room for simulation cannot become a
 * room for hardware by an argument. skeleton.c is the guide for a new family. The handle is opened before the
 * room locks itself in and used afterwards: `collect` must work without opening files. One thread. */
#pragma once

#include "attest/evidence.h"
#include "base/arena.h"
#include "base/world.h"

#include <sys/types.h>

enum { TEE_REPORT_DATA_BYTES = 64, TEE_MEASUREMENT_BYTES = 48 };

struct tee {
    const struct tee_family *family;
    void *self; /* the family's own, NULL when closed */
};

/* Where a room is: what a collector may need to find its device. */
struct tee_place {
    const char *folder;   /* of the room's configuration */
    const char *programs; /* folder of the room's program */
    pid_t query;          /* the query program's process */
};

struct tee_family {
    const char *name; /* as in contracts and evidence: "sim" */

    /* UNSUPPORTED where this machine is not of the family, UNAVAILABLE where its device cannot be opened. The
     * handle is to be closed if it was set, also on failure. */
    fallible (*open)(const struct tee_place *place, struct tee *out);

    /* Evidence over `report_data`; octets in the arena. */
    fallible (*collect)(struct tee *tee, struct arena *arena,
                        const uint8_t report_data[static TEE_REPORT_DATA_BYTES], struct evidence *out);

    /* The measurement that evidence of this handle will name, 48 octets that live as long as the handle. */
    struct bytes (*measurement)(const struct tee *tee);

    void (*close)(struct tee *tee);
};

static inline void tee_close(struct tee *tee)
{
    if (tee->self != NULL) {
        tee->family->close(tee);
        tee->self = NULL;
    }
}
#define scoped_tee defer(tee_close) struct tee

/* The families. Each is in its own library: tee_sim, tee_skeleton. */
extern const struct tee_family tee_sim;
extern const struct tee_family tee_skeleton;
