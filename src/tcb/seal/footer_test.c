#include "crypto/test_support.h"
#include "seal/footer.h"
#include "seal/thrift.h"

/* SchemaElement {1: INT64, 3: OPTIONAL, 4: "n"} and a section with a ColumnChunk {2: file_offset 4}. */
static const uint8_t element[] = {0x15, 0x04, 0x25, 0x02, 0x18, 0x01, 'n', 0x00};
static const uint8_t chunk_section[] = {3, 0, 0, 0, 0x26, 0x08, 0x00, 0, 0, 0, 0};
static const uint8_t empty_section[] = {0, 0, 0, 0};

struct world_of_test {
    struct arena arena;
    struct buffer out;
};

static int setup(void **state)
{
    static struct world_of_test test;
    arena_init(&test.arena, 1024 * 1024);
    buffer_init(&test.out, 1024 * 1024);
    *state = &test;
    return 0;
}

static int teardown(void **state)
{
    struct world_of_test *test = *state;
    buffer_release(&test->out);
    arena_release(&test->arena);
    return 0;
}

static void a_footer_has_known_octets(void **state)
{
    struct world_of_test *test = *state;
    struct footer_column column = {BYTES_OF(element), BYTES_OF(chunk_section)};
    static const uint64_t rows[] = {5};
    assert_ok(footer_compose(&column, 1, rows, 1, &test->arena, &test->out));
    assert_hex(buffer_view(&test->out), "1502"                   /* version 1 */
                                        "192c"                   /* schema: 2 structs */
                                        "4806736368656d61150200" /* root: name "schema", 1 child */
                                        "15042502"
                                        "18016e"
                                        "00"   /* the element */
                                        "160a" /* 5 rows */
                                        "191c" /* 1 row group */
                                        "191c"
                                        "260800"
                                        "1606"
                                        "160a"
                                        "00"
                                        "2805747275636500" /* created by truce */
                                        "2d000000"
                                        "50415231");
}

static void no_group_is_an_empty_file(void **state)
{
    struct world_of_test *test = *state;
    struct footer_column column = {BYTES_OF(element), BYTES_OF(empty_section)};
    assert_ok(footer_compose(&column, 1, NULL, 0, &test->arena, &test->out));
    struct reader reader = reader_of(buffer_view(&test->out));
    assert_ok(thrift_skip(&reader, THRIFT_STRUCT));
    assert_int_equal(reader_left(&reader), 8);
}

static void malformed_sections_are_refused(void **state)
{
    struct world_of_test *test = *state;
    static const uint64_t rows[] = {5, 5};
    static const uint8_t cut[] = {3, 0, 0, 0, 0x26, 0x08};
    static const uint8_t short_length[] = {3, 0};
    static const uint8_t too_much[] = {4, 0, 0, 0, 0x26, 0x08, 0x00, 0x00, 0, 0, 0, 0};
    static const uint8_t unfinished[] = {2, 0, 0, 0, 0x26, 0x08};
    static const uint8_t two[] = {3, 0, 0, 0, 0x26, 0x08, 0x00, 3, 0, 0, 0, 0x26, 0x08, 0x00, 0, 0, 0, 0};
    static const uint8_t endless[] = {3, 0, 0, 0, 0x26, 0x08, 0x00};
    static const uint8_t after_end[] = {3, 0, 0, 0, 0x26, 0x08, 0x00, 0, 0, 0, 0, 0};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0x26, 0x08, 0x00};
    const struct {
        struct footer_column column;
        size_t groups;
        const char *want_why;
    } cases[] = {
        {{BYTES_OF(element), BYTES_OF(cut)}, 1, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(short_length)}, 1, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(too_much)}, 1, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(unfinished)}, 1, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(two)}, 1, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(chunk_section)}, 2, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(chunk_section)}, 0, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(huge)}, 1, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(endless)}, 1, "footer.metadata"},
        {{BYTES_OF(element), BYTES_OF(after_end)}, 1, "footer.metadata"},
        {{BYTES_OF(element), {0}}, 0, "footer.metadata"},
        {{BYTES_OF(cut), BYTES_OF(chunk_section)}, 1, "footer.element"},
        {{{element, sizeof element - 1}, BYTES_OF(chunk_section)}, 1, "footer.element"},
        {{{0}, BYTES_OF(chunk_section)}, 1, "footer.element"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer_clear(&test->out);
        assert_why(footer_compose(&cases[i].column, 1, rows, cases[i].groups, &test->arena, &test->out),
                   CORRUPT, cases[i].want_why);
    }
}

