/* seal/thrift.h: the Thrift compact protocol, as far as a Parquet footer needs it.
 *
 * Taking: a struct is a sequence of fields that ends with a field of type STOP; the caller switches over
 * `id`, takes the value with the function of its type, and hands everything else to `thrift_skip`, which
 * bounds the depth. Failures are CORRUPT. Putting: the caller writes fields in rising order of their ids. Any
 * thread. */
#pragma once

#include "base/buffer.h"
#include "base/reader.h"

enum thrift_type {
    THRIFT_STOP = 0,
    THRIFT_TRUE,
    THRIFT_FALSE,
    THRIFT_BYTE,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT,
};

enum { THRIFT_DEPTH_MAX = 16 };

/* A field's header. Start with {0} for each struct and pass the same one again for its next field. */
struct thrift_field {
    int16_t id;
    enum thrift_type type;
};
fallible thrift_take_field(struct reader *reader, struct thrift_field *field);

/* Values. The field's type must have been seen to fit; `thrift_expect` does that. */
fallible thrift_expect(const struct thrift_field *field, enum thrift_type type);
fallible thrift_take_i64(struct reader *reader, int64_t *out); /* I16, I32 and I64 alike */
fallible thrift_take_i32(struct reader *reader, int32_t *out);
fallible thrift_take_binary(struct reader *reader, struct bytes *out);
/* The header of a list whose elements must have this type; there are not more elements than octets left. */
fallible thrift_take_list(struct reader *reader, enum thrift_type element, uint32_t *out_count);
/* Passes over the value of a field of this type. */
fallible thrift_skip(struct reader *reader, enum thrift_type type);

fallible thrift_put_field(struct buffer *buffer, struct thrift_field *last, int16_t id,
                          enum thrift_type type);
fallible thrift_put_i64(struct buffer *buffer, int64_t value);
fallible thrift_put_binary(struct buffer *buffer, struct bytes value);
fallible thrift_put_list(struct buffer *buffer, enum thrift_type element, uint32_t count);
fallible thrift_put_stop(struct buffer *buffer);
