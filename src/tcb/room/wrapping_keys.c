#include "room/wrapping_keys.h"

fallible wrapping_keys_make_one(struct wrapping_keys *keys)
{
    ASSERT(!wrapping_keys_is_full(keys));
    TRY(key_generate(KEY_RSA, WRAPPING_KEY_BITS, &keys->ready[keys->count]));
    keys->count++;
    return OK;
}

fallible wrapping_keys_take(struct wrapping_keys *keys, struct key *out)
{
    if (keys->count == 0) {
        TRY(wrapping_keys_make_one(keys));
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
