#include "chance.h"

#include <openssl/rand.h>
#include <stdatomic.h>
#include <time.h>

/* Far ahead of the machine's own clock, which the room's deadlines are measured with: they never pass here.
 */
#define MONOTONIC_START ((int64_t)4000000000000)

static _Thread_local struct chance *current;
static atomic_int_fast64_t passed_ms;

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

struct chance chance_of(uint64_t seed, uint64_t actor)
{
    uint64_t state = seed * 0x100000001b3 + actor;
    struct chance chance;
    for (size_t i = 0; i < 4; i++) {
        chance.state[i] = mix(&state);
    }
    return chance;
}

void chance_use(struct chance *chance)
{
    current = chance;
}

static uint64_t rotate(uint64_t value, int by)
{
    return (value << by) | (value >> (64 - by));
}

/* xoshiro256** */
static uint64_t draw(void)
{
    ASSERT(current != NULL);
    uint64_t *s = current->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t chance_below(uint64_t end)
{
    return draw() % end;
}

bool chance_is(unsigned percent)
{
    return chance_below(100) < percent;
}

static void fill(uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(draw() >> 32);
    }
}

static int openssl_bytes(unsigned char *out, int size)
{
    fill(out, (size_t)size);
    return 1;
}

static int openssl_status(void)
{
    return 1;
}

void chance_install(void)
{
    static const RAND_METHOD method = {
        .bytes = openssl_bytes, .pseudorand = openssl_bytes, .status = openssl_status};
    ASSERT(RAND_set_rand_method(&method) == 1);
}

void chance_reset(void)
{
    atomic_store(&passed_ms, 0);
}

void chance_pass(int64_t ms)
{
    atomic_fetch_add(&passed_ms, ms);
}

static int64_t unix_seconds(void *self)
{
    (void)self;
    return CHANCE_START + atomic_load(&passed_ms) / 1000;
}

static int64_t monotonic_ms(void *self)
{
    (void)self;
    return MONOTONIC_START + atomic_load(&passed_ms);
}

static fallible random_octets(void *self, uint8_t *out, size_t size)
{
    (void)self;
    fill(out, size);
    return OK;
}

struct world chance_world(void)
{
    return (struct world){
        .unix_seconds = unix_seconds, .monotonic_ms = monotonic_ms, .random = random_octets};
}

int __wrap_nanosleep(const struct timespec *pause, struct timespec *left);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left)
{
    (void)left;
    chance_pass((int64_t)pause->tv_sec * 1000 + pause->tv_nsec / 1000000);
    return 0;
}
