/* The limits of a request to vet. The engine is that of the fuzz target: it answers nothing. */
#include "query/vet_fuzz.c"

#include "crypto/test_support.h"

static json_t *request_of(size_t tables, size_t columns, size_t parameters)
{
    json_t *request = json_pack("{s:s, s:[], s:[]}", "sql", "SELECT 1", "tables", "parameters");
    char name[32];
    for (size_t i = 0; i < tables; i++) {
        snprintf(name, sizeof name, "t%zu", i);
        json_t *table = json_pack("{s:s, s:[]}", "name", name, "columns");
        for (size_t j = 0; j < columns; j++) {
            snprintf(name, sizeof name, "c%zu", j);
            assert_ok(json_add(json_object_get(table, "columns"),
                               json_pack("{s:s, s:s}", "name", name, "type", "BIGINT")));
        }
        assert_ok(json_add(json_object_get(request, "tables"), table));
    }
    for (size_t i = 0; i < parameters; i++) {
        snprintf(name, sizeof name, "p%zu", i);
        assert_ok(json_add(json_object_get(request, "parameters"),
                           json_pack("{s:s, s:s}", "name", name, "type", "DATE")));
    }
    return request;
}

static void requests_have_limits(void **state)
{
    (void)state;
    static const struct {
        size_t tables, columns, parameters;
        const char *want_why;
    } rows[] = {
        {VET_TABLES_MAX, 1, VET_PARAMETERS_MAX, "ok"},
        {1, VET_COLUMNS_MAX, 0, "ok"},
        {VET_TABLES_MAX + 1, 1, 0, "vet.request.tables"},
        {0, 1, 0, "vet.request.tables"},
        {1, VET_COLUMNS_MAX + 1, 0, "vet.request.columns"},
        {1, 0, 0, "vet.request.columns"},
        {1, 1, VET_PARAMETERS_MAX + 1, "vet.request.parameters"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_arena arena;
        arena_init(&arena, ARENA_BYTES_MAX);
        struct vet *vet = NULL;
        assert_ok(ARENA_NEW(&arena, struct vet, &vet));
        *vet = (struct vet){.arena = &arena, .offset = -1};
        scoped_json *request = request_of(rows[i].tables, rows[i].columns, rows[i].parameters);
        assert_string_equal(request_read(vet, request).why, rows[i].want_why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests_have_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
