/* dataset/thrift_struct.h: one Thrift struct as a table of its fields, still encoded.
 *
 * A Parquet footer is taken apart and put together again with some fields left out; the fields that stay are
 * copied as they are. Borrowed views of the input; any thread. */
#pragma once

#include "seal/thrift.h"

enum { THRIFT_STRUCT_FIELDS = 32 };

struct thrift_struct {
    struct {
        enum thrift_type type; /* STOP where the field is absent */
        struct bytes octets;
    } fields[THRIFT_STRUCT_FIELDS];
};

/* Takes one struct. Fields with an id above THRIFT_STRUCT_FIELDS are passed over. CORRUPT
 * "thrift.field.duplicate". */
fallible thrift_struct_take(struct reader *reader, struct thrift_struct *out);

bool thrift_struct_has(const struct thrift_struct *from, int16_t id);

/* Typed access. INVALID "thrift.field.missing", CORRUPT "thrift.field.type". */
fallible thrift_struct_i64(const struct thrift_struct *from, int16_t id, int64_t *out);
/* A number that may not be negative. INVALID "thrift.number.negative". */
fallible thrift_struct_size(const struct thrift_struct *from, int16_t id, uint64_t *out);
fallible thrift_struct_binary(const struct thrift_struct *from, int16_t id, struct bytes *out);
fallible thrift_struct_bool(const struct thrift_struct *from, int16_t id, bool *out);
fallible thrift_struct_inner(const struct thrift_struct *from, int16_t id, struct thrift_struct *out);
fallible thrift_struct_list(const struct thrift_struct *from, int16_t id, enum thrift_type element,
                            struct reader *out_list, uint32_t *out_count);

/* Puts those of the fields `ids` (ascending) that are there, and the end of the struct. */
fallible thrift_struct_put(const struct thrift_struct *from, const int16_t ids[], size_t count,
                           struct buffer *out);
