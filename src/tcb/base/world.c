#include "base/world.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t system_unix_seconds(void *self)
{
    (void)self;
    struct timespec now;
    ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return now.tv_sec;
}

static int64_t system_monotonic_ms(void *self)
{
    (void)self;
    struct timespec now;
    ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static fallible system_random(void *self, uint8_t *out, size_t size)
{
    (void)self;
    size_t done = 0;
    while (done < size) {
        ssize_t got = getrandom(out + done, size - done, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(got > 0, UNAVAILABLE, "world.random");
        done += (size_t)got;
    }
    return OK;
}

struct world world_of_system(void)
{
    return (struct world){
        .self = NULL,
        .unix_seconds = system_unix_seconds,
        .monotonic_ms = system_monotonic_ms,
        .random = system_random,
    };
}
