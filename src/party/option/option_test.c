#include "party/option/option.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct option own[] = {
    {"out", 'o', "FILE", "where to write", false},
    {"param", 'p', "K=V", "a parameter", true},
    {"wait", 0, NULL, "wait for the answer", false},
    {0},
};
static const struct option common[] = {{"json", 0, NULL, "machine output", false}, {0}};
static const struct option *const tables[] = {common, own, NULL};

static struct result parse(char *const words[], struct options *out)
{
    int count = 0;
    while (words[count] != NULL) {
        count++;
    }
    return options_parse(tables, count, words, out);
}

static void reads_options_and_arguments(void **state)
{
    (void)state;
    struct options options;
    char *words[] = {"contract", "--out=a=b", "--param", "x=1",    "-p", "y=2",
                     "query",    "--json",    "--",      "--wait", "-",  NULL};
    assert_true(result_is_ok(parse(words, &options)));
    assert_string_equal(option_value(&options, "out"), "a=b");
    assert_string_equal(option_value_at(&options, "param", 0), "x=1");
    assert_string_equal(option_value_at(&options, "param", 1), "y=2");
    assert_null(option_value_at(&options, "param", 2));
    assert_true(option_given(&options, "json"));
    assert_false(option_given(&options, "wait"));
    assert_int_equal(options.argument_count, 4);
    assert_string_equal(options.arguments[0], "contract");
    assert_string_equal(options.arguments[1], "query");
    assert_string_equal(options.arguments[2], "--wait");
    assert_string_equal(options.arguments[3], "-");
}

static void refuses_what_the_table_does_not_say(void **state)
{
    (void)state;
    static const struct {
        char *words[5];
        const char *want_why;
        const char *want_where;
    } rows[] = {
        {{"--nope"}, "option.unknown", "--nope"},
        {{"--ou", "x"}, "option.unknown", "--ou"},
        {{"--outer=x"}, "option.unknown", "--outer=x"},
        {{"-x"}, "option.unknown", "-x"},
        {{"-ofile"}, "option.unknown", "-ofile"},
        {{"--out"}, "option.value_missing", "--out"},
        {{"-o"}, "option.value_missing", "-o"},
        {{"--wait=yes"}, "option.value_unexpected", "--wait=yes"},
        {{"--out", "a", "-o", "b"}, "option.repeated", "-o"},
        {{"--wait", "--wait"}, "option.repeated", "--wait"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct options options = {.argument_count = 77};
        struct result result = parse((char *const *)rows[i].words, &options);
        assert_int_equal(result.code, RESULT_INVALID);
        assert_string_equal(result.why, rows[i].want_why);
        assert_string_equal(result.where, rows[i].want_where);
        assert_int_equal(options.argument_count, 77);
    }
}

static void keeps_its_limits(void **state)
{
    (void)state;
    struct options options;
    char *words[OPTION_VALUES_MAX + 2] = {0};
    for (size_t i = 0; i <= OPTION_VALUES_MAX; i++) {
        words[i] = "--param=x";
    }
    assert_string_equal(parse(words, &options).why, "option.too_many");
    for (size_t i = 0; i <= OPTION_VALUES_MAX; i++) {
        words[i] = "x";
    }
    assert_string_equal(parse(words, &options).why, "option.too_many");
}

static void finds_the_closest_word(void **state)
{
    (void)state;
    static const char *const names[] = {"party", "contract", "run", "up", NULL};
    assert_string_equal(option_closest("contarct", names), "contract");
    assert_string_equal(option_closest("partys", names), "party");
    assert_string_equal(option_closest("rum", names), "run");
    assert_null(option_closest("xy", names));
    assert_null(option_closest("elephant", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_options_and_arguments),
        cmocka_unit_test(refuses_what_the_table_does_not_say),
        cmocka_unit_test(keeps_its_limits),
        cmocka_unit_test(finds_the_closest_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
