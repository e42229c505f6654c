/* room/wrapping_keys.h: RSA keys that releases are wrapped to, made ahead while the room is idle.
 *
 * Making an RSA key takes longer than everything else that is fixed in a job, so a few wait ready. Each is
 * used for one run and then gone. One thread. */
#pragma once

#include "crypto/key.h"

enum { WRAPPING_KEYS_MAX = 4, WRAPPING_KEY_BITS = 3072 };

struct wrapping_keys {
    struct key ready[WRAPPING_KEYS_MAX];
    size_t count;
};

static inline bool wrapping_keys_is_full(const struct wrapping_keys *keys)
{
    return keys->count == WRAPPING_KEYS_MAX;
}

/* Makes one more while `is_idle` says so: a fraction of a second. */
fallible wrapping_keys_make_one(struct wrapping_keys *keys, bool (*is_idle)(void *self), void *self);

/* Takes one out, making it now if none is ready. The caller owns it. */
fallible wrapping_keys_take(struct wrapping_keys *keys, struct key *out);

void wrapping_keys_release(struct wrapping_keys *keys);
