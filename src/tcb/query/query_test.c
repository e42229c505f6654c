#include "query/query_test_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* 200,000 rows in two parts: id, grp (7 values, one NULL), v (decimal), d (date), t (text). */
#define SOURCE                                                                                               \
    "{\"sql\":\"SELECT i AS id, CASE WHEN i % 7 < 6 THEN 'g' || (i % 7) END AS grp, "                        \
    "CAST(i * 0.01 AS DECIMAL(12,2)) AS v, DATE '2001-01-01' + CAST(i % 365 AS INTEGER) AS d, "              \
    "'a text longer than twelve ' || i AS t FROM range(200000) r(i)\"}"

struct world {
    struct harness_room room;
    struct harness_dataset dataset;
};

static int world_make(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    harness_dataset_make(&world->dataset, SOURCE, 120000);
    harness_room_start(&world->room);
    world->room.datasets[0] = &world->dataset;
    *state = world;
    return 0;
}

static int world_drop(void **state)
{
    struct world *world = *state;
    harness_room_stop(&world->room);
    harness_dataset_release(&world->dataset);
    free(world);
    return 0;
}

/* The request for `sql` over the table t. */
static char *request_text(struct world *world, const char *sql, const char *output, unsigned threads,
                          unsigned memory_mb, unsigned long max_rows, unsigned long max_bytes)
{
    char *text = NULL;
    int size = asprintf(
        &text,
        "{\"executed\":\"%s\",\"tables\":[{\"name\":\"t\",\"dataset\":0,\"parts\":[{\"size\":%zu,\"first\":0}"
        ","
        "{\"size\":%zu,\"first\":%llu}]}],\"output\":%s,\"threads\":%u,\"memory_mb\":%u,\"max_rows\":%lu,"
        "\"max_bytes\":%lu}",
        sql, world->dataset.parts[0].size, world->dataset.parts[1].size,
        (unsigned long long)harness_part_first(0, 1), output, threads, memory_mb, max_rows, max_bytes);
    assert_true(size > 0);
    return text;
}

static void run_sql(struct world *world, const char *sql, const char *output, unsigned threads,
                    unsigned memory_mb, unsigned long max_rows, unsigned long max_bytes,
                    struct harness_run *out)
{
    char *request = request_text(world, sql, output, threads, memory_mb, max_rows, max_bytes);
    harness_run(&world->room, request, 60000, out);
    free(request);
}

#define GROUPED "SELECT grp, count(*), sum(v), min(d), min(t) FROM t GROUP BY grp ORDER BY grp NULLS LAST"
#define GROUPED_OUTPUT                                                                                       \
    "[{\"name\":\"a\",\"type\":\"VARCHAR\"},{\"name\":\"b\",\"type\":\"BIGINT\"},"                           \
    "{\"name\":\"c\",\"type\":\"DECIMAL(38,2)\"},{\"name\":\"d\",\"type\":\"DATE\"},"                        \
    "{\"name\":\"e\",\"type\":\"VARCHAR\"}]"

static void run_gives_typed_cells_for_any_thread_count(void **state)
{
    struct world *world = *state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct harness_run run;
        run_sql(world, GROUPED, GROUPED_OUTPUT, threads, 512, 100, 1 << 20, &run);
        assert_int_equal(run.last, QUERY_FRAME_END);
        char *text = harness_cells_text(&run, 5);
        assert_string_equal(text, "g0|28572|2857157142|@11323|a text longer than twelve 0\n"
                                  "g1|28572|2857185714|@11323|a text longer than twelve 1\n"
                                  "g2|28572|2857214286|@11323|a text longer than twelve 100\n"
                                  "g3|28571|2857042858|@11323|a text longer than twelve 10\n"
                                  "g4|28571|2857071429|@11323|a text longer than twelve 10000\n"
                                  "g5|28571|2857100000|@11323|a text longer than twelve 100000\n"
                                  "NULL|28571|2857128571|@11323|a text longer than twelve 1000\n");
        free(text);
        buffer_release(&run.cells);
    }
}

#define ONE_NUMBER "[{\"name\":\"n\",\"type\":\"BIGINT\"}]"

