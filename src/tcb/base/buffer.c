#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buffer_init(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max};
}

void buffer_release(struct buffer *buffer)
{
    if (buffer == NULL) {
        return;
    }
    if (buffer->data != NULL) {
        explicit_bzero(buffer->data, buffer->capacity); /* rows and results pass through buffers */
    }
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
}

fallible buffer_extend(struct buffer *buffer, size_t size, uint8_t **out)
{
    REQUIRE(buffer->size <= buffer->max && size <= buffer->max - buffer->size, LIMIT, "buffer.full");
    size_t need = buffer->size + size;
    if (need > buffer->capacity) {
        size_t doubled = buffer->capacity < 256 ? 256 : buffer->capacity * 2;
        size_t capacity = doubled > need ? doubled : need;
        uint8_t *data = malloc(capacity); /* realloc would leave what it held unwiped */
        REQUIRE(data != NULL, NO_MEMORY, "buffer.grow");
        if (buffer->data != NULL) {
            memcpy(data, buffer->data, buffer->size);
            explicit_bzero(buffer->data, buffer->capacity);
            free(buffer->data);
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    *out = buffer->data + buffer->size;
    buffer->size = need;
    return OK;
}

fallible buffer_add(struct buffer *buffer, struct bytes bytes)
{
    if (bytes.size == 0) {
        return OK;
    }
    uint8_t *at;
    TRY(buffer_extend(buffer, bytes.size, &at));
    memcpy(at, bytes.data, bytes.size);
    return OK;
}

fallible buffer_add_text(struct buffer *buffer, struct text text)
{
    return buffer_add(buffer, bytes_of_text(text));
}

fallible buffer_add_byte(struct buffer *buffer, uint8_t byte)
{
    return buffer_add(buffer, (struct bytes){&byte, 1});
}

static fallible add_little_endian(struct buffer *buffer, uint64_t value, size_t size)
{
    uint8_t octets[8];
    store_little_endian(octets, value, size);
    return buffer_add(buffer, (struct bytes){octets, size});
}

fallible buffer_add_u16le(struct buffer *buffer, uint16_t value)
{
    return add_little_endian(buffer, value, 2);
}

fallible buffer_add_u32le(struct buffer *buffer, uint32_t value)
{
    return add_little_endian(buffer, value, 4);
}

fallible buffer_add_u64le(struct buffer *buffer, uint64_t value)
{
    return add_little_endian(buffer, value, 8);
}

fallible buffer_add_u32be(struct buffer *buffer, uint32_t value)
{
    uint8_t octets[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                         (uint8_t)value};
    return buffer_add(buffer, BYTES_OF(octets));
}

fallible buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int size = vsnprintf(NULL, 0, format, list);
    va_end(list);
    REQUIRE(size >= 0, INVALID, "text.format");
    uint8_t *at;
    TRY(buffer_extend(buffer, (size_t)size + 1, &at));
    va_start(list, format);
    vsnprintf((char *)at, (size_t)size + 1, format, list);
    va_end(list);
    buffer->size--; /* the terminator is not part of the text */
    return OK;
}
