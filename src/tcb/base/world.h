/* base/world.h: time and randomness, passed in.
 *
 * No module reads a clock or the kernel's random source by itself: it is given these, so that a test can
 * replace them and a simulation can be hostile. `world_of_system` is the real one. */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct world {
    void *self;
    int64_t (*unix_seconds)(void *self); /* wall clock */
    int64_t (*monotonic_ms)(void *self); /* for durations and deadlines */
    fallible (*random)(void *self, uint8_t *out, size_t size);
};

/* The system's clock and getrandom(2). */
struct world world_of_system(void);

static inline int64_t world_now(const struct world *world)
{
    return world->unix_seconds(world->self);
}

static inline int64_t world_monotonic_ms(const struct world *world)
{
    return world->monotonic_ms(world->self);
}

/* Fills `out` with unpredictable octets. UNAVAILABLE only if the system has none. */
static inline fallible world_random(const struct world *world, uint8_t *out, size_t size)
{
    return world->random(world->self, out, size);
}
