#include "seal/thrift.h"

static fallible take_varint(struct reader *reader, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t octet;
        TRY(reader_u8(reader, &octet));
        REQUIRE(shift < 63 || octet <= 1, CORRUPT, "thrift.number");
        value |= (uint64_t)(octet & 0x7f) << shift;
        if ((octet & 0x80) == 0) {
            *out = value;
            return OK;
        }
    }
    return FAIL(CORRUPT, "thrift.number");
}

fallible thrift_take_i64(struct reader *reader, int64_t *out)
{
    uint64_t zigzag;
    TRY(take_varint(reader, &zigzag));
    *out = (int64_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
    return OK;
}

fallible thrift_take_i32(struct reader *reader, int32_t *out)
{
    int64_t value;
    TRY(thrift_take_i64(reader, &value));
    REQUIRE(value >= INT32_MIN && value <= INT32_MAX, CORRUPT, "thrift.number");
    *out = (int32_t)value;
    return OK;
}

fallible thrift_take_binary(struct reader *reader, struct bytes *out)
{
    uint64_t size;
    TRY(take_varint(reader, &size));
    REQUIRE(size <= reader_left(reader), CORRUPT, "thrift.binary");
    return reader_take(reader, (size_t)size, out);
}

fallible thrift_take_field(struct reader *reader, struct thrift_field *field)
{
    uint8_t octet;
    TRY(reader_u8(reader, &octet));
    if (octet == THRIFT_STOP) {
        field->type = THRIFT_STOP;
        return OK;
    }
    int64_t id = field->id + (octet >> 4);
    if (octet >> 4 == 0) {
        TRY(thrift_take_i64(reader, &id));
    }
    REQUIRE(id > 0 && id <= INT16_MAX && (octet & 15) >= THRIFT_TRUE && (octet & 15) <= THRIFT_STRUCT,
            CORRUPT, "thrift.field");
    *field = (struct thrift_field){(int16_t)id, (enum thrift_type)(octet & 15)};
    return OK;
}

fallible thrift_expect(const struct thrift_field *field, enum thrift_type type)
{
    REQUIRE(field->type == type, CORRUPT, "thrift.field.type");
    return OK;
}

static fallible take_any_list(struct reader *reader, enum thrift_type *out_element, uint32_t *out_count)
{
    uint8_t octet;
    TRY(reader_u8(reader, &octet));
    uint64_t count = octet >> 4;
    if (count == 15) {
        TRY(take_varint(reader, &count));
    }
    /* Every element takes at least one octet, so a count can never make a small input expensive. */
    REQUIRE(count <= reader_left(reader) && count <= UINT32_MAX, CORRUPT, "thrift.list.count");
    REQUIRE((octet & 15) >= THRIFT_TRUE && (octet & 15) <= THRIFT_STRUCT, CORRUPT, "thrift.list.type");
    *out_element = (enum thrift_type)(octet & 15);
    *out_count = (uint32_t)count;
    return OK;
}

fallible thrift_take_list(struct reader *reader, enum thrift_type element, uint32_t *out_count)
{
    enum thrift_type got;
    uint32_t count;
    TRY(take_any_list(reader, &got, &count));
    REQUIRE(got == element || count == 0, CORRUPT, "thrift.list.type");
    *out_count = count;
    return OK;
}

static fallible skip_value(struct reader *reader, enum thrift_type type, unsigned depth);

static fallible skip_list(struct reader *reader, unsigned depth)
{
    enum thrift_type element;
    uint32_t count;
    TRY(take_any_list(reader, &element, &count));
    for (uint32_t i = 0; i < count; i++) {
        /* Inside a list a boolean is one octet; as a field it is in the field's type. */
        TRY(element <= THRIFT_FALSE ? reader_skip(reader, 1) : skip_value(reader, element, depth + 1));
    }
    return OK;
}

static fallible skip_struct(struct reader *reader, unsigned depth)
{
    struct thrift_field field = {0};
    for (;;) {
        TRY(thrift_take_field(reader, &field));
        if (field.type == THRIFT_STOP) {
            return OK;
        }
        TRY(skip_value(reader, field.type, depth + 1));
    }
}

static fallible skip_value(struct reader *reader, enum thrift_type type, unsigned depth)
{
    REQUIRE(depth < THRIFT_DEPTH_MAX, CORRUPT, "thrift.depth");
    int64_t number;
    struct bytes octets;
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        return OK;
    case THRIFT_BYTE:
        return reader_skip(reader, 1);
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        return thrift_take_i64(reader, &number);
    case THRIFT_DOUBLE:
        return reader_skip(reader, 8);
    case THRIFT_BINARY:
        return thrift_take_binary(reader, &octets);
    case THRIFT_LIST:
    case THRIFT_SET:
        return skip_list(reader, depth);
    case THRIFT_STRUCT:
        return skip_struct(reader, depth);
    case THRIFT_STOP:
    case THRIFT_MAP: /* Parquet has no maps */
        break;
    }
    return FAIL(CORRUPT, "thrift.field.type");
}

fallible thrift_skip(struct reader *reader, enum thrift_type type)
{
    return skip_value(reader, type, 0);
}

static fallible put_varint(struct buffer *buffer, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        TRY(buffer_add_byte(buffer, (uint8_t)(value | 0x80)));
    }
    return buffer_add_byte(buffer, (uint8_t)value);
}

fallible thrift_put_i64(struct buffer *buffer, int64_t value)
{
    return put_varint(buffer, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

fallible thrift_put_binary(struct buffer *buffer, struct bytes value)
{
    TRY(put_varint(buffer, value.size));
    return buffer_add(buffer, value);
}

fallible thrift_put_field(struct buffer *buffer, struct thrift_field *last, int16_t id, enum thrift_type type)
{
    ASSERT(id > last->id);
    int step = id - last->id;
    TRY(buffer_add_byte(buffer, (uint8_t)((step <= 15 ? step << 4 : 0) | (int)type)));
    if (step > 15) {
        TRY(thrift_put_i64(buffer, id));
    }
    *last = (struct thrift_field){id, type};
    return OK;
}

fallible thrift_put_list(struct buffer *buffer, enum thrift_type element, uint32_t count)
{
    TRY(buffer_add_byte(buffer, (uint8_t)((count < 15 ? count : 15) << 4 | element)));
    return count < 15 ? OK : put_varint(buffer, count);
}

fallible thrift_put_stop(struct buffer *buffer)
{
    return buffer_add_byte(buffer, THRIFT_STOP);
}
