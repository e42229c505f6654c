#include "column/column_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct column_type type_of(const char *name)
{
    struct column_type type;
    assert_true(result_is_ok(column_type_parse(text_of(name), &type)));
    return type;
}

static void a_type_holds_only_what_always_fits(void **state)
{
    static const struct {
        const char *type;
        const char *other;
        bool want;
    } cases[] = {
        {"VARCHAR", "DOUBLE", true},
        {"VARCHAR", "UUID", true},
        {"SMALLINT", "TINYINT", true},
        {"SMALLINT", "UTINYINT", true},
        {"TINYINT", "UTINYINT", false},
        {"TINYINT", "SMALLINT", false},
        {"UBIGINT", "TINYINT", false},
        {"UBIGINT", "UINTEGER", true},
        {"BIGINT", "UBIGINT", false},
        {"HUGEINT", "UBIGINT", true},
        {"TINYINT", "BOOLEAN", true},
        {"BOOLEAN", "TINYINT", false},
        {"INTEGER", "DATE", false},
        {"INTEGER", "VARCHAR", false},
        {"INTEGER", "DOUBLE", false},
        {"INTEGER", "DECIMAL(4,0)", false},
        {"DATE", "TIMESTAMP", false},
        {"DATE", "VARCHAR", false},
        {"DOUBLE", "FLOAT", true},
        {"DOUBLE", "HUGEINT", true},
        {"DOUBLE", "DECIMAL(38,10)", true},
        {"DOUBLE", "VARCHAR", false},
        {"DOUBLE", "DATE", false},
        {"FLOAT", "INTEGER", false},
        {"DECIMAL(3,0)", "TINYINT", true},
        {"DECIMAL(2,0)", "TINYINT", false},
        {"DECIMAL(12,2)", "INTEGER", true},
        {"DECIMAL(11,2)", "INTEGER", false},
        {"DECIMAL(18,0)", "BIGINT", false},
        {"DECIMAL(19,0)", "BIGINT", true},
        {"DECIMAL(19,0)", "UBIGINT", false},
        {"DECIMAL(20,0)", "UBIGINT", true},
        {"DECIMAL(38,0)", "HUGEINT", false},
        {"DECIMAL(12,2)", "DECIMAL(11,1)", true},
        {"DECIMAL(12,2)", "DECIMAL(12,1)", false},
        {"DECIMAL(12,2)", "DECIMAL(5,3)", false},
        {"DECIMAL(12,2)", "DECIMAL(2,2)", true},
        {"DECIMAL(12,2)", "FLOAT", false},
        {"DECIMAL(12,2)", "VARCHAR", false},
        {"DECIMAL(12,2)", "DATE", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (column_type_holds(type_of(cases[i].type), type_of(cases[i].other)) != cases[i].want) {
            fail_msg("%s, %s", cases[i].type, cases[i].other);
        }
    }
    assert_false(column_type_holds((struct column_type){0}, type_of("TINYINT")));
    assert_false(column_type_holds(type_of("BIGINT"), (struct column_type){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_type_holds_only_what_always_fits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
