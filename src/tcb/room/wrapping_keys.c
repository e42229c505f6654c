#include "room/wrapping_keys.h"

fallible wrapping_keys_make_one(struct wrapping_keys *keys, bool (*is_idle)(void *self), void *self)
{
    ASSERT(!wrapping_keys_is_full(keys));
    struct result made = key_generate_while(WRAPPING_KEY_BITS, is_idle, self, &keys->ready[keys->count]);
    if (made.code == RESULT_UNAVAILABLE) {
        return OK; /* there is something better to do */
    }
    TRY(made);
    keys->count++;
    return OK;
}

fallible wrapping_keys_take(struct wrapping_keys *keys, struct key *out)
{
    if (keys->count == 0) {
        return key_generate(KEY_RSA, WRAPPING_KEY_BITS, out);
    }
    keys->count--;
    key_move(&keys->ready[keys->count], out);
    return OK;
}

void wrapping_keys_release(struct wrapping_keys *keys)
{
    while (keys->count > 0) {
        keys->count--;
        key_release(&keys->ready[keys->count]);
    }
}
