/* chance.h: the simulation's time and randomness.
 *
 * One number, the seed, decides everything. Each thread of the simulation draws from a stream of its own,
 * made of the seed and the name of its actor, so that what one thread draws does not depend on what another
 * does. OpenSSL's random source is replaced by the same streams: keys, nonces and signatures repeat too. Time
 * stands still but for `chance_pass`; a sleep of the code under test passes simulated time. */
#pragma once

#include "base/world.h"

#define CHANCE_START ((int64_t)1790000000) /* September 2026 */

struct chance {
    uint64_t state[4];
};

void chance_install(void); /* once per process: OpenSSL draws from here */
void chance_reset(void);   /* the clock */

struct chance chance_of(uint64_t seed, uint64_t actor);
/* The stream that the calling thread draws from. NULL is an error of the simulation. */
void chance_use(struct chance *chance);

uint64_t chance_below(uint64_t end); /* 0 … end - 1 */
bool chance_is(unsigned percent);
void chance_pass(int64_t ms);

struct world chance_world(void);