static void limits_are_kept(void **state)
{
    struct world_of_test *test = *state;
    struct footer_column column = {BYTES_OF(element), BYTES_OF(chunk_section)};
    static const uint64_t rows[] = {UINT64_MAX, 1};
    assert_why(footer_compose(&column, 0, rows, 1, &test->arena, &test->out), INVALID, "footer.columns");
    assert_why(footer_compose(&column, FOOTER_COLUMNS_MAX + 1, rows, 1, &test->arena, &test->out), LIMIT,
               "footer.size");
    assert_why(footer_compose(&column, 1, rows, FOOTER_GROUPS_MAX + 1, &test->arena, &test->out), LIMIT,
               "footer.size");
    assert_why(footer_compose(&column, 1, rows, 2, &test->arena, &test->out), LIMIT, "footer.number");
    assert_why(footer_compose(&column, 1, rows, 1, &test->arena, &test->out), LIMIT, "footer.number");
    scoped_buffer small;
    buffer_init(&small, 16);
    static const uint64_t few[] = {1};
    assert_why(footer_compose(&column, 1, few, 1, &test->arena, &small), LIMIT, "buffer.full");
    uint8_t long_element[FOOTER_ELEMENT_BYTES_MAX + 1] = {0};
    struct footer_column big = {BYTES_OF(long_element), BYTES_OF(chunk_section)};
    assert_why(footer_compose(&big, 1, few, 1, &test->arena, &test->out), CORRUPT, "footer.element");
}

static void numbers_survive_thrift(void **state)
{
    struct world_of_test *test = *state;
    static const int64_t numbers[] = {0, -1, 1, 63, 64, -65, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        buffer_clear(&test->out);
        assert_ok(thrift_put_i64(&test->out, numbers[i]));
        struct reader reader = reader_of(buffer_view(&test->out));
        int64_t got;
        assert_ok(thrift_take_i64(&reader, &got));
        assert_ok(reader_end(&reader));
        assert_true(got == numbers[i]);
    }
    struct thrift_field last = {0}, field = {0};
    buffer_clear(&test->out);
    assert_ok(thrift_put_field(&test->out, &last, 40, THRIFT_BINARY));
    assert_ok(thrift_put_binary(&test->out, bytes_of_text(TEXT("x"))));
    assert_ok(thrift_put_field(&test->out, &last, 41, THRIFT_LIST));
    assert_ok(thrift_put_list(&test->out, THRIFT_TRUE, 20));
    for (size_t i = 0; i < 20; i++) {
        assert_ok(buffer_add_byte(&test->out, 1));
    }
    assert_ok(thrift_put_stop(&test->out));
    struct reader reader = reader_of(buffer_view(&test->out));
    assert_ok(thrift_take_field(&reader, &field));
    assert_int_equal(field.id, 40);
    reader = reader_of(buffer_view(&test->out));
    assert_ok(thrift_skip(&reader, THRIFT_STRUCT));
    assert_ok(reader_end(&reader));
}

static void hostile_thrift_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *octets;
        size_t size;
        const char *want_why;
    } cases[] = {
        {"\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00", 12, "thrift.number"},
        {"\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 12, "thrift.number"},
        {"\x18\x05xy", 4, "thrift.binary"},
        {"\x19\xf3\xff\xff\xff\xff\x0f", 7, "thrift.list.count"},
        {"\x19\x2d\x01\x01\x00", 5, "thrift.list.type"},
        {"\x1b\x00\x00", 3, "thrift.field.type"},
        {"\x1d\x00\x00", 3, "thrift.field"},
        {"\x05\x00\x00", 3, "thrift.field"},
        {"\x16", 1, "reader.truncated"},
        {"\x17\x01\x02\x03", 4, "reader.truncated"},
        {"\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c", 18, "thrift.depth"},
        {"\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19\x19", 18, "thrift.depth"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reader reader = reader_of((struct bytes){(const uint8_t *)cases[i].octets, cases[i].size});
        assert_why(thrift_skip(&reader, THRIFT_STRUCT), CORRUPT, cases[i].want_why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_footer_has_known_octets, setup, teardown),
        cmocka_unit_test_setup_teardown(no_group_is_an_empty_file, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_sections_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_survive_thrift, setup, teardown),
        cmocka_unit_test(hostile_thrift_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
