#include "base/arena.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/reader.h"
#include "base/world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_ok(struct result result)
{
    if (!result_is_ok(result)) {
        fail_msg("%s: %s", result_code_name(result.code), result.why);
    }
}

static void assert_why(struct result result, enum result_code want_code, const char *want_why)
{
    assert_string_equal(result.why, want_why);
    assert_int_equal(result.code, want_code);
}

static void arena_keeps_its_bound(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 100);
    void *out;
    assert_ok(arena_take(&arena, 80, &out));
    assert_why(arena_take(&arena, 32, &out), RESULT_LIMIT, "arena.full");
    assert_why(arena_take(&arena, SIZE_MAX, &out), RESULT_LIMIT, "arena.size");
    assert_why(ARENA_ARRAY(&arena, uint64_t, SIZE_MAX / 4, &out), RESULT_LIMIT, "arena.size");
    const char *cstring;
    assert_why(arena_cstring(&arena, TEXT("a\0b"), &cstring), RESULT_INVALID, "text.contains_nul");
}

static void buffer_keeps_its_maximum(void **state)
{
    (void)state;
    scoped_buffer buffer;
    buffer_init(&buffer, 5);
    assert_ok(buffer_add_text(&buffer, TEXT("abc")));
    assert_why(buffer_add_text(&buffer, TEXT("def")), RESULT_LIMIT, "buffer.full");
    assert_true(text_is(buffer_text(&buffer), "abc"));
    scoped_buffer zero = {0};
    assert_why(buffer_add_byte(&zero, 1), RESULT_LIMIT, "buffer.full");
}

static void base64url_is_strict(void **state)
{
    (void)state;
    static const struct {
        struct text text;
        const char *want_why;
    } refused[] = {
        {TEXT("A"), "base64.length"},        {TEXT("AB"), "base64.spare_bits"},
        {TEXT("AA=="), "base64.character"},  {TEXT("AA+A"), "base64.character"},
        {TEXT("AAB"), "base64.spare_bits"},  {TEXT("A A="), "base64.character"},
        {TEXT("AA\nA"), "base64.character"}, {TEXT("AA\0A"), "base64.character"},
    };
    scoped_arena arena;
    arena_init(&arena, 4096);
    struct bytes out;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_why(decode_base64url(&arena, refused[i].text, &out), RESULT_INVALID, refused[i].want_why);
    }
    static const uint8_t octets[] = {0, 1, 2, 0xfb, 0xff, 0xfe, 9};
    for (size_t size = 0; size <= sizeof octets; size++) {
        struct text text;
        assert_ok(encode_base64url(&arena, (struct bytes){octets, size}, &text));
        assert_ok(decode_base64url(&arena, text, &out));
        assert_true(bytes_equal(out, (struct bytes){octets, size}));
        assert_ok(encode_base64(&arena, (struct bytes){octets, size}, &text));
        assert_int_equal(text.size % 4, 0);
        assert_ok(decode_base64(&arena, text, &out));
        assert_true(bytes_equal(out, (struct bytes){octets, size}));
    }
    assert_why(decode_base64(&arena, TEXT("AA"), &out), RESULT_INVALID, "base64.length");
    assert_why(decode_base64(&arena, TEXT("A==="), &out), RESULT_INVALID, "base64.character");
    assert_why(decode_hex(&arena, TEXT("0A"), &out), RESULT_INVALID, "hex.character");
    assert_why(decode_hex(&arena, TEXT("0"), &out), RESULT_INVALID, "hex.length");
}

