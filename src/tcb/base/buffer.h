/* base/buffer.h: a growing sequence of octets with a mandatory maximum.
 *
 * For building messages, JSON and files. Not for secrets. `{0}` is an empty buffer that refuses every
 * append (its maximum is zero); `buffer_init` sets the maximum. One thread at a time. */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t max;
};

void buffer_init(struct buffer *buffer, size_t max);
void buffer_release(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* empty again, keeps its memory */
#define scoped_buffer defer(buffer_release) struct buffer

static inline struct bytes buffer_view(const struct buffer *buffer)
{
    return (struct bytes){buffer->data, buffer->size};
}

static inline struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){(const char *)buffer->data, buffer->size};
}

/* Appends. LIMIT beyond the maximum, NO_MEMORY; the buffer is unchanged on failure. */
fallible buffer_add(struct buffer *buffer, struct bytes bytes);
fallible buffer_add_text(struct buffer *buffer, struct text text);
fallible buffer_add_byte(struct buffer *buffer, uint8_t byte);
fallible buffer_add_u16le(struct buffer *buffer, uint16_t value);
fallible buffer_add_u32le(struct buffer *buffer, uint32_t value);
fallible buffer_add_u64le(struct buffer *buffer, uint64_t value);
fallible buffer_add_u32be(struct buffer *buffer, uint32_t value);
fallible buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for `size` more bytes and counts them as used: the caller fills `out`. */
fallible buffer_extend(struct buffer *buffer, size_t size, uint8_t **out);
