#include "party/seal_engine/seal_engine.h"
#include "query/query_test_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

static uint8_t ask(struct harness_party *party, const char *request, struct buffer *data, json_t **out)
{
    return harness_party_ask(party, request, data, out);
}

static void open_sql(struct harness_party *party, const char *sql, uint8_t want_kind, json_t **out)
{
    scoped_json *request = json_pack("{s:s,s:{s:s}}", "op", "open", "source", "sql", sql);
    char *text = json_dumps(request, 0);
    assert_int_equal(ask(party, text, NULL, out), want_kind);
    free(text);
}

static void types_become_those_that_can_be_sealed(void **state)
{
    static const struct {
        const char *expression;
        const char *want;
    } cases[] = {
        {"true", "BOOLEAN"},
        {"1::TINYINT", "TINYINT"},
        {"1::UBIGINT", "UBIGINT"},
        {"1.5::FLOAT", "FLOAT"},
        {"sum(1)", "DECIMAL(38,0)"},
        {"'a'::ENUM('a','b')", "VARCHAR"},
        {"TIMESTAMP '2001-01-01'", "TIMESTAMP"},
        {"'2001-01-01'::TIMESTAMP_S", "TIMESTAMP"},
        {"'2001-01-01'::TIMESTAMP_NS", "TIMESTAMP"},
        {"DATE '2001-01-01'", "DATE"},
        {"TIME '01:02:03'", "TIME"},
        {"1.25::DECIMAL(7,3)", "DECIMAL(7,3)"},
        {"'ab'::BLOB", "BLOB"},
        {"'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::UUID", "UUID"},
        {"'7'::JSON", "VARCHAR"},
        {"[1]", NULL},
        {"{'a': 1}", NULL},
        {"MAP {1: 2}", NULL},
        {"INTERVAL 1 DAY", NULL},
        {"now()", NULL},
        {"NULL", "INTEGER"},
        {"1::UHUGEINT", NULL},
    };
    (void)state;
    struct harness_party party;
    harness_party_start(&party);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[256];
        scoped_json *answer = NULL;
        bool refused = cases[i].want == NULL;
        snprintf(sql, sizeof sql, "SELECT %s AS the_column;  ", cases[i].expression);
        open_sql(&party, sql, refused ? SEAL_ENGINE_FRAME_REFUSED : SEAL_ENGINE_FRAME_SCHEMA, &answer);
        if (refused) {
            assert_non_null(strstr(json_string_value(json_object_get(answer, "message")), "\"the_column\""));
        } else {
            json_t *column = json_array_get(json_object_get(answer, "columns"), 0);
            assert_string_equal(json_string_value(json_object_get(column, "type")), cases[i].want);
        }
    }
    harness_party_stop(&party);
}

static void parts_keep_the_order_and_hash_as_checked(void **state)
{
    (void)state;
    struct harness_party party;
    harness_party_start(&party);
    scoped_json *schema = NULL;
    open_sql(&party, "SELECT i AS id, 'row ' || i AS t FROM range(300000) r(i) ORDER BY i * 7919 % 300007",
             SEAL_ENGINE_FRAME_SCHEMA, &schema);
    const char *hashes[4] = {0};
    json_t *answers[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        static const char *const requests[] = {
            "{\"op\":\"check\",\"first\":100000,\"count\":100000}",
            ("{\"op\":\"part\",\"first\":100000,\"count\":100000,\"row_group_rows\":20480,\"compression\":"
             "\"zstd\"}"),
            "{\"op\":\"check\",\"first\":100001,\"count\":100000}",
            "{\"op\":\"check\",\"first\":100000,\"count\":100000}",
        };
        scoped_buffer data;
        buffer_init(&data, 64 << 20);
        assert_int_equal(ask(&party, requests[i], &data, &answers[i]), SEAL_ENGINE_FRAME_END);
        hashes[i] = json_string_value(json_object_get(answers[i], "hash"));
        assert_int_equal(json_integer_value(json_object_get(answers[i], "rows")), 100000);
        if (i == 1) {
            assert_memory_equal(data.data, "PAR1", 4);
            assert_memory_equal(data.data + data.size - 4, "PAR1", 4);
            assert_int_equal(json_integer_value(json_object_get(answers[i], "size")), data.size);
        } else {
            assert_int_equal(data.size, 0);
        }
    }
    assert_string_equal(hashes[0], hashes[1]);
    assert_string_equal(hashes[0], hashes[3]);
    assert_string_not_equal(hashes[0], hashes[2]);
    for (size_t i = 0; i < 4; i++) {
        json_decref(answers[i]);
    }
    harness_party_stop(&party);
}

