/* room/deadline.h: ends a conversation with a child that takes too long.
 *
 * A child may trickle octets forever, so a time-out on each read bounds nothing. One sleeping thread shuts
 * the armed socket down when its time has come; whoever reads from it then sees its end. Made before the room
 * locks itself in. */
#pragma once

#include "base/result.h"
#include "base/world.h"

#include <pthread.h>

struct deadline {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool started;
    /* Under the mutex. */
    bool stopping;
    bool armed;
    bool passed;
    int socket;
    int64_t at_ms; /* CLOCK_MONOTONIC */
};

fallible deadline_start(struct deadline *deadline);
void deadline_stop(struct deadline *deadline);

/* One socket at a time. `deadline_disarm` gives true when the time had passed. */
void deadline_arm(struct deadline *deadline, int socket, int64_t at_ms);
bool deadline_disarm(struct deadline *deadline);
