#include "crypto/test_support.h"
#include "privacy/gate.h"
#include "privacy/policy.h"
#include "privacy/result_frame.h"

#define WIDE_MAX ((__int128)(((unsigned __int128)1 << 127) - 1))
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static struct column_type type_of(const char *text)
{
    struct column_type type = {0};
    assert_ok(column_type_parse(text_of(text), &type));
    return type;
}

static void types_have_one_spelling(void **state)
{
    (void)state;
    static const char *const good[] = {
        "BOOLEAN",      "TINYINT", "SMALLINT", "INTEGER",   "BIGINT",  "UTINYINT",      "USMALLINT",
        "UINTEGER",     "UBIGINT", "HUGEINT",  "FLOAT",     "DOUBLE",  "DECIMAL(12,2)", "DECIMAL(38,38)",
        "DECIMAL(1,0)", "DATE",    "TIME",     "TIMESTAMP", "VARCHAR", "BLOB",          "UUID"};
    static const char *const bad[] = {"",
                                      "INT",
                                      "integer",
                                      "DECIMAL",
                                      "DECIMAL(0,0)",
                                      "DECIMAL(39,2)",
                                      "DECIMAL(2,3)",
                                      "DECIMAL(12, 2)",
                                      "DECIMAL(12,2",
                                      "DECIMAL(12)",
                                      "DECIMAL(012,2)",
                                      "DECIMAL(,)",
                                      "DECIMAL(12,2)x",
                                      "VARCHAR(3)",
                                      "UHUGEINT"};
    scoped_arena arena;
    arena_init(&arena, 65536);
    struct text text;
    struct column_type type;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_ok(column_type_to_text(&arena, type_of(good[i]), &text));
        assert_true(text_is(text, good[i]));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_why(column_type_parse(text_of(bad[i]), &type), INVALID, "column.type.unknown");
    }
    assert_why(column_type_to_text(&arena, (struct column_type){0}, &text), INVALID, "column.type.unknown");
    assert_int_equal(column_type_may_leave(type_of("HUGEINT")), VERDICT_ALLOW);
    assert_int_equal(column_type_may_leave(type_of("DOUBLE")), VERDICT_DENY);
    assert_int_equal(column_type_may_leave((struct column_type){0}), VERDICT_DENY);
    assert_false(column_type_equal(type_of("DECIMAL(4,2)"), type_of("DECIMAL(4,1)")));
    assert_false(column_name_is_valid(TEXT("two\nlines")));
    char longest[COLUMN_NAME_BYTES_MAX + 1];
    memset(longest, 'n', sizeof longest);
    assert_true(column_name_is_valid((struct text){longest, COLUMN_NAME_BYTES_MAX}));
    assert_false(column_name_is_valid((struct text){longest, COLUMN_NAME_BYTES_MAX + 1}));
}

/* Values as they are written in requests, and as DuckDB 1.5.6 writes them to CSV. */
static void values_read_and_write(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *text;
        const char *want_csv;
    } rows[] = {
        {"TINYINT", "-128", "-128"},
        {"UTINYINT", "255", "255"},
        {"BIGINT", "-9223372036854775808", "-9223372036854775808"},
        {"UBIGINT", "18446744073709551615", "18446744073709551615"},
        {"HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"},
        {"HUGEINT", "-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"},
        {"INTEGER", "0", "0"},
        {"DECIMAL(4,2)", "0.00", "0.00"},
        {"DECIMAL(4,2)", "-0.05", "-0.05"},
        {"DECIMAL(4,2)", "99.99", "99.99"},
        {"DECIMAL(2,2)", "0.50", ".50"},
        {"DECIMAL(1,1)", "0.0", ".0"},
        {"DECIMAL(38,38)", "-0.50000000000000000000000000000000000000",
         "-.50000000000000000000000000000000000000"},
        {"DECIMAL(4,0)", "5", "5"},
        {"DATE", "0001-01-01", "0001-01-01"},
        {"DATE", "9999-12-31", "9999-12-31"},
        {"VARCHAR", "", ""},
        {"VARCHAR", "a\tb", "a\tb"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cell cell;
        scoped_buffer csv;
        buffer_init(&csv, 1000);
        assert_ok(cell_from_text(type_of(rows[i].type), text_of(rows[i].text), &cell));
        assert_ok(cell_to_text(type_of(rows[i].type), &cell, &csv));
        assert_true(text_is(buffer_text(&csv), rows[i].want_csv));
    }
}