static void every_failure_is_the_same(void **state)
{
    static const struct {
        const char *what;
        const char *sql;
        const char *output;
        unsigned long max_rows;
        unsigned long max_bytes;
    } cases[] = {
        {"syntax", "SELEKT 1", ONE_NUMBER, 10, 1000},
        {"two statements", "SELECT count(*) FROM t; SELECT count(*) FROM t", ONE_NUMBER, 10, 1000},
        {"unknown table", "SELECT count(*) FROM other", ONE_NUMBER, 10, 1000},
        {"conversion", "SELECT CAST(t AS BIGINT) FROM t LIMIT 1", ONE_NUMBER, 10, 1000},
        {"declared type", "SELECT CAST(1 AS INTEGER)", ONE_NUMBER, 10, 1000},
        {"declared decimal", "SELECT sum(v) FROM t", "[{\"name\":\"s\",\"type\":\"DECIMAL(38,3)\"}]", 10,
         1000},
        {"number of columns", "SELECT count(*), count(*) FROM t", ONE_NUMBER, 10, 1000},
        {"type that never leaves", "SELECT 1.5::DOUBLE", "[{\"name\":\"d\",\"type\":\"DOUBLE\"}]", 10, 1000},
        {"rows", "SELECT id FROM t LIMIT 11", ONE_NUMBER, 10, 1000},
        {"octets", "SELECT id FROM t LIMIT 59", ONE_NUMBER, 100, 1000},
        {"a file", "SELECT count(*) FROM read_text('/etc/passwd')", ONE_NUMBER, 10, 1000},
        {"a sealed file that is not there", "SELECT count(*) FROM read_parquet('/sealed/0/2')", ONE_NUMBER,
         10, 1000},
        {"listing files", "SELECT count(*) FROM glob('/*')", ONE_NUMBER, 10, 1000},
        {"writing", "COPY t TO '/sealed/0/9'", ONE_NUMBER, 10, 1000},
        {"attaching", "ATTACH '/tmp/x.db'", ONE_NUMBER, 10, 1000},
        {"an extension", "LOAD httpfs", ONE_NUMBER, 10, 1000},
        {"changing a setting", "SET memory_limit='100GB'", ONE_NUMBER, 10, 1000},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct harness_run run;
        run_sql(world, cases[i].sql, cases[i].output, 2, 512, cases[i].max_rows, cases[i].max_bytes, &run);
        if (run.last != QUERY_FRAME_FAILED || run.cells.size != 0 || run.status != 0) {
            fail_msg("%s: frame %d, %zu octets, status %d", cases[i].what, run.last, run.cells.size,
                     run.status);
        }
        buffer_release(&run.cells);
    }
}

static void limits_are_exact(void **state)
{
    struct world *world = *state;
    struct harness_run run;
    run_sql(world, "SELECT id FROM t LIMIT 58", ONE_NUMBER, 2, 512, 58, 58 * 17, &run);
    assert_int_equal(run.last, QUERY_FRAME_END);
    assert_int_equal(run.cells.size, 58 * 17);
    buffer_release(&run.cells);
    run_sql(world, "SELECT id FROM t", ONE_NUMBER, 2, 512, 200000, 200000 * 17, &run);
    assert_int_equal(run.last, QUERY_FRAME_END);
    assert_int_equal(run.cells.size, 200000 * 17);
    buffer_release(&run.cells);
}

static void only_the_columns_of_the_query_are_read(void **state)
{
    struct world *world = *state;
    struct harness_run run;
    run_sql(world, "SELECT count(grp) FROM t", ONE_NUMBER, 2, 512, 1, 100, &run);
    assert_int_equal(run.last, QUERY_FRAME_END);
    assert_true(world->room.octets_served <
                (world->dataset.parts[0].size + world->dataset.parts[1].size) / 3);
    buffer_release(&run.cells);
}

static void the_clock_stands_still(void **state)
{
    struct world *world = *state;
    struct harness_run run;
    run_sql(world, "SELECT epoch(now())::BIGINT", ONE_NUMBER, 1, 512, 1, 100, &run);
    assert_int_equal(run.last, QUERY_FRAME_END);
    char *text = harness_cells_text(&run, 1);
    assert_string_equal(text, "1000000000\n");
    free(text);
    buffer_release(&run.cells);
}