/* The same rows in another order have another hash. */
static void the_hash_sees_the_order(void **state)
{
    (void)state;
    struct harness_party party;
    char hashes[2][32];
    harness_party_start(&party);
    for (size_t i = 0; i < 2; i++) {
        scoped_json *schema = NULL;
        scoped_json *answer = NULL;
        open_sql(&party,
                 i == 0 ? "SELECT * FROM (VALUES (1), (2)) v(x)" : "SELECT * FROM (VALUES (2), (1)) v(x)",
                 SEAL_ENGINE_FRAME_SCHEMA, &schema);
        ask(&party, "{\"op\":\"check\",\"first\":0,\"count\":2}", NULL, &answer);
        snprintf(hashes[i], sizeof hashes[i], "%s", json_string_value(json_object_get(answer, "hash")));
    }
    assert_string_not_equal(hashes[0], hashes[1]);
    harness_party_stop(&party);
}

static void files_of_each_format_are_read(void **state)
{
    static const struct {
        const char *format;
        const char *content;
    } cases[] = {
        {"csv", "a,b\n1,x\n2,y\n"},
        {"json", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n"},
    };
    (void)state;
    char folder[] = "/tmp/unsealed-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];
        char request[512];
        struct harness_party party;
        scoped_json *answer = NULL;
        scoped_json *want = json_pack("{s:[{s:s,s:s},{s:s,s:s}],s:i}", "columns", "name", "a", "type",
                                      "BIGINT", "name", "b", "type", "VARCHAR", "rows", 2);
        snprintf(path, sizeof path, "%s/it's.%s", folder, cases[i].format);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(cases[i].content, file);
        fclose(file);
        snprintf(request, sizeof request,
                 "{\"op\":\"open\",\"source\":{\"files\":[\"%s\"],\"format\":\"%s\"}}", path,
                 cases[i].format);
        harness_party_start(&party);
        assert_int_equal(ask(&party, request, NULL, &answer), SEAL_ENGINE_FRAME_SCHEMA);
        assert_true(json_equal(answer, want));
        harness_party_stop(&party);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0); /* nothing else was written */
}

/* The hash of some rows of what is open. */
static void check_rows(struct harness_party *party, size_t first, size_t count, char out_hash[32])
{
    char request[128];
    scoped_json *answer = NULL;
    snprintf(request, sizeof request, "{\"op\":\"check\",\"first\":%zu,\"count\":%zu}", first, count);
    assert_int_equal(ask(party, request, NULL, &answer), SEAL_ENGINE_FRAME_END);
    assert_int_equal(json_integer_value(json_object_get(answer, "rows")), count);
    snprintf(out_hash, 32, "%s", json_string_value(json_object_get(answer, "hash")));
}

/* What the engine writes of the open source goes to a file. */
static void write_part(struct harness_party *party, const char *path, size_t first, size_t count)
{
    char request[160];
    scoped_json *answer = NULL;
    scoped_buffer data;
    buffer_init(&data, 64 << 20);
    snprintf(
        request, sizeof request,
        "{\"op\":\"part\",\"first\":%zu,\"count\":%zu,\"row_group_rows\":2048,\"compression\":\"snappy\"}",
        first, count);
    assert_int_equal(ask(party, request, &data, &answer), SEAL_ENGINE_FRAME_END);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data.data, 1, data.size, file), data.size);
    fclose(file);
}

/* A range of rows of several Parquet files is that of the rows one after the other, also where a file is
 * empty, where a range begins and ends within files, and where columns hide the places that the engine knows.
 */