static void values_are_strict(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *text;
        const char *want_why;
    } rows[] = {
        {"TINYINT", "128", "cell.range"},
        {"TINYINT", "-129", "cell.range"},
        {"UTINYINT", "-1", "cell.range"},
        {"UBIGINT", "18446744073709551616", "cell.range"},
        {"HUGEINT", "170141183460469231731687303715884105728", "cell.range"},
        {"HUGEINT", "-170141183460469231731687303715884105729", "cell.range"},
        {"HUGEINT", "999999999999999999999999999999999999999999", "cell.range"},
        {"DECIMAL(4,2)", "100.00", "cell.range"},
        {"DECIMAL(4,2)", "1.0", "value.form"},
        {"DECIMAL(4,2)", "1.000", "value.form"},
        {"DECIMAL(4,2)", ".50", "value.form"},
        {"DECIMAL(4,2)", "1,00", "value.form"},
        {"DECIMAL(4,2)", "-0.00", "value.form"},
        {"INTEGER", "", "value.form"},
        {"INTEGER", "-", "value.form"},
        {"INTEGER", "-0", "value.form"},
        {"INTEGER", "+1", "value.form"},
        {"INTEGER", "01", "value.form"},
        {"INTEGER", "1 ", "value.form"},
        {"INTEGER", "1.0", "value.form"},
        {"DATE", "2001-02-29", "value.form"},
        {"DATE", "10000-01-01", "value.form"},
        {"VARCHAR", "a\x01", "cell.text"},
        {"VARCHAR", "a\xff", "cell.text"},
        {"DOUBLE", "1", "cell.type"},
    };
    struct cell cell;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct result result = cell_from_text(type_of(rows[i].type), text_of(rows[i].text), &cell);
        if (strcmp(result.why, rows[i].want_why) != 0) {
            print_error("%s %s: %s\n", rows[i].type, rows[i].text, result.why);
            fail();
        }
    }
}

static void cells_fit_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        struct cell cell;
        const char *want_why;
    } rows[] = {
        {"SMALLINT", {CELL_NULL}, "ok"},
        {"VARCHAR", {CELL_NULL}, "ok"},
        {"SMALLINT", {CELL_NUMBER, 32768}, "cell.range"},
        {"SMALLINT", {CELL_DATE, 1}, "cell.kind"},
        {"SMALLINT", {CELL_TEXT, 0, TEXT("1")}, "cell.kind"},
        {"VARCHAR", {CELL_NUMBER, 1}, "cell.kind"},
        {"DATE", {CELL_NUMBER, 1}, "cell.kind"},
        {"DATE", {CELL_DATE, 2932897}, "cell.range"},
        {"DATE", {CELL_DATE, -719163}, "cell.range"},
        {"DATE", {CELL_DATE, (__int128)1 << 64}, "cell.range"},
        {"DECIMAL(3,1)", {CELL_NUMBER, 1000}, "cell.range"},
        {"DECIMAL(3,1)", {CELL_NUMBER, -999}, "ok"},
        {"HUGEINT", {CELL_NUMBER, WIDE_MAX}, "ok"},
        {"BOOLEAN", {CELL_NUMBER, 1}, "cell.type"},
        {"INTEGER", {(enum cell_kind)4, 1}, "cell.kind"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_string_equal(cell_check(type_of(rows[i].type), &rows[i].cell).why, rows[i].want_why);
    }
    char *large = calloc(1, CELL_TEXT_BYTES_MAX + 1);
    memset(large, 'a', CELL_TEXT_BYTES_MAX + 1);
    struct cell cell = {CELL_TEXT, 0, {large, CELL_TEXT_BYTES_MAX + 1}};
    assert_why(cell_check(type_of("VARCHAR"), &cell), LIMIT, "cell.text_size");
    cell.text.size--;
    assert_ok(cell_check(type_of("VARCHAR"), &cell));
    free(large);
}

static const struct column two_columns[] = {{TEXT("name, it"), {COLUMN_VARCHAR}},
                                            {TEXT("n"), {COLUMN_INTEGER}}};

