/* issuer/throttle.h: slows down guessing. After THROTTLE_FREE failures of one subject each further one
 * doubles the wait, up to a minute. A fixed table: subjects that share a slot share its fate for a while,
 * which costs patience and never security. Any thread. */
#pragma once

#include "base/world.h"
#include "crypto/digest.h"

#include <pthread.h>

enum { THROTTLE_SLOTS = 256, THROTTLE_FREE = 5, THROTTLE_WAIT_MS_MAX = 60 * 1000 };

struct throttle {
    pthread_mutex_t turn;
    struct {
        unsigned failures;
        int64_t closed_until_ms;
    } slots[THROTTLE_SLOTS];
};

void throttle_init(struct throttle *throttle);
void throttle_release(struct throttle *throttle);

/* Milliseconds that the subject still has to wait; 0: go on. */
int64_t throttle_wait_ms(struct throttle *throttle, const struct digest *subject, int64_t now_ms);
void throttle_note(struct throttle *throttle, const struct digest *subject, int64_t now_ms, bool succeeded);
