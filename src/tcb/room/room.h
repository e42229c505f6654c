/* room/room.h: the room: everything that lives as long as the program.
 *
 * A room runs one job at a time. It has no network: a stream to the host, a spawner of query children, a
 * collector of evidence, and memory. Keys of a job live in `struct job` and go with it. */
#pragma once

#include "base/world.h"
#include "crypto/key.h"
#include "query/spawner.h"
#include "room/deadline.h"
#include "room/link.h"
#include "room/reads.h"
#include "room/wrapping_keys.h"
#include "tee/tee.h"

enum { ROOM_THREADS_MAX = READS_THREADS_MAX };

struct room_limits {
    uint64_t ciphertext_bytes_max; /* granted ciphertext of one job in memory */
    uint64_t engine_memory_mb_max; /* no query gets more, whatever its contract says */
    size_t threads;                /* of the engine, and of those that serve its reads */
    bool keeps_ciphertext;         /* of one run for the next */
};

struct room {
    struct world world;
    struct link link;
    struct spawner *spawner;
    struct tee *tee;
    struct bytes measurement; /* TEE_MEASUREMENT_BYTES */
    struct key instance_key;
    struct digest instance_digest; /* thumbprint of the instance key: the room's name in receipts */
    struct wrapping_keys wrapping_keys;
    struct reads reads;
    struct deadline deadline;
    struct window window;
    struct data_store store;
    struct room_limits limits;
};

/* Makes the instance key, starts the reading threads and opens the window. Before the room locks itself in.
 */
fallible room_init(struct room *room);
void room_release(struct room *room);

/* Tells the host that the room is there, with evidence for its instance key. */
fallible room_announce(struct room *room);

/* Runs jobs until the host ends the stream, which is the orderly end. While it waits it makes wrapping keys.
 */
fallible room_serve(struct room *room);
