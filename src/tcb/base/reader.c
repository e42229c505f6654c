#include "base/reader.h"

fallible reader_take(struct reader *reader, size_t size, struct bytes *out)
{
    REQUIRE(size <= reader_left(reader), CORRUPT, "reader.truncated");
    *out = (struct bytes){reader->all.data + reader->at, size};
    reader->at += size;
    return OK;
}

fallible reader_skip(struct reader *reader, size_t size)
{
    struct bytes skipped;
    return reader_take(reader, size, &skipped);
}

fallible reader_end(const struct reader *reader)
{
    REQUIRE(reader_left(reader) == 0, CORRUPT, "reader.trailing_bytes");
    return OK;
}

static fallible take_number(struct reader *reader, size_t size, bool big_endian, uint64_t *out)
{
    struct bytes octets;
    TRY(reader_take(reader, size, &octets));
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | octets.data[big_endian ? i : size - 1 - i];
    }
    *out = value;
    return OK;
}

#define DEFINE_NUMBER(name, type, big_endian)                                                                \
    fallible name(struct reader *reader, type *out)                                                          \
    {                                                                                                        \
        uint64_t value;                                                                                      \
        TRY(take_number(reader, sizeof(type), big_endian, &value));                                          \
        *out = (type)value;                                                                                  \
        return OK;                                                                                           \
    }

DEFINE_NUMBER(reader_u8, uint8_t, false)
DEFINE_NUMBER(reader_u16le, uint16_t, false)
DEFINE_NUMBER(reader_u32le, uint32_t, false)
DEFINE_NUMBER(reader_u64le, uint64_t, false)
DEFINE_NUMBER(reader_u16be, uint16_t, true)
DEFINE_NUMBER(reader_u32be, uint32_t, true)
DEFINE_NUMBER(reader_u64be, uint64_t, true)
