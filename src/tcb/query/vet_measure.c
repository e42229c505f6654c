/* What a sum or a count may be made of where entities are protected.
 *
 * The rewrite counts the entities whose rows do not give NULL. A measure that gives 0, or one of two values,
 * for everybody but one would pass that count and tell about the one. So a row that does not contribute must
 * give NULL: no ELSE, no COALESCE, no truth value taken for a number, no second WHEN, and no step function
 * (division, remainder, rounding) from which such a value can be computed. */
#include "query/vet_parts.h"

#include <stdio.h>

static const char of_sum[] = " + - * nullif ";
static const char of_count[] =
    " lower upper trim substring || length nullif date_trunc date_part year month day ";

static bool is_allowed(const json_t *expression, bool is_sum)
{
    const json_t *child = json_object_get(expression, "child");
    char name[32];
    if (ast_is(expression, "class", "FUNCTION")) { /* one of the whole list, or the walk had refused it */
        snprintf(name, sizeof name, " %s ", ast_member(expression, "function_name"));
        /* The engine refuses an aggregate within another. */
        return ast_is_aggregate(expression) || strstr(is_sum ? of_sum : of_count, name) != NULL;
    }
    if (ast_is(expression, "class", "CAST")) { /* it may round, so not of arithmetic */
        return ast_is_column(child) || ast_is(child, "class", "CONSTANT") ||
               (!is_sum && ast_is(child, "class", "FUNCTION"));
    }
    if (ast_is(expression, "class", "CASE")) {
        child = json_object_get(json_object_get(expression, "else_expr"), "value");
        return json_array_size(json_object_get(expression, "case_checks")) == 1 &&
               json_is_true(json_object_get(child, "is_null"));
    }
    return ast_is_column(expression) || ast_is(expression, "class", "CONSTANT") ||
           ast_is(expression, "type", "OPERATOR_TRY");
}

static fallible measure_check(void *self, json_t *expression, json_t **out_replacement)
{
    (void)out_replacement;
    struct vet *vet = self;
    if (!is_allowed(expression, vet->in_sum)) {
        return vet_refuse(vet, "column.aggregate", expression,
                          "rows that do not count must give NULL: no ELSE, truth value, division, rounding");
    }
    if (ast_is(expression, "class", "CASE")) { /* the condition is free */
        expression = json_array_get(json_object_get(expression, "case_checks"), 0);
        return ast_visit(expression, "then_expr", &(struct ast_visitor){vet, measure_check});
    }
    return ast_children(expression, &(struct ast_visitor){vet, measure_check});
}

fallible vet_measure(struct vet *vet, json_t *aggregate)
{
    vet->in_sum = ast_is(aggregate, "function_name", "sum");
    return ast_visit(aggregate, "children", &(struct ast_visitor){vet, measure_check});
}
