#include "base/arena.h"
#include "service/http/percent.h"
#include "service/http/route.h"
#include "service/http/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

static void assert_text(struct text text, const char *want)
{
    if (!text_is(text, want)) {
        fail_msg("\"%.*s\" is not \"%s\"", TEXT_ARGS(text), want);
    }
}

static void percent_decoding_is_strict(void **state)
{
    (void)state;
    static const struct {
        struct text text;
        bool plus_is_space;
        const char *want;
        const char *want_why;
    } rows[] = {
        {TEXT("api%2Dversion"), false, "api-version", NULL},
        {TEXT("a+b"), false, "a+b", NULL},
        {TEXT("a+b"), true, "a b", NULL},
        {TEXT("%C3%A9"), true, "\xc3\xa9", NULL},
        {TEXT("%2f"), false, "/", NULL},
        {TEXT(""), false, "", NULL},
        {TEXT("%"), false, NULL, "http.percent.form"},
        {TEXT("%2"), false, NULL, "http.percent.form"},
        {TEXT("%2g"), false, NULL, "http.percent.form"},
        {TEXT("%00"), false, NULL, "http.percent.nul"},
        {TEXT("a\0b"), false, NULL, "http.percent.nul"},
        {TEXT("%ff"), false, NULL, "http.percent.utf8"},
        {TEXT("%01"), false, NULL, "http.percent.utf8"},
    };
    scoped_arena arena;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text out;
        struct result result = percent_decode(&arena, rows[i].text, rows[i].plus_is_space, &out);
        if (rows[i].want != NULL) {
            assert_ok(result);
            assert_text(out, rows[i].want);
        } else {
            assert_why(result, RESULT_INVALID, rows[i].want_why);
        }
    }
    struct text encoded;
    assert_ok(percent_encode(&arena, TEXT("a/b c~\xc3\xa9"), &encoded));
    assert_text(encoded, "a%2Fb%20c~%C3%A9");
}

static void forms_have_one_value_per_name(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 65536);
    struct http_pairs pairs;
    assert_ok(form_decode(&arena, TEXT("scope=https%3A%2F%2Fvault%2F.default&&a&b="), &pairs));
    assert_int_equal(pairs.count, 3);
    assert_text(pairs_get(&pairs, "scope"), "https://vault/.default");
    assert_non_null(pairs_get(&pairs, "a").data);
    assert_null(pairs_get(&pairs, "c").data);
    assert_why(form_decode(&arena, TEXT("a=1&%61=2"), &pairs), RESULT_INVALID, "http.form.repeated");
    char many[HTTP_PAIRS_MAX * 4 + 8];
    size_t size = 0;
    for (int i = 0; i <= HTTP_PAIRS_MAX; i++) {
        size += (size_t)snprintf(many + size, sizeof many - size, "%02x&", (unsigned)i);
    }
    assert_why(form_decode(&arena, (struct text){many, size}, &pairs), RESULT_LIMIT, "http.form.too_many");
}

static void targets_keep_empty_segments(void **state)
{
    (void)state;
    static const struct {
        struct text target;
        const char *pattern;
        bool case_blind;
        bool want_match;
        size_t want_captures;
        const char *want_last;
    } rows[] = {
        {TEXT("/keys/k//release?api%2Dversion=7.4"), "/keys/{name}/{version}/release", false, true, 2, ""},
        {TEXT("/keys/k/"), "/keys/{name}/{version}", false, true, 2, ""},
        {TEXT("/keys/k"), "/keys/{name}/{version}", false, false, 0, NULL},
        {TEXT("/keys/k/v/wrapkey"), "/keys/{name}/{version}/wrapKey", false, false, 0, NULL},
        {TEXT("/keys/k/v/wrapkey"), "/keys/{name}/{version}/wrapKey", true, true, 2, "v"},
        {TEXT("/keys/a%2fb"), "/keys/{name}", false, true, 1, "a/b"},
        {TEXT("/keys/a/b"), "/keys/{name}", false, false, 0, NULL},
        {TEXT("/"), "/", false, true, 0, NULL},
        {TEXT("/keys"), "/key", false, false, 0, NULL},
        {TEXT("/key"), "/keys", true, false, 0, NULL},
    };
    scoped_arena arena;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_target target;
        struct http_captures captures;
        assert_ok(http_target_parse(&arena, rows[i].target, &target));
        bool matches = http_pattern_matches(rows[i].pattern, &target, rows[i].case_blind, &captures);
        assert_int_equal(matches, rows[i].want_match);
        if (matches) {
            assert_int_equal(captures.count, rows[i].want_captures);
        }
        if (matches && rows[i].want_last != NULL) {
            assert_text(captures.rows[captures.count - 1], rows[i].want_last);
        }
    }
}