static void a_task_is_killed_at_its_deadline(void **state)
{
    struct world *world = *state;
    struct harness_run run;
    char *request = request_text(world, "SELECT count(*) FROM t a, t b, t c WHERE a.id * b.id + c.id = 12345",
                                 ONE_NUMBER, 2, 512, 1, 100);
    harness_run(&world->room, request, 700, &run);
    free(request);
    assert_int_equal(run.last, 0);
    assert_true(WIFSIGNALED(run.status));
    assert_int_equal(WTERMSIG(run.status), SIGKILL);
    buffer_release(&run.cells);
}

static void a_memory_bomb_fails_within_its_limit(void **state)
{
    static const char *const bombs[] = {
        "SELECT len(range(200000000))",
        "SELECT length(repeat('x', 2000000000))",
        "SELECT count(DISTINCT a.t || b.t) FROM t a JOIN t b ON a.grp = b.grp",
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        struct harness_run run;
        run_sql(world, bombs[i], ONE_NUMBER, 2, 400, 1, 100, &run);
        assert_int_not_equal(run.last, QUERY_FRAME_END);
        assert_int_equal(run.cells.size, 0);
        buffer_release(&run.cells);
    }
}

static void a_room_that_refuses_a_read_ends_the_run(void **state)
{
    struct world *world = *state;
    for (uint64_t refuse_from = 1; refuse_from <= 4; refuse_from++) {
        struct harness_run run;
        world->room.refuse_from = refuse_from;
        run_sql(world, GROUPED, GROUPED_OUTPUT, 2, 512, 100, 1 << 20, &run);
        world->room.refuse_from = 0;
        assert_int_equal(run.last, QUERY_FRAME_FAILED);
        buffer_release(&run.cells);
    }
}

static void thresholds_hold_on_data(void **state)
{
    /* Group a: 12 entities; b: 9 entities in 90 rows; c: 12 entities, of which 3 have a value. */
    static const char source[] = "{\"sql\":\"SELECT * FROM (SELECT 'a' AS g, i AS e, CAST(i AS INTEGER) AS v "
                                 "FROM range(12) r(i) UNION ALL "
                                 "SELECT 'b', i % 9, CAST(i AS INTEGER) FROM range(90) r(i) UNION ALL "
                                 "SELECT 'c', i, CASE WHEN i < 3 THEN 7 END FROM range(12) r(i))\"}";
    static const char vetted[] =
        "{\"tables\":[{\"name\":\"t\",\"columns\":[{\"name\":\"g\",\"type\":\"VARCHAR\"},{\"name\":\"e\","
        "\"type\":"
        "\"BIGINT\"},{\"name\":\"v\",\"type\":\"INTEGER\"}],\"entity\":\"e\",\"min_entities\":10}],"
        "\"sql\":\"%s\",\"parameters\":[]}";
    static const struct {
        const char *sql;
        size_t columns;
        const char *want;
    } cases[] = {
        {"SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g", 3, "a|12|66\nc|12|NULL\n"},
        {"SELECT count(*) AS n FROM t WHERE g = 'b'", 1, ""},
        {"SELECT count(*) AS n, sum(v) AS s FROM t", 2, "114|4092\n"},
        {"SELECT g, count(*) AS n FROM t GROUP BY g HAVING count(v) > 0", 2, "a|12\n"},
        {"SELECT g, sum(v * 2000000000) AS s FROM t GROUP BY g", 2, "a|NULL\nc|NULL\n"},
        {"SELECT t.g AS g, count(*) AS n FROM t JOIN t u ON t.g = u.g GROUP BY 1 ORDER BY n DESC, g DESC", 2,
         "c|144\na|144\n"},
    };
    struct world *world = *state;
    struct harness_dataset dataset;
    harness_dataset_make(&dataset, source, 1000);
    world->room.datasets[1] = &dataset;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096];
        struct harness_run run;
        scoped_json *completed = NULL;
        scoped_json *answer = NULL;
        snprintf(text, sizeof text, vetted, cases[i].sql);
        assert_int_equal(harness_complete(text, &completed), QUERY_FRAME_ACCEPTED);
        snprintf(text, sizeof text, vetted, json_string_value(json_object_get(completed, "sql")));
        if (harness_vet(&world->room, text, &answer) != QUERY_FRAME_ACCEPTED) {
            fail_msg("%s: %s", cases[i].sql, json_string_value(json_object_get(answer, "message")));
        }
        scoped_json *request =
            json_pack("{s:O,s:[{s:s,s:i,s:[{s:I,s:I}]}],s:O,s:i,s:i,s:i,s:i}", "executed",
                      json_object_get(answer, "executed"), "tables", "name", "t", "dataset", 1, "parts",
                      "size", (json_int_t)dataset.parts[0].size, "first",
                      (json_int_t)harness_part_first(1, 0), "output", json_object_get(answer, "output"),
                      "threads", 2, "memory_mb", 512, "max_rows", 10, "max_bytes", 10000);
        char *run_text = json_dumps(request, 0);
        harness_run(&world->room, run_text, 20000, &run);
        free(run_text);
        assert_int_equal(run.last, QUERY_FRAME_END);
        char *cells = harness_cells_text(&run, cases[i].columns);
        assert_string_equal(cells, cases[i].want);
        free(cells);
        buffer_release(&run.cells);
    }
    world->room.datasets[1] = NULL;
    harness_dataset_release(&dataset);
}

