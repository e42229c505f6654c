/* base/reader.h: a cursor over bytes, so that a parser reads like the format it parses.
 *
 * Every take either gives all that it promises or fails with CORRUPT and moves nothing. A parser ends
 * with `reader_end`, which refuses trailing bytes. No allocation: what it gives are views. */
#pragma once

#include "base/result.h"
#include "base/view.h"

struct reader {
    struct bytes all;
    size_t at;
};

static inline struct reader reader_of(struct bytes all)
{
    return (struct reader){all, 0};
}

static inline size_t reader_left(const struct reader *reader)
{
    return reader->all.size - reader->at;
}

fallible reader_take(struct reader *reader, size_t size, struct bytes *out);
fallible reader_u8(struct reader *reader, uint8_t *out);
fallible reader_u16le(struct reader *reader, uint16_t *out);
fallible reader_u32le(struct reader *reader, uint32_t *out);
fallible reader_u64le(struct reader *reader, uint64_t *out);
fallible reader_u16be(struct reader *reader, uint16_t *out);
fallible reader_u32be(struct reader *reader, uint32_t *out);
fallible reader_u64be(struct reader *reader, uint64_t *out);
fallible reader_skip(struct reader *reader, size_t size);
fallible reader_end(const struct reader *reader);
