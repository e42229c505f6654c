#include "service/issuer/throttle.h"

void throttle_init(struct throttle *throttle)
{
    *throttle = (struct throttle){0};
    ASSERT(pthread_mutex_init(&throttle->turn, NULL) == 0);
}

void throttle_release(struct throttle *throttle)
{
    pthread_mutex_destroy(&throttle->turn);
}

static size_t slot_of(const struct digest *subject)
{
    return subject->octets[0] % THROTTLE_SLOTS;
}

int64_t throttle_wait_ms(struct throttle *throttle, const struct digest *subject, int64_t now_ms)
{
    ASSERT(pthread_mutex_lock(&throttle->turn) == 0);
    int64_t left = throttle->slots[slot_of(subject)].closed_until_ms - now_ms;
    pthread_mutex_unlock(&throttle->turn);
    return left > 0 ? left : 0;
}

void throttle_note(struct throttle *throttle, const struct digest *subject, int64_t now_ms, bool succeeded)
{
    ASSERT(pthread_mutex_lock(&throttle->turn) == 0);
    size_t slot = slot_of(subject);
    unsigned failures = succeeded ? 0 : throttle->slots[slot].failures + 1;
    int64_t wait_ms = 0;
    if (failures >= THROTTLE_FREE) {
        unsigned doublings = failures - THROTTLE_FREE;
        wait_ms = doublings < 6 ? INT64_C(1000) << doublings : THROTTLE_WAIT_MS_MAX;
    }
    throttle->slots[slot].failures = failures < 1000 ? failures : 1000;
    throttle->slots[slot].closed_until_ms = wait_ms > 0 ? now_ms + wait_ms : 0;
    pthread_mutex_unlock(&throttle->turn);
}