static void requests_that_make_no_sense_are_refused(void **state)
{
    static const char *const requests[] = {
        "",
        "[]",
        "{}",
        "{\"tables\":[],\"sql\":\"SELECT 1\",\"parameters\":[]}",
        "{\"tables\":[{\"name\":\"t\",\"columns\":[{\"name\":\"a\",\"type\":\"INTEGER); "
        "DROP\"}],\"entity\":null,"
        "\"min_entities\":null}],\"sql\":\"SELECT 1\",\"parameters\":[]}",
        "{\"tables\":[{\"name\":\"t\",\"columns\":[{\"name\":\"a\",\"type\":\"INTEGER\"}],\"entity\":\"b\","
        "\"min_entities\":10}],\"sql\":\"SELECT 1\",\"parameters\":[]}",
        "{\"tables\":[{\"name\":\"t\",\"columns\":[{\"name\":\"a\",\"type\":\"INTEGER\"}],\"entity\":null,"
        "\"min_entities\":10}],\"sql\":\"SELECT 1\",\"parameters\":[]}",
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        scoped_json *answer = NULL;
        struct harness_run run;
        assert_int_equal(harness_vet(&world->room, requests[i], &answer), QUERY_FRAME_REFUSED);
        assert_string_equal(json_string_value(json_object_get(answer, "code")), "vet.internal");
        harness_run(&world->room, requests[i], 20000, &run);
        assert_int_equal(run.last, QUERY_FRAME_FAILED);
        buffer_release(&run.cells);
    }
}

static void tasks_die_with_the_room(void **state)
{
    (void)state;
    struct spawner spawner;
    int stream[2];
    pid_t pid = 0;
    assert_true(result_is_ok(spawner_start(getenv("TRUCE_QUERY"), &spawner)));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
    struct spawner_descriptors given = {.stream = stream[1]};
    assert_true(result_is_ok(spawner_spawn(&spawner, SPAWNER_VET, &given, &pid)));
    close(stream[1]);
    assert_int_equal(kill(pid, 0), 0);
    spawner_close(&spawner);
    char octet;
    assert_int_equal(recv(stream[0], &octet, 1, 0), 0); /* its end of the stream is gone */
    close(stream[0]);
    struct spawner none;
    assert_string_equal(spawner_start("/nonexistent", &none).why, "child.program");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_gives_typed_cells_for_any_thread_count),
        cmocka_unit_test(every_failure_is_the_same),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(only_the_columns_of_the_query_are_read),
        cmocka_unit_test(the_clock_stands_still),
        cmocka_unit_test(a_task_is_killed_at_its_deadline),
        cmocka_unit_test(a_room_that_refuses_a_read_ends_the_run),
        cmocka_unit_test(thresholds_hold_on_data),
        cmocka_unit_test(requests_that_make_no_sense_are_refused),
        cmocka_unit_test(tasks_die_with_the_room),
        cmocka_unit_test(a_memory_bomb_fails_within_its_limit),
    };
    /* A sanitizer's build has no limit on its address space; the other builds run the last one. */
    size_t count = sizeof tests / sizeof *tests - (getenv("TRUCE_QUERY_UNBOUNDED") != NULL ? 1 : 0);
    return _cmocka_run_group_tests("query", tests, count, world_make, world_drop);
}
