/* base/arena.h: the memory of one request, with an upper bound.
 *
 * Everything a request makes lives in its arena and goes with it. The bound is part of the interface: a
 * full arena is the error LIMIT, so a size limit is also the protection against exhaustion. Not for
 * secrets (crypto/secret.h). One thread at a time. */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used;
    size_t bound;
};

/* An arena that gives out at most `bound` bytes in all. Nothing is allocated yet. */
void arena_init(struct arena *arena, size_t bound);
void arena_release(struct arena *arena);
#define scoped_arena defer(arena_release) struct arena

/* `size` zeroed bytes, aligned for any type. LIMIT when the bound is reached, NO_MEMORY when the system
 * has none. Size 0 gives a valid pointer. */
fallible arena_take(struct arena *arena, size_t size, void **out);

/* Copies into the arena. `arena_cstring` adds the terminator and refuses (INVALID) an embedded NUL. */
fallible arena_copy(struct arena *arena, struct bytes from, struct bytes *out);
fallible arena_copy_text(struct arena *arena, struct text from, struct text *out);
fallible arena_cstring(struct arena *arena, struct text from, const char **out);

/* printf into the arena. INVALID where the format fails. */
fallible arena_printf(struct arena *arena, struct text *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same as a C string for `where`: never fails, "" when the arena is full. */
const char *arena_where(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(arena, type, out) arena_take((arena), sizeof(type), (void **)(out))
#define ARENA_ARRAY(arena, type, count, out) arena_take_array((arena), (count), sizeof(type), (void **)(out))
fallible arena_take_array(struct arena *arena, size_t count, size_t item_size, void **out);
