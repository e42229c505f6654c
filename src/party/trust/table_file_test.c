#include "party/trust/table_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct column columns[] = {
    {{"a,b", 3}, {COLUMN_VARCHAR, 0, 0}},
    {{"n", 1}, {COLUMN_BIGINT, 0, 0}},
    {{"m", 1}, {COLUMN_DECIMAL, 12, 2}},
    {{"d", 1}, {COLUMN_DATE, 0, 0}},
};

static struct result convert(const char *csv, struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    struct result_frame frame = {.columns = columns, .column_count = 4, .csv = bytes_of_text(text_of(csv))};
    return table_file_convert(&arena, &frame, "jsonl", "/nowhere", out);
}

static void rows_become_json_lines(void **state)
{
    (void)state;
    scoped_buffer out;
    buffer_init(&out, 4096);
    struct result result = convert("\"a,b\",n,m,d\n"
                                   "\"x \"\"y\"\",\nz\",-7,1.50,2001-01-02\n"
                                   "\"\",,,\n"
                                   ",0,0.00,1999-12-31\n",
                                   &out);
    assert_string_equal(result.why, "ok");
    assert_true(text_is(buffer_text(&out),
                        "{\"a,b\":\"x \\\"y\\\",\\nz\",\"n\":-7,\"m\":1.50,\"d\":\"2001-01-02\"}\n"
                        "{\"a,b\":\"\",\"n\":null,\"m\":null,\"d\":null}\n"
                        "{\"a,b\":null,\"n\":0,\"m\":0.00,\"d\":\"1999-12-31\"}\n"));
}

static void other_csv_is_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "",
        "a,n,m,d\n",
        "\"a,b\",n,m\n",
        "\"a,b\",n,m,d\nx,1,1.00\n",
        "\"a,b\",n,m,d\nx,1,1.00,2001-01-01,5\n",
        "\"a,b\",n,m,d\n\"x,1,1.00,2001-01-01\n",
        "\"a,b\",n,m,d\nx,1,1.00,2001-01-01",
        "\"a,b\",n,m,d\n\"x\"y,1,1.00,2001-01-01\n",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        scoped_buffer out;
        buffer_init(&out, 4096);
        assert_string_equal(convert(refused[i], &out).why, "result.csv");
    }
}

static void other_formats(void **state)
{
    (void)state;
    scoped_arena arena;
    scoped_buffer out;
    arena_init(&arena, 1024 * 1024);
    buffer_init(&out, 4096);
    struct result_frame frame = {
        .columns = columns, .column_count = 4, .csv = bytes_of_text(TEXT("\"a,b\",n,m,d\n"))};
    assert_string_equal(table_file_convert(&arena, &frame, "arrow", "/nowhere", &out).why,
                        "result.format.arrow");
    assert_string_equal(table_file_convert(&arena, &frame, "parquet", "/nowhere", &out).why,
                        "process.missing");
    assert_true(result_is_ok(table_file_convert(&arena, &frame, "csv", "/nowhere", &out)));
    assert_true(bytes_equal(buffer_view(&out), frame.csv));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_json_lines),
        cmocka_unit_test(other_csv_is_refused),
        cmocka_unit_test(other_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
