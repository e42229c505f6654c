#include "party/dataset/thrift_struct.h"

fallible thrift_struct_take(struct reader *reader, struct thrift_struct *out)
{
    struct thrift_struct taken = {0};
    struct thrift_field field = {0};
    for (;;) {
        TRY(thrift_take_field(reader, &field));
        if (field.type == THRIFT_STOP) {
            *out = taken;
            return OK;
        }
        size_t start = reader->at;
        TRY(thrift_skip(reader, field.type));
        if (field.id < THRIFT_STRUCT_FIELDS) {
            REQUIRE(taken.fields[field.id].type == THRIFT_STOP, CORRUPT, "thrift.field.duplicate");
            taken.fields[field.id].type = field.type;
            taken.fields[field.id].octets = bytes_slice(reader->all, start, reader->at - start);
        }
    }
}

bool thrift_struct_has(const struct thrift_struct *from, int16_t id)
{
    ASSERT(id > 0 && id < THRIFT_STRUCT_FIELDS);
    return from->fields[id].type != THRIFT_STOP;
}

static fallible field_reader(const struct thrift_struct *from, int16_t id, struct reader *out)
{
    REQUIRE(thrift_struct_has(from, id), INVALID, "thrift.field.missing");
    *out = reader_of(from->fields[id].octets);
    return OK;
}

static fallible expect(const struct thrift_struct *from, int16_t id, enum thrift_type type,
                       struct reader *out)
{
    TRY(field_reader(from, id, out));
    REQUIRE(from->fields[id].type == type, CORRUPT, "thrift.field.type");
    return OK;
}

fallible thrift_struct_i64(const struct thrift_struct *from, int16_t id, int64_t *out)
{
    struct reader reader;
    TRY(field_reader(from, id, &reader));
    enum thrift_type type = from->fields[id].type;
    REQUIRE(type == THRIFT_I16 || type == THRIFT_I32 || type == THRIFT_I64, CORRUPT, "thrift.field.type");
    return thrift_take_i64(&reader, out);
}

fallible thrift_struct_size(const struct thrift_struct *from, int16_t id, uint64_t *out)
{
    int64_t value;
    TRY(thrift_struct_i64(from, id, &value));
    REQUIRE(value >= 0, INVALID, "thrift.number.negative");
    *out = (uint64_t)value;
    return OK;
}

fallible thrift_struct_binary(const struct thrift_struct *from, int16_t id, struct bytes *out)
{
    struct reader reader;
    TRY(expect(from, id, THRIFT_BINARY, &reader));
    return thrift_take_binary(&reader, out);
}

fallible thrift_struct_bool(const struct thrift_struct *from, int16_t id, bool *out)
{
    struct reader reader;
    TRY(field_reader(from, id, &reader));
    enum thrift_type type = from->fields[id].type;
    REQUIRE(type == THRIFT_TRUE || type == THRIFT_FALSE, CORRUPT, "thrift.field.type");
    *out = type == THRIFT_TRUE;
    return OK;
}

fallible thrift_struct_inner(const struct thrift_struct *from, int16_t id, struct thrift_struct *out)
{
    struct reader reader;
    TRY(expect(from, id, THRIFT_STRUCT, &reader));
    return thrift_struct_take(&reader, out);
}

fallible thrift_struct_list(const struct thrift_struct *from, int16_t id, enum thrift_type element,
                            struct reader *out_list, uint32_t *out_count)
{
    struct reader reader;
    TRY(expect(from, id, THRIFT_LIST, &reader));
    TRY(thrift_take_list(&reader, element, out_count));
    *out_list = reader;
    return OK;
}

fallible thrift_struct_put(const struct thrift_struct *from, const int16_t ids[], size_t count,
                           struct buffer *out)
{
    struct thrift_field last = {0};
    for (size_t i = 0; i < count; i++) {
        if (thrift_struct_has(from, ids[i])) {
            TRY(thrift_put_field(out, &last, ids[i], from->fields[ids[i]].type));
            TRY(buffer_add(out, from->fields[ids[i]].octets));
        }
    }
    return thrift_put_stop(out);
}
