#include "party/dataset/parquet.h"

#include "crypto/test_support.h"
#include "party/dataset/test_file.h"
#include "seal/thrift.h"

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_release(*state);
    return 0;
}

static struct result read_whole(struct arena *arena, struct bytes file, struct parquet_file *out)
{
    assert_true(file.size > PARQUET_TAIL_BYTES);
    uint64_t size;
    TRY(parquet_footer_size(bytes_slice(file, file.size - PARQUET_TAIL_BYTES, PARQUET_TAIL_BYTES), &size));
    assert_true(size < file.size - PARQUET_TAIL_BYTES);
    uint64_t offset = file.size - PARQUET_TAIL_BYTES - size;
    return parquet_read(arena, bytes_slice(file, offset, size), offset, out);
}

static void types_are_those_that_duckdb_reads(void **state)
{
    static const struct {
        const char *name, *want_type;
    } columns[] = {
        {"a_boolean", "BOOLEAN"},
        {"a_tinyint", "TINYINT"},
        {"a_smallint", "SMALLINT"},
        {"an_integer", "INTEGER"},
        {"a_bigint", "BIGINT"},
        {"a_utinyint", "UTINYINT"},
        {"a_usmallint", "USMALLINT"},
        {"a_uinteger", "UINTEGER"},
        {"a_ubigint", "UBIGINT"},
        {"a_float", "FLOAT"},
        {"a_double", "DOUBLE"},
        {"a_small_decimal", "DECIMAL(4,1)"},
        {"a_decimal", "DECIMAL(18,3)"},
        {"a_wide_decimal", "DECIMAL(38,10)"},
        {"a_date", "DATE"},
        {"a_time", "TIME"},
        {"a_timestamp", "TIMESTAMP"},
        {"a_varchar", "VARCHAR"},
        {"a_blob", "BLOB"},
        {"a_uuid", "UUID"},
    };
    struct arena *arena = *state;
    struct parquet_file file;
    assert_ok(read_whole(arena, read_test_file(arena, "vectors/parquet/types.parquet"), &file));
    assert_int_equal(file.column_count, sizeof columns / sizeof *columns);
    assert_int_equal(file.rows, 3);
    for (size_t i = 0; i < file.column_count; i++) {
        struct text type;
        assert_true(text_is(file.columns[i].name, columns[i].name));
        assert_ok(column_type_to_text(arena, file.columns[i].type, &type));
        assert_true(text_is(type, columns[i].want_type));
    }
}

static bool contains(struct bytes octets, const char *needle)
{
    return octets.size > 0 && memmem(octets.data, octets.size, needle, strlen(needle)) != NULL;
}

static void groups_have_ranges_and_lean_chunks(void **state)
{
    struct arena *arena = *state;
    struct bytes octets = read_test_file(arena, "vectors/parquet/groups.parquet");
    struct parquet_file file;
    assert_ok(read_whole(arena, octets, &file));
    assert_int_equal(file.group_count, 3);
    assert_int_equal(file.group_rows[0], 2048);
    assert_int_equal(file.group_rows[2], 904);
    assert_int_equal(file.rows, 5000);
    for (size_t i = 0; i < file.group_count * file.column_count; i++) {
        struct parquet_chunk_claim claim;
        assert_ok(parquet_read_chunk(file.chunks[i].octets, &claim));
        assert_int_equal(claim.offset, file.chunks[i].offset);
        assert_int_equal(claim.size, file.chunks[i].size);
        assert_int_equal(claim.values, file.group_rows[i / file.column_count]);
        assert_true(text_equal(claim.column, file.columns[i % file.column_count].name));
        assert_true(file.chunks[i].offset + file.chunks[i].size <= file.data_end);
        /* Another column's values are in none of them. */
        if (i % file.column_count != 3) {
            assert_false(contains(file.chunks[i].octets, "secret"));
        }
    }
    assert_true(contains(file.chunks[3].octets, "secret")); /* the column's own statistics stay */
}

static void an_empty_file_has_no_groups(void **state)
{
    struct arena *arena = *state;
    struct parquet_file file;
    assert_ok(read_whole(arena, read_test_file(arena, "vectors/parquet/empty.parquet"), &file));
    assert_int_equal(file.group_count, 0);
    assert_int_equal(file.rows, 0);
    assert_int_equal(file.column_count, 2);
    assert_int_equal(file.data_end, PARQUET_MAGIC_BYTES);
}

static void what_cannot_be_kept_is_refused(void **state)
{
    static const struct {
        const char *name, *want_why;
    } files[] = {
        {"nested", "parquet.nested"},     {"struct", "parquet.nested"},    {"zoned", "parquet.column.type"},
        {"nanos", "parquet.column.type"}, {"json", "parquet.column.type"}, {"encrypted", "parquet.encrypted"},
    };
    struct arena *arena = *state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[256];
        snprintf(name, sizeof name, "vectors/parquet/%s.parquet", files[i].name);
        struct parquet_file file;
        assert_why(read_whole(arena, read_test_file(arena, name), &file), UNSUPPORTED, files[i].want_why);
    }
}

