#include "crypto/digest.h"

struct digest merkle_leaf(struct bytes data)
{
    static const uint8_t leaf_prefix[] = {0};
    scoped_hasher hasher = {0};
    struct digest digest;
    bool done = result_is_ok(hasher_init(&hasher)) &&
                result_is_ok(hasher_add(&hasher, BYTES_OF(leaf_prefix))) &&
                result_is_ok(hasher_add(&hasher, data)) && result_is_ok(hasher_finish(&hasher, &digest));
    ASSERT(done);
    return digest;
}

struct digest merkle_node(const struct digest *left, const struct digest *right)
{
    uint8_t octets[1 + 2 * DIGEST_BYTES] = {1};
    memcpy(octets + 1, left->octets, DIGEST_BYTES);
    memcpy(octets + 1 + DIGEST_BYTES, right->octets, DIGEST_BYTES);
    return digest_of(BYTES_OF(octets));
}

/* Level by level from the left: pairs are joined and an odd last one moves up, which gives the tree of
 * RFC 6962 §2.1, whose left part is always the largest power of two. */
fallible merkle_root(struct arena *arena, const struct digest *leaves, size_t count, struct digest *out)
{
    if (count == 0) {
        *out = digest_of((struct bytes){0});
        return OK;
    }
    struct digest *level;
    TRY(ARENA_ARRAY(arena, struct digest, count, &level));
    memcpy(level, leaves, count * sizeof *leaves);
    while (count > 1) {
        for (size_t i = 0; i + 1 < count; i += 2) {
            level[i / 2] = merkle_node(&level[i], &level[i + 1]);
        }
        if (count % 2 == 1) {
            level[count / 2] = level[count - 1];
        }
        count = (count + 1) / 2;
    }
    *out = level[0];
    return OK;
}
