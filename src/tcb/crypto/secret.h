/* crypto/secret.h: memory for keys and plaintext keys, and nothing else.
 *
 * A secret has pages of its own between two guard pages, locked in memory where the limit allows, left
 * out of core dumps and of forked children, zeroed on release. It is not convertible to `bytes` by
 * accident: only `secret_view` gives its octets, and only crypto, seal and the adapters that wrap or
 * unwrap may call it (the layer check counts them). Log, JSON and HTTP writers take `bytes`, so passing a
 * secret to them does not compile. `{0}` is the empty secret. One thread at a time. */
#pragma once

#include "base/result.h"
#include "base/view.h"
#include "base/world.h"

struct secret {
    uint8_t *data;
    size_t size;
    size_t mapped;
};

enum { SECRET_SIZE_MAX = 1024 * 1024 };

/* LIMIT "secret.size" beyond the maximum; size 0 gives the empty secret. */
fallible secret_new(size_t size, struct secret *out); /* zeroed */
fallible secret_random(const struct world *world, size_t size, struct secret *out);
fallible secret_from(struct bytes bytes, struct secret *out); /* the caller wipes its copy */
void secret_release(struct secret *secret);
#define scoped_secret defer(secret_release) struct secret

static inline struct bytes secret_view(const struct secret *secret)
{
    return (struct bytes){secret->data, secret->size};
}

/* Moves ownership; `from` becomes empty. `to` must be empty. */
void secret_move(struct secret *from, struct secret *to);

/* Keeps the first `size` octets and wipes the others. `size` is at most the present one. */
void secret_shorten(struct secret *secret, size_t size);

/* In time that depends on the sizes only. */
bool secret_equal(const struct secret *left, const struct secret *right);

/* Overwrites memory in a way that the compiler keeps. */
void wipe(void *data, size_t size);