static void tails_are_checked(void **state)
{
    (void)state;
    uint64_t size;
    assert_ok(parquet_footer_size(bytes_of_text(TEXT("\1\2\0\0PAR1")), &size));
    assert_int_equal(size, 513);
    assert_why(parquet_footer_size(bytes_of_text(TEXT("\1\2\0\0PARE")), &size), UNSUPPORTED,
               "parquet.encrypted");
    assert_why(parquet_footer_size(bytes_of_text(TEXT("\1\2\0\0PAR2")), &size), INVALID, "parquet.magic");
    assert_why(parquet_footer_size(bytes_of_text(TEXT("PAR1")), &size), INVALID, "parquet.magic");
    assert_why(parquet_footer_size(bytes_of_text(TEXT("\1\0\0\1PAR1")), &size), LIMIT, "parquet.footer.size");
}

/* A footer of two INT32 columns and one group, with what a case changes. */
struct made_footer {
    uint64_t rows, group_rows, values;
    uint64_t offset[2];
    uint64_t size[2];
    const char *path[2];
    const char *name[2];
    int children, repetition, columns, extra_file_field, extra_chunk_field;
    int64_t second_group; /* the shift of its chunks, or 0: there is none */
};

static const struct made_footer good = {.rows = 5,
                                        .group_rows = 5,
                                        .values = 5,
                                        .offset = {4, 14},
                                        .size = {10, 10},
                                        .path = {"a", "b"},
                                        .name = {"a", "b"},
                                        .children = 2,
                                        .repetition = 1,
                                        .columns = 2};

static void put(struct buffer *out, struct thrift_field *last, int16_t id, uint64_t value)
{
    assert_ok(thrift_put_field(out, last, id, THRIFT_I64));
    assert_ok(thrift_put_i64(out, (int64_t)value));
}

static void put_text(struct buffer *out, struct thrift_field *last, int16_t id, const char *value)
{
    assert_ok(thrift_put_field(out, last, id, THRIFT_BINARY));
    assert_ok(thrift_put_binary(out, bytes_of_text(text_of(value))));
}

static void put_made_chunk(const struct made_footer *made, size_t i, uint64_t offset, struct buffer *out)
{
    struct thrift_field chunk = {0}, meta = {0};
    if (made->extra_chunk_field == 1) {
        put_text(out, &chunk, 1, "other.parquet");
    }
    assert_ok(thrift_put_field(out, &chunk, 3, THRIFT_STRUCT));
    assert_ok(thrift_put_field(out, &meta, 3, THRIFT_LIST));
    assert_ok(thrift_put_list(out, THRIFT_BINARY, 1));
    assert_ok(thrift_put_binary(out, bytes_of_text(text_of(made->path[i]))));
    put(out, &meta, 5, made->values);
    put(out, &meta, 7, made->size[i]);
    put(out, &meta, 9, offset + 3);
    put(out, &meta, 11, offset);
    assert_ok(thrift_put_stop(out));
    if (made->extra_chunk_field == 8) {
        assert_ok(thrift_put_field(out, &chunk, 8, THRIFT_STRUCT));
        assert_ok(thrift_put_stop(out));
    }
    assert_ok(thrift_put_stop(out));
}

static void put_made_group(const struct made_footer *made, int64_t shift, struct buffer *out)
{
    struct thrift_field group = {0};
    assert_ok(thrift_put_field(out, &group, 1, THRIFT_LIST));
    assert_ok(thrift_put_list(out, THRIFT_STRUCT, (uint32_t)made->columns));
    for (size_t i = 0; i < (size_t)made->columns; i++) {
        put_made_chunk(made, i, made->offset[i] + (uint64_t)shift, out);
    }
    put(out, &group, 3, made->group_rows);
    assert_ok(thrift_put_stop(out));
}

static void make_footer(const struct made_footer *made, struct buffer *out)
{
    struct thrift_field file = {0}, root = {0};
    assert_ok(thrift_put_field(out, &file, 2, THRIFT_LIST));
    assert_ok(thrift_put_list(out, THRIFT_STRUCT, 3));
    put_text(out, &root, 4, "root");
    put(out, &root, 5, (uint64_t)made->children);
    assert_ok(thrift_put_stop(out));
    for (size_t i = 0; i < 2; i++) {
        struct thrift_field element = {0};
        put(out, &element, 1, 1);
        put(out, &element, 3, (uint64_t)made->repetition);
        put_text(out, &element, 4, made->name[i]);
        assert_ok(thrift_put_stop(out));
    }
    put(out, &file, 3, made->rows);
    assert_ok(thrift_put_field(out, &file, 4, THRIFT_LIST));
    assert_ok(thrift_put_list(out, THRIFT_STRUCT, made->second_group != 0 ? 2 : 1));
    put_made_group(made, 0, out);
    if (made->second_group != 0) {
        put_made_group(made, made->second_group, out);
    }
    if (made->extra_file_field != 0) {
        put_text(out, &file, (int16_t)made->extra_file_field, "key");
    }
    assert_ok(thrift_put_stop(out));
}