static void parquet_files_are_read_by_place(void **state)
{
    static const char *const sources[] = {
        "SELECT i AS id, 'row ' || i AS t FROM range(30000) r(i) ORDER BY i * 7919 % 30011",
        "SELECT i AS File_Index, 'row ' || i AS t FROM range(30000) r(i) ORDER BY i * 7919 % 30011",
    };
    static const size_t ends[] = {0, 9000, 9000, 9001, 30000};
    static const struct {
        size_t first;
        size_t count;
    } ranges[] = {{0, 30000}, {0, 9000}, {8999, 3}, {9000, 1}, {5000, 20000}, {29999, 1}, {30000, 0}};
    (void)state;
    char folder[] = "/tmp/unsealed-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (size_t k = 0; k < sizeof sources / sizeof *sources; k++) {
        struct harness_party party;
        scoped_json *schema = NULL;
        scoped_json *answer = NULL;
        char paths[4][64];
        char request[512];
        char want[sizeof ranges / sizeof *ranges][32];
        harness_party_start(&party);
        open_sql(&party, sources[k], SEAL_ENGINE_FRAME_SCHEMA, &schema);
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
            check_rows(&party, ranges[i].first, ranges[i].count, want[i]);
        }
        for (size_t i = 0; i < 4; i++) {
            snprintf(paths[i], sizeof paths[i], "%s/%zu.parquet", folder, i);
            write_part(&party, paths[i], ends[i], ends[i + 1] - ends[i]);
        }
        snprintf(
            request, sizeof request,
            "{\"op\":\"open\",\"source\":{\"files\":[\"%s\",\"%s\",\"%s\",\"%s\"],\"format\":\"parquet\"}}",
            paths[0], paths[1], paths[2], paths[3]);
        assert_int_equal(ask(&party, request, NULL, &answer), SEAL_ENGINE_FRAME_SCHEMA);
        assert_int_equal(json_integer_value(json_object_get(answer, "rows")), 30000);
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
            char hash[32];
            check_rows(&party, ranges[i].first, ranges[i].count, hash);
            assert_string_equal(hash, want[i]);
        }
        harness_party_stop(&party);
        for (size_t i = 0; i < 4; i++) {
            unlink(paths[i]);
        }
    }
    assert_int_equal(rmdir(folder), 0);
}

static void mistakes_are_told(void **state)
{
    static const struct {
        const char *request;
        const char *want_why;
        const char *want_in_message;
    } cases[] = {
        {"{\"op\":\"part\",\"first\":0,\"count\":1}", "seal_engine.not_open", ""},
        {"{\"op\":\"dance\"}", "seal_engine.op", ""},
        {"not JSON", "json.syntax", ""},
        {"{\"op\":\"open\",\"source\":{\"files\":[],\"format\":\"csv\"}}", "seal_engine.files.none", ""},
        {"{\"op\":\"open\",\"source\":{\"files\":[\"x\"],\"format\":\"xls\"}}", "seal_engine.format", ""},
        {"{\"op\":\"open\",\"source\":{\"files\":[\"/nonexistent.parquet\"],\"format\":\"parquet\"}}",
         "seal_engine.source", "nonexistent"},
        {"{\"op\":\"open\",\"source\":{\"sql\":\"SELECT x\"}}", "seal_engine.source", "\"x\" was not found"},
        {"{\"op\":\"open\",\"source\":{\"sql\":\"SELECT 1 AS a; SELECT 2 AS b\"}}", "seal_engine.source", ""},
        {"{\"op\":\"open\",\"source\":{\"sql\":\"SELECT CAST('abc' AS INTEGER) AS a FROM range(3)\"}}",
         "seal_engine.statement", "abc"},
        {"{\"op\":\"open\",\"source\":{\"sql\":\"SELECT * FROM 'https://localhost/x.parquet'\"}}",
         "seal_engine.source", ""},
    };
    (void)state;
    struct harness_party party;
    harness_party_start(&party);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scoped_json *answer = NULL;
        assert_int_equal(ask(&party, cases[i].request, NULL, &answer), SEAL_ENGINE_FRAME_REFUSED);
        assert_string_equal(json_string_value(json_object_get(answer, "why")), cases[i].want_why);
        assert_non_null(
            strstr(json_string_value(json_object_get(answer, "message")), cases[i].want_in_message));
    }
    harness_party_stop(&party);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_become_those_that_can_be_sealed),
        cmocka_unit_test(parts_keep_the_order_and_hash_as_checked),
        cmocka_unit_test(the_hash_sees_the_order),
        cmocka_unit_test(files_of_each_format_are_read),
        cmocka_unit_test(parquet_files_are_read_by_place),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