static void times_round_trip(void **state)
{
    (void)state;
    static const struct {
        struct text text;
        int64_t seconds;
    } rows[] = {
        {TEXT("1970-01-01T00:00:00Z"), 0},
        {TEXT("2000-02-29T23:59:59Z"), 951868799},
        {TEXT("2026-11-23T21:00:00Z"), 1795467600},
        {TEXT("9999-12-31T23:59:59Z"), 253402300799},
    };
    scoped_arena arena;
    arena_init(&arena, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t seconds;
        struct text text;
        assert_ok(decode_time(rows[i].text, &seconds));
        assert_int_equal(seconds, rows[i].seconds);
        assert_ok(encode_time(&arena, seconds, &text));
        assert_true(text_equal(text, rows[i].text));
    }
    int64_t seconds;
    assert_why(decode_time(TEXT("2001-02-29T00:00:00Z"), &seconds), RESULT_INVALID, "time.range");
    assert_why(decode_time(TEXT("2001-02-28T00:00:60Z"), &seconds), RESULT_INVALID, "time.range");
    assert_why(decode_time(TEXT("2001-02-28 00:00:00Z"), &seconds), RESULT_INVALID, "time.form");
    assert_why(decode_time(TEXT("2001-02-28T00:00:0xZ"), &seconds), RESULT_INVALID, "time.form");
    struct text text;
    assert_why(encode_time(&arena, -1, &text), RESULT_LIMIT, "time.range");
}

static void dates_round_trip(void **state)
{
    (void)state;
    static const struct {
        struct text text;
        int64_t days;
    } rows[] = {
        {TEXT("0001-01-01"), -719162}, {TEXT("1969-12-31"), -1},      {TEXT("1970-01-01"), 0},
        {TEXT("2000-02-29"), 11016},   {TEXT("9999-12-31"), 2932896},
    };
    scoped_arena arena;
    arena_init(&arena, 4096);
    int64_t days;
    struct text text;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_ok(decode_date(rows[i].text, &days));
        assert_int_equal(days, rows[i].days);
        assert_ok(encode_date(&arena, days, &text));
        assert_true(text_equal(text, rows[i].text));
    }
    assert_why(decode_date(TEXT("1900-02-29"), &days), RESULT_INVALID, "date.range");
    assert_why(decode_date(TEXT("0000-12-31"), &days), RESULT_INVALID, "date.range");
    assert_why(decode_date(TEXT("2001-1-01"), &days), RESULT_INVALID, "date.form");
    assert_why(decode_date(TEXT("2001-01_01"), &days), RESULT_INVALID, "date.form");
    assert_why(encode_date(&arena, -719163, &text), RESULT_LIMIT, "date.range");
    assert_why(encode_date(&arena, 2932897, &text), RESULT_LIMIT, "date.range");
}