static struct result read_made(struct arena *arena, const struct made_footer *made)
{
    scoped_buffer footer;
    buffer_init(&footer, 65536);
    make_footer(made, &footer);
    struct parquet_file file;
    return parquet_read(arena, buffer_view(&footer), made->second_group != 0 ? 100 : 24, &file);
}

#define CHANGED(member)                                                                                      \
    ({                                                                                                       \
        struct made_footer made = good;                                                                      \
        made.member;                                                                                         \
        made;                                                                                                \
    })

static void inconsistent_footers_are_refused(void **state)
{
    struct arena *arena = *state;
    assert_ok(read_made(arena, &good));
    const struct {
        struct made_footer footer;
        enum result_code want_code;
        const char *want_why;
    } cases[] = {
        {CHANGED(rows = 6), RESULT_INVALID, "parquet.rows"},
        {CHANGED(group_rows = UINT64_MAX), RESULT_INVALID, "thrift.number.negative"},
        {CHANGED(values = 4), RESULT_INVALID, "parquet.chunk.values"},
        {CHANGED(offset[0] = 3), RESULT_INVALID, "parquet.chunk.range"},
        {CHANGED(offset[1] = 13), RESULT_INVALID, "parquet.chunk.overlap"},
        {CHANGED(offset[1] = 4), RESULT_INVALID, "parquet.chunk.overlap"},
        {CHANGED(size[1] = 11), RESULT_INVALID, "parquet.chunk.range"},
        {CHANGED(size[1] = INT64_MAX), RESULT_INVALID, "parquet.chunk.range"},
        {CHANGED(size[0] = 0), RESULT_INVALID, "parquet.chunk.range"},
        {CHANGED(group_rows = 0), RESULT_INVALID, "parquet.rows"},
        {CHANGED(offset[1] = INT64_MAX - 3), RESULT_INVALID, "parquet.chunk.range"},
        {CHANGED(path[1] = "a"), RESULT_INVALID, "parquet.chunk.column"},
        {CHANGED(name[1] = "A"), RESULT_INVALID, "parquet.column.name"},
        {CHANGED(name[0] = ""), RESULT_INVALID, "parquet.column.name"},
        {CHANGED(name[0] = "a\nb"), RESULT_INVALID, "parquet.column.name"},
        {CHANGED(columns = 1), RESULT_INVALID, "parquet.group.columns"},
        {CHANGED(children = 1), RESULT_UNSUPPORTED, "parquet.nested"},
        {CHANGED(children = 3), RESULT_INVALID, "parquet.schema"},
        {CHANGED(repetition = 2), RESULT_UNSUPPORTED, "parquet.nested"},
        {CHANGED(extra_file_field = 8), RESULT_UNSUPPORTED, "parquet.encrypted"},
        {CHANGED(extra_file_field = 9), RESULT_UNSUPPORTED, "parquet.encrypted"},
        {CHANGED(extra_chunk_field = 1), RESULT_UNSUPPORTED, "parquet.chunk.elsewhere"},
        {CHANGED(extra_chunk_field = 8), RESULT_UNSUPPORTED, "parquet.encrypted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result result = read_made(arena, &cases[i].footer);
        assert_why_at(result, cases[i].want_code, cases[i].want_why, __FILE__, __LINE__);
    }
}

static void chunks_of_a_column_ascend(void **state)
{
    struct arena *arena = *state;
    struct made_footer made = good;
    made.rows = 10;
    made.second_group = 20;
    assert_ok(read_made(arena, &made));
    made.offset[0] += 20;
    made.offset[1] += 20;
    made.second_group = -20;
    assert_why(read_made(arena, &made), INVALID, "parquet.chunk.order");
}

static void cut_footers_are_refused(void **state)
{
    struct arena *arena = *state;
    scoped_buffer footer;
    buffer_init(&footer, 65536);
    make_footer(&good, &footer);
    for (size_t size = 0; size < footer.size; size++) {
        struct parquet_file file;
        assert_false(result_is_ok(parquet_read(arena, (struct bytes){footer.data, size}, 24, &file)));
    }
    assert_ok(buffer_add_byte(&footer, 0));
    struct parquet_file file;
    assert_why(parquet_read(arena, buffer_view(&footer), 24, &file), CORRUPT, "reader.trailing_bytes");
    assert_why(parquet_read(arena, buffer_view(&footer), 3, &file), INVALID, "parquet.footer.offset");
}

static void a_field_twice_is_refused(void **state)
{
    struct arena *arena = *state;
    /* file_offset twice: the second with an explicit id. */
    static const uint8_t twice[] = {0x26, 0x02, 0x06, 0x04, 0x02, 0x00};
    struct parquet_chunk_claim claim;
    assert_why(parquet_read_chunk(BYTES_OF(twice), &claim), CORRUPT, "thrift.field.duplicate");
    (void)arena;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(types_are_those_that_duckdb_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_have_ranges_and_lean_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_file_has_no_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_kept_is_refused, setup, teardown),
        cmocka_unit_test(tails_are_checked),
        cmocka_unit_test_setup_teardown(inconsistent_footers_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_of_a_column_ascend, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_footers_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_field_twice_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