/* Left what a cell holds, right what DuckDB 1.5.6 wrote for it. */
static void fields_are_quoted_like_duckdb(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        {"", "\"\""},         {"a", "a"},           {" a ", " a "},
        {"a\tb", "a\tb"},     {"a,b", "\"a,b\""},   {"a\"b", "\"a\"\"b\""},
        {"\"", "\"\"\"\""},   {"a'b", "a'b"},       {"a;b", "a;b"},
        {"a\nb", "\"a\nb\""}, {"a\rb", "\"a\rb\""}, {"\r\n", "\"\r\n\""},
        {"#", "\"#\""},       {"a#", "\"a#\""},     {"NULL", "NULL"},
        {"a\\b", "a\\b"},     {"é", "é"},           {"\"\"x", "\"\"\"\"\"x\""},
        {"-1", "-1"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scoped_buffer out;
        buffer_init(&out, 100);
        assert_ok(gate_write_field(&out, text_of(rows[i].text)));
        assert_true(text_is(buffer_text(&out), rows[i].want));
    }
}

static void the_gate_writes_csv(void **state)
{
    (void)state;
    static const struct cell cells[] = {
        {CELL_TEXT, 0, TEXT("x")}, {CELL_NUMBER, 1},  {CELL_NULL}, {CELL_NULL},
        {CELL_TEXT, 0, TEXT("")},  {CELL_NUMBER, -2},
    };
    scoped_gate gate = {0};
    struct bytes csv;
    assert_ok(gate_open(two_columns, 2, 3, 1000, &gate));
    assert_ok(gate_finish(&gate, &csv));
    assert_true(text_is(text_of_bytes(csv), "\"name, it\",n\n"));
    for (size_t i = 0; i < COUNT_OF(cells); i++) {
        assert_ok(gate_add_cell(&gate, &cells[i]));
    }
    assert_ok(gate_finish(&gate, &csv));
    assert_true(text_is(text_of_bytes(csv), "\"name, it\",n\nx,1\n,\n\"\",-2\n"));
    assert_int_equal(gate.rows, 3);
    assert_why(gate_add_cell(&gate, &cells[0]), LIMIT, "gate.rows");
    assert_why(gate_finish(&gate, &csv), LIMIT, "gate.rows");
}

static void a_refusal_of_the_gate_is_final(void **state)
{
    (void)state;
    static const struct cell text = {CELL_TEXT, 0, TEXT("x")};
    static const struct cell number = {CELL_NUMBER, 1};
    static const struct column real[] = {{TEXT("r"), {COLUMN_DOUBLE}}};
    struct bytes csv;
    scoped_gate gate = {0};
    assert_why(gate_add_cell(&gate, &text), INTERNAL, "gate.not_open");
    assert_ok(gate_open(two_columns, 2, 3, 1000, &gate));
    assert_ok(gate_add_cell(&gate, &text));
    assert_why(gate_finish(&gate, &csv), CORRUPT, "gate.row.incomplete");
    assert_why(gate_add_cell(&gate, &text), INVALID, "cell.kind");
    assert_why(gate_add_cell(&gate, &number), INVALID, "cell.kind");
    assert_why(gate_finish(&gate, &csv), INVALID, "cell.kind");
    scoped_gate small = {0};
    assert_why(gate_open(two_columns, 2, 3, 12, &small), LIMIT, "gate.bytes");
    assert_ok(gate_open(two_columns, 2, 3, 16, &small)); /* the header has 13 */
    assert_ok(gate_add_cell(&small, &text));
    assert_why(gate_add_cell(&small, &number), LIMIT, "gate.bytes");
    assert_why(gate_add_cell(&small, &number), LIMIT, "gate.bytes");
    scoped_gate other = {0};
    assert_why(gate_open(real, 1, 3, 100, &other), UNSUPPORTED, "gate.column.type");
    assert_why(gate_open(real, 0, 3, 100, &other), LIMIT, "gate.columns");
    static const struct column unnamed[] = {{TEXT(""), {COLUMN_DATE}}};
    assert_why(gate_open(unnamed, 1, 3, 100, &other), INVALID, "gate.column.name");
}

static void size_classes_are_powers_of_two(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        uint64_t want;
    } rows[] = {{0, 4096},
                {1, 4096},
                {4096, 4096},
                {4097, 8192},
                {8192, 8192},
                {1 << 20, 1 << 20},
                {RESULT_SIZE_MAX, RESULT_SIZE_MAX}};
    uint64_t out;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_ok(result_size_class(rows[i].size, &out));
        assert_int_equal(out, rows[i].want);
    }
    assert_why(result_size_class(RESULT_SIZE_MAX + 1, &out), LIMIT, "result.size");
}

