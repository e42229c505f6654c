#include "seal/footer.h"

#include "seal/thrift.h"

/* Field ids of parquet.thrift. */
enum { FILE_VERSION = 1, FILE_SCHEMA = 2, FILE_ROWS = 3, FILE_GROUPS = 4, FILE_CREATED_BY = 6 };
enum { ELEMENT_NAME = 4, ELEMENT_CHILDREN = 5 };
enum { GROUP_COLUMNS = 1, GROUP_BYTES = 2, GROUP_ROWS = 3 };

static bool is_one_struct(struct bytes octets)
{
    struct reader reader = reader_of(octets);
    return result_is_ok(thrift_skip(&reader, THRIFT_STRUCT)) && reader_left(&reader) == 0;
}

fallible footer_take_chunk(struct reader *section, struct bytes *out)
{
    struct reader next = *section;
    uint32_t size;
    struct bytes chunk;
    REQUIRE(result_is_ok(reader_u32le(&next, &size)) && size <= FOOTER_CHUNK_BYTES_MAX &&
                result_is_ok(reader_take(&next, size, &chunk)) && is_one_struct(chunk),
            CORRUPT, "footer.metadata");
    *section = next;
    *out = chunk;
    return OK;
}

fallible footer_end_section(const struct reader *section)
{
    struct reader end = *section;
    uint32_t zero;
    REQUIRE(result_is_ok(reader_u32le(&end, &zero)) && zero == 0 && reader_left(&end) == 0, CORRUPT,
            "footer.metadata");
    return OK;
}

static fallible put_number(struct buffer *out, struct thrift_field *last, int16_t id, enum thrift_type type,
                           uint64_t value)
{
    REQUIRE(value <= INT64_MAX, LIMIT, "footer.number");
    TRY(thrift_put_field(out, last, id, type));
    return thrift_put_i64(out, (int64_t)value);
}

static fallible put_schema(const struct footer_column columns[], size_t column_count, struct buffer *out)
{
    TRY(thrift_put_list(out, THRIFT_STRUCT, (uint32_t)column_count + 1));
    struct thrift_field root = {0};
    TRY(thrift_put_field(out, &root, ELEMENT_NAME, THRIFT_BINARY));
    TRY(thrift_put_binary(out, bytes_of_text(TEXT("schema"))));
    TRY(put_number(out, &root, ELEMENT_CHILDREN, THRIFT_I32, column_count));
    TRY(thrift_put_stop(out));
    for (size_t i = 0; i < column_count; i++) {
        REQUIRE(columns[i].element.size <= FOOTER_ELEMENT_BYTES_MAX && is_one_struct(columns[i].element),
                CORRUPT, "footer.element");
        TRY(buffer_add(out, columns[i].element));
    }
    return OK;
}

static fallible put_group(struct reader sections[], size_t column_count, uint64_t rows, struct buffer *out)
{
    struct thrift_field field = {0};
    TRY(thrift_put_field(out, &field, GROUP_COLUMNS, THRIFT_LIST));
    TRY(thrift_put_list(out, THRIFT_STRUCT, (uint32_t)column_count));
    uint64_t bytes = 0;
    for (size_t i = 0; i < column_count; i++) {
        struct bytes chunk;
        TRY(footer_take_chunk(&sections[i], &chunk));
        TRY(buffer_add(out, chunk));
        bytes += chunk.size;
    }
    /* Required by the format, used by no reader: the true value belongs to all columns of the owner's file.
     */
    TRY(put_number(out, &field, GROUP_BYTES, THRIFT_I64, bytes));
    TRY(put_number(out, &field, GROUP_ROWS, THRIFT_I64, rows));
    return thrift_put_stop(out);
}

static fallible sum_rows(const uint64_t group_rows[], size_t group_count, uint64_t *out)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < group_count; i++) {
        REQUIRE(!__builtin_add_overflow(sum, group_rows[i], &sum), LIMIT, "footer.number");
    }
    *out = sum;
    return OK;
}

static fallible put_groups(const struct footer_column columns[], size_t column_count,
                           const uint64_t group_rows[], size_t group_count, struct arena *scratch,
                           struct buffer *out)
{
    struct reader *sections;
    TRY(ARENA_ARRAY(scratch, struct reader, column_count, &sections));
    for (size_t i = 0; i < column_count; i++) {
        sections[i] = reader_of(columns[i].untrusted_metadata);
    }
    TRY(thrift_put_list(out, THRIFT_STRUCT, (uint32_t)group_count));
    for (size_t group = 0; group < group_count; group++) {
        TRY(put_group(sections, column_count, group_rows[group], out));
    }
    for (size_t i = 0; i < column_count; i++) {
        TRY(footer_end_section(&sections[i]));
    }
    return OK;
}

fallible footer_compose(const struct footer_column columns[], size_t column_count,
                        const uint64_t group_rows[], size_t group_count, struct arena *scratch,
                        struct buffer *out)
{
    REQUIRE(column_count > 0, INVALID, "footer.columns");
    REQUIRE(column_count <= FOOTER_COLUMNS_MAX && group_count <= FOOTER_GROUPS_MAX, LIMIT, "footer.size");
    uint64_t rows;
    TRY(sum_rows(group_rows, group_count, &rows));
    size_t start = out->size;
    struct thrift_field field = {0};
    TRY(put_number(out, &field, FILE_VERSION, THRIFT_I32, 1));
    TRY(thrift_put_field(out, &field, FILE_SCHEMA, THRIFT_LIST));
    TRY(put_schema(columns, column_count, out));
    TRY(put_number(out, &field, FILE_ROWS, THRIFT_I64, rows));
    TRY(thrift_put_field(out, &field, FILE_GROUPS, THRIFT_LIST));
    TRY(put_groups(columns, column_count, group_rows, group_count, scratch, out));
    TRY(thrift_put_field(out, &field, FILE_CREATED_BY, THRIFT_BINARY));
    TRY(thrift_put_binary(out, bytes_of_text(TEXT("truce"))));
    TRY(thrift_put_stop(out));
    size_t size = out->size - start;
    REQUIRE(size <= FOOTER_BYTES_MAX, LIMIT, "footer.size");
    TRY(buffer_add_u32le(out, (uint32_t)size));
    return buffer_add_text(out, TEXT("PAR1"));
}
