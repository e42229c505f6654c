/* base/view.h: read-only, borrowed views of memory.
 *
 * `bytes` is a range of octets, `text` a range of UTF-8 characters without a terminator. A view owns
 * nothing: it is valid as long as what it looks at. `{0}` is the empty view. NUL-terminated strings live
 * only at the adapters to C libraries; `arena_cstring` makes one. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t size;
};

struct text {
    const char *data;
    size_t size;
};

#define TEXT(literal) ((struct text){"" literal "", sizeof(literal) - 1})
#define BYTES_OF(array) ((struct bytes){(const uint8_t *)(array), sizeof(array)})
/* For printf: printf("%.*s", TEXT_ARGS(name)) */
#define TEXT_ARGS(text_) ((int)(text_).size), ((text_).data ? (text_).data : "")

static inline struct text text_of(const char *cstring)
{
    return (struct text){cstring, cstring ? strlen(cstring) : 0};
}

static inline struct bytes bytes_of_text(struct text text)
{
    return (struct bytes){(const uint8_t *)text.data, text.size};
}

static inline struct text text_of_bytes(struct bytes bytes)
{
    return (struct text){(const char *)bytes.data, bytes.size};
}

static inline void store_little_endian(uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

/* Not constant-time: for public data. Secrets are compared by `secret_equal` and `digest_equal`. */
static inline bool bytes_equal(struct bytes left, struct bytes right)
{
    return left.size == right.size && (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

static inline bool text_equal(struct text left, struct text right)
{
    return bytes_equal(bytes_of_text(left), bytes_of_text(right));
}

static inline bool text_is(struct text text, const char *cstring)
{
    return text_equal(text, text_of(cstring));
}

/* By octets: less than, equal to or greater than zero. */
int text_compare(struct text left, struct text right);

/* The part of `all` from `start`, at most `size` long; empty where it lies outside. */
static inline struct bytes bytes_slice(struct bytes all, size_t start, size_t size)
{
    if (start >= all.size) {
        return (struct bytes){0};
    }
    size_t left = all.size - start;
    return (struct bytes){all.data + start, size < left ? size : left};
}

static inline bool text_starts_with(struct text text, struct text prefix)
{
    return text.size >= prefix.size &&
           bytes_equal(bytes_of_text((struct text){text.data, prefix.size}), bytes_of_text(prefix));
}

static inline bool text_ends_with(struct text text, struct text suffix)
{
    return text.size >= suffix.size &&
           text_equal((struct text){text.data + text.size - suffix.size, suffix.size}, suffix);
}

/* True for well-formed UTF-8 (no surrogates, no overlong forms) without control characters other than
 * tab, line feed and carriage return. */
bool text_is_printable_utf8(struct text text);

/* A name that people and files share: 1 to 64 of [a-z0-9-_.], starting with a letter or digit. */
bool text_is_name(struct text text);