static void write_frame(struct text csv, struct buffer *out)
{
    struct result_frame frame = {.columns = two_columns,
                                 .column_count = 2,
                                 .run = TEXT("00112233445566778899aabbccddeeff"),
                                 .run_request = {{1}},
                                 .contract = {{2}},
                                 .csv = bytes_of_text(csv)};
    assert_ok(result_frame_write(&frame, out));
}

static void frames_round_trip(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 1 << 20);
    static char large[5000];
    memset(large, 'x', sizeof large);
    struct text rows[] = {TEXT(""), TEXT("n\n1\n"), {large, sizeof large}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scoped_buffer out;
        buffer_init(&out, 1 << 20);
        write_frame(rows[i], &out);
        assert_int_equal(out.size, i == 2 ? 8192 : 4096);
        struct result_frame frame;
        assert_ok(result_frame_parse(&arena, buffer_view(&out), &frame));
        assert_true(text_equal(text_of_bytes(frame.csv), rows[i]));
        assert_int_equal(frame.column_count, 2);
        assert_true(text_is(frame.columns[0].name, "name, it"));
        assert_int_equal(frame.contract.octets[0], 2);
    }
}

static void frames_are_strict(void **state)
{
    (void)state;
    static const struct {
        const char *find; /* in the header, replaced by the same number of octets */
        const char *replace;
        const char *want_why;
    } rows[] = {
        {"\"size\":4", "\"size\":9", "result.padding"},
        {"\"csv\"", "\"tsv\"", "result.format"},
        {"\"format\"", "\"formal\"", "json.member.unknown"},
        {"aabbccddeeff", "aabbccddeefF", "result.run"},
        {"INTEGER", "DOUBLE ", "column.type.may_not_leave"},
        {"sha256:01", "sha257:01", "digest.form"},
        {"\"size\":4", " \"size\":", "json.syntax"},
        {"name, it\"", "n\",   \"i\"", "json.syntax"},
        {"INTEGER", "FLOAT\"}", "json.syntax"},
        {"name, it\"", "\\u0061aa\"", "document.not_canonical"},
    };
    scoped_arena arena;
    arena_init(&arena, 1 << 20);
    struct result_frame frame;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scoped_buffer out;
        buffer_init(&out, 1 << 20);
        write_frame(TEXT("abcd"), &out);
        if (i == 0) {
            out.data[4095] = 1;
        }
        uint8_t *at = memmem(out.data, out.size, rows[i].find, strlen(rows[i].find));
        assert_non_null(at);
        memcpy(at, i == 0 ? rows[i].find : rows[i].replace, strlen(rows[i].find));
        assert_string_equal(result_frame_parse(&arena, buffer_view(&out), &frame).why, rows[i].want_why);
    }
    scoped_buffer out;
    buffer_init(&out, 1 << 20);
    write_frame(TEXT("abcd"), &out);
    assert_why(result_frame_parse(&arena, (struct bytes){out.data, 4095}, &frame), INVALID,
               "result.size_class");
    assert_why(result_frame_parse(&arena, (struct bytes){out.data, 3}, &frame), CORRUPT, "reader.truncated");
    uint8_t *padding;
    assert_ok(buffer_extend(&out, 4096, &padding));
    memset(padding, 0, 4096);
    assert_why(result_frame_parse(&arena, buffer_view(&out), &frame), INVALID, "result.size_class");
    out.data[3] = 0x7f;
    assert_why(result_frame_parse(&arena, buffer_view(&out), &frame), LIMIT, "result.header");
}

/* --- combination --------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

enum { POLICIES = 6, ROUNDS = 3000 };

static void make_policies(uint32_t *random, struct policy policies[POLICIES])
{
    static const char *const names[POLICIES] = {"a/a", "a/b", "b/a", "b/b", "c/a", "c/b"};
    for (size_t i = 0; i < POLICIES; i++) {
        policies[i] = (struct policy){.dataset = text_of(names[i]), .mode = POLICY_MODE_APPROVED};
        policies[i].max_rows = next_random(random) % 8 + 1;
        policies[i].has_valid = next_random(random) % 2 == 0;
        policies[i].valid_from = next_random(random) % 5;
        policies[i].valid_until = policies[i].valid_from + 1 + next_random(random) % 5;
        if (next_random(random) % 2 == 0) {
            policies[i].entity =
                (struct policy_entity){TEXT("id"), TEXT("person"), 2 + next_random(random) % 4};
        }
    }
}

/* The judgement of the first `count` policies on an act. */
static enum verdict judge(const struct policy policies[], size_t count, int64_t time, uint64_t rows,
                          const uint64_t entities_of_dataset[])
{
    const struct policy *pointers[POLICIES];
    struct policy_combined combined;
    uint64_t entities[POLICIES];
    size_t thresholds = 0;
    for (size_t i = 0; i < count; i++) {
        pointers[i] = &policies[i];
        if (!policy_entity_is_none(&policies[i].entity)) {
            entities[thresholds++] = entities_of_dataset[i];
        }
    }
    assert_ok(policy_combine(pointers, count, &combined));
    assert_int_equal(combined.threshold_count, thresholds);
    return policy_combined_permits(&combined, time, rows, entities);
}

