#include "party/draft/specification.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define GOOD_PARTS                                                                                           \
    "\"title\":\"t\",\"parties\":[\"a\",\"b\"],\"queriers\":[\"a\"],\"recipients\":[\"b\"],"                 \
    "\"datasets\":[{\"table\":\"x\",\"folder\":\"d/x\"},{\"table\":\"y\",\"manifest\":\"/"                   \
    "m\",\"policy\":\"p\"}]"

enum { NOW = 1000000000 };

static struct result read_text(struct arena *arena, const char *text, struct specification *out)
{
    return specification_read(arena, bytes_of_text(text_of(text)), "/base", NOW, out);
}

static void reads_what_people_write(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    struct specification read;
    struct result result = read_text(
        &arena,
        "{" GOOD_PARTS
        ",\"days\":3,\"queries\":[{\"name\":\"q\",\"sql\":\"SELECT 1\",\"max_rows\":5,\"parameters\":["
        "{\"name\":\"p\",\"type\":\"DATE\",\"min\":\"2001-01-01\"},{\"name\":\"s\",\"type\":\"VARCHAR\","
        "\"public\":false,"
        "\"values\":[\"a\",\"b\"]}]}]}",
        &read);
    assert_string_equal(result.why, "ok");
    assert_true(text_is(read.title, "t"));
    assert_int_equal(read.party_count, 2);
    assert_string_equal(read.datasets[0].manifest, "/base/d/x/manifest.json");
    assert_string_equal(read.datasets[0].policy, "/base/d/x/policy.json");
    assert_string_equal(read.datasets[1].manifest, "/m");
    assert_string_equal(read.datasets[1].policy, "/base/p");
    assert_int_equal(read.valid_from, NOW);
    assert_int_equal(read.valid_until, NOW + 3 * 86400);
    assert_int_equal(read.queries[0].max_rows, 5);
    assert_true(read.queries[0].parameters[0].is_public);
    assert_true(read.queries[0].parameters[0].has_min);
    assert_false(read.queries[0].parameters[0].has_max);
    assert_false(read.queries[0].parameters[1].is_public);
    assert_int_equal(read.queries[0].parameters[1].value_count, 2);
}

static void names_the_place_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want_why;
        const char *want_where;
    } rows[] = {
        {"[]", "spec.not_an_object", NULL},
        {"{", "json.syntax", NULL},
        {"{" GOOD_PARTS "}", "json.member.missing", "queries"},
        {"{" GOOD_PARTS ",\"queries\":[]}", "spec.count", "queries"},
        {"{" GOOD_PARTS ",\"queries\":[{\"name\":\"q\",\"sql\":\"x\",\"sql_file\":\"y\"}]}",
         "spec.query.sql_or_sql_file", "queries[0].sql"},
        {"{" GOOD_PARTS ",\"queries\":[{\"name\":\"q\",\"sql\":\"\"}]}", "spec.query.sql", "queries[0].sql"},
        {"{" GOOD_PARTS ",\"queries\":[{\"name\":\"q\",\"sql\":\"x\",\"seconds\":86401}]}",
         "json.member.out_of_range", "queries[0].seconds"},
        {"{" GOOD_PARTS
         ",\"queries\":[{\"name\":\"q\",\"sql\":\"x\",\"parameters\":[{\"name\":\"p\",\"type\":\"DATE\","
         "\"minimum\":\"1\"}]}]}",
         "json.member.unknown", "queries[0].parameters[0].minimum"},
        {"{" GOOD_PARTS
         ",\"queries\":[{\"name\":\"q\",\"sql\":\"x\",\"parameters\":[{\"name\":\"p\",\"type\":\"date\"}]}]}",
         "spec.type", "queries[0].parameters[0].type"},
        {"{" GOOD_PARTS ",\"queries\":[{\"name\":\"Q\",\"sql\":\"x\"}]}", "spec.name", "queries[0].name"},
        {"{" GOOD_PARTS
         ",\"queries\":[{\"name\":\"q\",\"sql\":\"x\"}],\"authorities\":[{\"party\":\"a\",\"file\":\"f\","
         "\"issuer\":\"i\"}]}",
         "spec.authority.file_or_members", "authorities[0].file"},
        {"{" GOOD_PARTS
         ",\"queries\":[{\"name\":\"q\",\"sql\":\"x\"}],\"authorities\":[{\"party\":\"a\",\"issuer\":\"i\","
         "\"keys\":[\"sha256:00\"],\"policy_hash\":\"\"}]}",
         "digest.form", "authorities[0].keys[0]"},
        {"{" GOOD_PARTS ",\"queries\":[{\"name\":\"q\",\"sql\":\"x\"}],\"days\":4000}",
         "json.member.out_of_range", "days"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        scoped_arena arena;
        arena_init(&arena, 16 * 1024 * 1024);
        struct specification read = {.party_count = 99};
        struct result result = read_text(&arena, rows[i].text, &read);
        assert_false(result_is_ok(result));
        assert_string_equal(result.why, rows[i].want_why);
        if (rows[i].want_where != NULL) {
            assert_non_null(result.where);
            assert_string_equal(result.where, rows[i].want_where);
        }
        assert_int_equal(read.party_count, 99);
    }
}

static void reads_sql_from_a_file(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    struct specification read;
    assert_string_equal(
        read_text(&arena, "{" GOOD_PARTS ",\"queries\":[{\"name\":\"q\",\"sql_file\":\"nowhere.sql\"}]}",
                  &read)
            .why,
        "file.not_found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_people_write),
        cmocka_unit_test(names_the_place_that_is_wrong),
        cmocka_unit_test(reads_sql_from_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