static void numbers_are_strict(void **state)
{
    (void)state;
    uint64_t value;
    assert_ok(decode_u64(TEXT("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_ok(decode_u64(TEXT("0"), 0, &value));
    assert_why(decode_u64(TEXT("18446744073709551616"), UINT64_MAX, &value), RESULT_LIMIT, "number.range");
    assert_why(decode_u64(TEXT("11"), 10, &value), RESULT_LIMIT, "number.range");
    assert_why(decode_u64(TEXT("01"), 10, &value), RESULT_INVALID, "number.form");
    assert_why(decode_u64(TEXT(""), 10, &value), RESULT_INVALID, "number.form");
    assert_why(decode_u64(TEXT("-1"), 10, &value), RESULT_INVALID, "number.form");
}

static void json_is_strict(void **state)
{
    (void)state;
    static const struct {
        struct text text;
        const char *want_why;
    } refused[] = {
        {TEXT("{\"a\":1,\"a\":2}"), "json.duplicate_member"},
        {TEXT("{\"a\":1} x"), "json.syntax"},
        {TEXT("{'a':1}"), "json.syntax"},
        {TEXT("\"\\u0000\""), "json.syntax"},
        {TEXT("\"\xff\""), "json.syntax"},
        {TEXT("99999999999999999999"), "json.syntax"},
        {TEXT(""), "json.syntax"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        scoped_json *value = NULL;
        assert_why(json_decode(bytes_of_text(refused[i].text), &value), RESULT_INVALID, refused[i].want_why);
    }
}

static void json_getters_name_the_member(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 65536);
    scoped_json *value = NULL;
    assert_ok(
        json_decode(bytes_of_text(TEXT("{\"b\":1,\"a\":\"x\",\"t\":\"1970-01-01T00:00:05Z\"}")), &value));
    struct text text;
    assert_ok(json_encode_text(&arena, value, &text));
    assert_true(text_is(text, "{\"a\":\"x\",\"b\":1,\"t\":\"1970-01-01T00:00:05Z\"}"));
    struct result result = json_get_text(value, "b", &text);
    assert_why(result, RESULT_INVALID, "json.member.not_text");
    assert_string_equal(result.where, "b");
    int64_t number;
    assert_why(json_get_i64(value, "zz", &number), RESULT_INVALID, "json.member.missing");
    assert_ok(json_get_time(value, "t", &number));
    assert_int_equal(number, 5);
    static const char *const names[] = {"a", "b", NULL};
    result = json_only(&arena, value, names);
    assert_why(result, RESULT_INVALID, "json.member.unknown");
    assert_string_equal(result.where, "t");
    assert_ok(json_set(value, "r", json_real(0.5)));
    assert_why(json_encode_text(&arena, value, &text), RESULT_UNSUPPORTED, "json.real_number");
}

static void reader_refuses_what_is_missing(void **state)
{
    (void)state;
    static const uint8_t octets[] = {1, 2, 3, 4, 5, 6, 7};
    struct reader reader = reader_of(BYTES_OF(octets));
    uint16_t small;
    uint32_t number;
    assert_ok(reader_u16be(&reader, &small));
    assert_int_equal(small, 0x0102);
    assert_ok(reader_u32le(&reader, &number));
    assert_int_equal(number, 0x06050403);
    assert_why(reader_u16le(&reader, &small), RESULT_CORRUPT, "reader.truncated");
    assert_why(reader_end(&reader), RESULT_CORRUPT, "reader.trailing_bytes");
    assert_ok(reader_skip(&reader, 1));
    assert_ok(reader_end(&reader));
}

static void text_predicates(void **state)
{
    (void)state;
    assert_true(text_is_name(TEXT("acme-2.x")));
    assert_false(text_is_name(TEXT("Acme")));
    assert_false(text_is_name(TEXT("-a")));
    assert_false(text_is_name(TEXT("")));
    assert_true(text_is_printable_utf8(TEXT("caf\xc3\xa9\n")));
    assert_false(text_is_printable_utf8(TEXT("\x1b[31m")));
    assert_false(text_is_printable_utf8(TEXT("\xed\xa0\x80")));
    assert_false(text_is_printable_utf8(TEXT("\xc0\x80")));
    assert_false(text_is_printable_utf8(TEXT("\xf5\x80\x80\x80")));
    assert_false(text_is_printable_utf8(TEXT("\xe2\x82")));
}

static void verdict_zero_denies(void **state)
{
    (void)state;
    enum verdict verdict = {0};
    assert_int_equal(verdict, VERDICT_DENY);
    for (int code = 1; code < RESULT_CODE_COUNT; code++) {
        assert_true(result_code_http_status((enum result_code)code) >= 400);
        assert_true(result_code_exit_status((enum result_code)code) > 2);
        assert_true(strlen(result_code_advice((enum result_code)code)) > 0);
    }
}

static void the_real_world_ticks(void **state)
{
    (void)state;
    struct world world = world_of_system();
    assert_true(world_now(&world) > 1700000000);
    uint8_t one[32] = {0};
    uint8_t other[32] = {0};
    assert_ok(world_random(&world, one, sizeof one));
    assert_ok(world_random(&world, other, sizeof other));
    assert_memory_not_equal(one, other, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_keeps_its_bound),
        cmocka_unit_test(buffer_keeps_its_maximum),
        cmocka_unit_test(base64url_is_strict),
        cmocka_unit_test(times_round_trip),
        cmocka_unit_test(dates_round_trip),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(json_is_strict),
        cmocka_unit_test(json_getters_name_the_member),
        cmocka_unit_test(reader_refuses_what_is_missing),
        cmocka_unit_test(text_predicates),
        cmocka_unit_test(verdict_zero_denies),
        cmocka_unit_test(the_real_world_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