static void targets_are_bounded(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 65536);
    struct http_target target;
    static char big[HTTP_TARGET_BYTES_MAX + 2];
    memset(big, 'a', sizeof big);
    big[0] = '/';
    assert_why(http_target_parse(&arena, (struct text){big, sizeof big}, &target), RESULT_LIMIT,
               "http.target.size");
    assert_why(http_target_parse(&arena, TEXT(""), &target), RESULT_INVALID, "http.target.form");
    assert_why(http_target_parse(&arena, TEXT("*"), &target), RESULT_INVALID, "http.target.form");
    assert_why(http_target_parse(&arena, TEXT("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"), &target),
               RESULT_LIMIT, "http.path.too_deep");
    assert_ok(http_target_parse(&arena, TEXT("/a?x=1"), &target));
    assert_text(pairs_get(&target.query, "x"), "1");
    assert_int_equal(http_method_of("TRACE"), HTTP_NONE);
    assert_int_equal(http_method_of("PATCH"), HTTP_PATCH);
}

static void urls_are_checked(void **state)
{
    (void)state;
    static const struct {
        struct text url;
        const char *want_host;
        uint16_t want_port;
        const char *want_path;
        const char *want_why;
    } rows[] = {
        {TEXT("https://Vault.Example:8443/a?b=c"), "vault.example", 8443, "/a", NULL},
        {TEXT("https://h"), "h", 443, "/", NULL},
        {TEXT("http://[::1]:80/"), "::1", 80, "/", NULL},
        {TEXT("ftp://h/"), NULL, 0, NULL, "url.scheme"},
        {TEXT("https://u:p@h/"), NULL, 0, NULL, "url.user"},
        {TEXT("https://h/#x"), NULL, 0, NULL, "url.fragment"},
        {TEXT("nothing"), NULL, 0, NULL, "url.form"},
        {TEXT("https://h:99999/"), NULL, 0, NULL, "url.form"},
        {TEXT("https:/h/"), NULL, 0, NULL, "url.form"},
        {TEXT("https:///h/"), NULL, 0, NULL, "url.form"},
        {TEXT("HTTPS://h/"), NULL, 0, NULL, "url.form"},
    };
    scoped_arena arena;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct url url;
        struct result result = url_parse(&arena, rows[i].url, &url);
        if (rows[i].want_host == NULL) {
            assert_why(result, RESULT_INVALID, rows[i].want_why);
            continue;
        }
        assert_ok(result);
        assert_text(url.host, rows[i].want_host);
        assert_int_equal(url.port, rows[i].want_port);
        assert_text(url.path, rows[i].want_path);
    }
    assert_true(url_host_is_loopback(TEXT("localhost")));
    assert_true(url_host_is_loopback(TEXT("127.9.9.9")));
    assert_false(url_host_is_loopback(TEXT("localhost.example")));
    assert_false(url_host_is_loopback(TEXT("128.0.0.1")));
    assert_true(url_equal_without_slash(TEXT("https://h/"), TEXT("https://h")));
    assert_false(url_equal_without_slash(TEXT("https://h//"), TEXT("https://h")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_decoding_is_strict),
        cmocka_unit_test(forms_have_one_value_per_name),
        cmocka_unit_test(targets_keep_empty_segments),
        cmocka_unit_test(targets_are_bounded),
        cmocka_unit_test(urls_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
