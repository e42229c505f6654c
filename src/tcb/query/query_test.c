#include "query/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/wait.h>

/* 200,000 rows in two parts: id, grp (7 values, one NULL), v (decimal), d (date), t (text). */
#define SOURCE                                                                                     \
    "{\"sql\":\"SELECT i AS id, CASE WHEN i % 7 < 6 THEN 'g' || (i % 7) END AS grp, "               \
    "CAST(i * 0.01 AS DECIMAL(12,2)) AS v, DATE '2001-01-01' + CAST(i % 365 AS INTEGER) AS d, "     \
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
    int size = asprintf(&text,
                        "{\"executed\":\"%s\",\"tables\":[{\"name\":\"t\",\"dataset\":0,\"parts\":[{\"size\":%zu},"
                        "{\"size\":%zu}]}],\"output\":%s,\"threads\":%u,\"memory_mb\":%u,\"max_rows\":%lu,"
                        "\"max_bytes\":%lu}",
                        sql, world->dataset.parts[0].size, world->dataset.parts[1].size, output, threads,
                        memory_mb, max_rows, max_bytes);
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

#define GROUPED                                                                                    \
    "SELECT grp, count(*), sum(v), min(d), min(t) FROM t GROUP BY grp ORDER BY grp NULLS LAST"
#define GROUPED_OUTPUT                                                                             \
    "[{\"name\":\"a\",\"type\":\"VARCHAR\"},{\"name\":\"b\",\"type\":\"BIGINT\"},"                   \
    "{\"name\":\"c\",\"type\":\"DECIMAL(38,2)\"},{\"name\":\"d\",\"type\":\"DATE\"},"                 \
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_gives_typed_cells_for_any_thread_count),
    };
    return cmocka_run_group_tests(tests, world_make, world_drop);
}
