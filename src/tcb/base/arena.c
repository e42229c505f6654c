#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 16 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *arena, size_t bound)
{
    *arena = (struct arena){.bound = bound};
}

void arena_release(struct arena *arena)
{
    if (arena == NULL) {
        return;
    }
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        explicit_bzero(block->data, block->used); /* parameters and texts of a run may have been here */
        free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used = 0;
}

static fallible add_block(struct arena *arena, size_t size)
{
    size_t block_size = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    struct arena_block *block = calloc(1, sizeof *block + block_size);
    REQUIRE(block != NULL, NO_MEMORY, "arena.block");
    block->size = block_size;
    block->next = arena->blocks;
    arena->blocks = block;
    return OK;
}

fallible arena_take(struct arena *arena, size_t size, void **out)
{
    size_t align = alignof(max_align_t);
    REQUIRE(size <= SIZE_MAX - align, LIMIT, "arena.size");
    size_t rounded = (size + align - 1) / align * align;
    REQUIRE(arena->used <= arena->bound && rounded <= arena->bound - arena->used, LIMIT, "arena.full");
    if (arena->blocks == NULL || arena->blocks->size - arena->blocks->used < rounded) {
        TRY(add_block(arena, rounded));
    }
    *out = arena->blocks->data + arena->blocks->used;
    arena->blocks->used += rounded;
    arena->used += rounded;
    return OK;
}

fallible arena_take_array(struct arena *arena, size_t count, size_t item_size, void **out)
{
    size_t size;
    REQUIRE(!__builtin_mul_overflow(count, item_size, &size), LIMIT, "arena.size");
    return arena_take(arena, size, out);
}

fallible arena_copy(struct arena *arena, struct bytes from, struct bytes *out)
{
    void *copy;
    TRY(arena_take(arena, from.size, &copy));
    if (from.size > 0) {
        memcpy(copy, from.data, from.size);
    }
    *out = (struct bytes){copy, from.size};
    return OK;
}

fallible arena_copy_text(struct arena *arena, struct text from, struct text *out)
{
    struct bytes copy;
    TRY(arena_copy(arena, bytes_of_text(from), &copy));
    *out = text_of_bytes(copy);
    return OK;
}

fallible arena_cstring(struct arena *arena, struct text from, const char **out)
{
    REQUIRE(from.size == 0 || memchr(from.data, 0, from.size) == NULL, INVALID, "text.contains_nul");
    void *copy;
    TRY(arena_take(arena, from.size + 1, &copy));
    if (from.size > 0) {
        memcpy(copy, from.data, from.size);
    }
    *out = copy;
    return OK;
}

static fallible print_into(struct arena *arena, struct text *out, const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    REQUIRE(size >= 0, INVALID, "text.format");
    void *data;
    TRY(arena_take(arena, (size_t)size + 1, &data));
    vsnprintf(data, (size_t)size + 1, format, list);
    *out = (struct text){data, (size_t)size};
    return OK;
}

fallible arena_printf(struct arena *arena, struct text *out, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    struct result result = print_into(arena, out, format, list);
    va_end(list);
    return result;
}

const char *arena_where(struct arena *arena, const char *format, ...)
{
    struct text text = {0};
    va_list list;
    va_start(list, format);
    struct result result = print_into(arena, &text, format, list);
    va_end(list);
    return result_is_ok(result) ? text.data : "";
}