static bool alone_permits(const struct policy *policy, int64_t time, uint64_t rows, uint64_t entities)
{
    return rows <= policy->max_rows && entities >= policy->entity.min_entities &&
           (!policy->has_valid || (time >= policy->valid_from && time < policy->valid_until));
}

/* Adding a policy never allows what was refused, and together they allow exactly what each allows. */
static void combination_is_monotone(void **state)
{
    (void)state;
    uint32_t random = 20261123;
    size_t allowed = 0;
    size_t became_denied = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct policy policies[POLICIES];
        uint64_t entities[POLICIES];
        make_policies(&random, policies);
        int64_t time = next_random(&random) % 10;
        uint64_t rows = next_random(&random) % 9;
        bool all = true;
        enum verdict before = VERDICT_ALLOW;
        for (size_t count = 1; count <= POLICIES; count++) {
            entities[count - 1] = next_random(&random) % 8;
            all = all && alone_permits(&policies[count - 1], time, rows, entities[count - 1]);
            enum verdict now = judge(policies, count, time, rows, entities);
            assert_true(now == VERDICT_DENY || before == VERDICT_ALLOW);
            assert_int_equal(now, all ? VERDICT_ALLOW : VERDICT_DENY);
            became_denied += before == VERDICT_ALLOW && now == VERDICT_DENY;
            allowed += now == VERDICT_ALLOW;
            before = now;
        }
    }
    assert_true(allowed > 100 && became_denied > 100); /* both answers occur, or this showed nothing */
}

static void combination_has_limits(void **state)
{
    (void)state;
    struct policy policy = {.dataset = TEXT("a/a"), .mode = POLICY_MODE_APPROVED};
    const struct policy *twice[] = {&policy, &policy};
    struct policy_combined combined = {0};
    assert_why(policy_combine(twice, 2, &combined), CONFLICT, "policy.combine.duplicate");
    assert_why(policy_combine(twice, 0, &combined), LIMIT, "policy.combine.count");
    assert_why(policy_combine(twice, POLICY_DATASETS_MAX + 1, &combined), LIMIT, "policy.combine.count");
    assert_int_equal(policy_combined_permits(&combined, 0, 0, NULL), VERDICT_DENY);
    struct policy_column column = {TEXT("x"), POLICY_USE_APPROVED};
    policy.columns = &column;
    policy.column_count = 1;
    assert_int_equal(policy_permits_column(&policy, TEXT("x")), VERDICT_ALLOW);
    assert_int_equal(policy_permits_column(&policy, TEXT("y")), VERDICT_DENY);
    column.uses = POLICY_USE_NONE;
    assert_int_equal(policy_permits_column(&policy, TEXT("x")), VERDICT_DENY);
    column.uses = POLICY_USE_APPROVED;
    policy.mode = POLICY_MODE_AGGREGATE; /* not enforced: denies */
    assert_int_equal(policy_permits_column(&policy, TEXT("x")), VERDICT_DENY);
    json_t *payload;
    assert_why(policy_build(&policy, &payload), UNSUPPORTED, "policy.mode.unsupported");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_one_spelling),
        cmocka_unit_test(values_read_and_write),
        cmocka_unit_test(values_are_strict),
        cmocka_unit_test(cells_fit_their_type),
        cmocka_unit_test(fields_are_quoted_like_duckdb),
        cmocka_unit_test(the_gate_writes_csv),
        cmocka_unit_test(a_refusal_of_the_gate_is_final),
        cmocka_unit_test(size_classes_are_powers_of_two),
        cmocka_unit_test(frames_round_trip),
        cmocka_unit_test(frames_are_strict),
        cmocka_unit_test(combination_is_monotone),
        cmocka_unit_test(combination_has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
