/* Which columns are read: derived twice, once from the rewritten tree by our own names, once from the plan
 * that the engine bound from the rewritten text. Both must give the same sets. The plan also shows what no
 * tree can: the engine's own conversions and the types of aggregates. */
#include "column/column_type.h"
#include "query/vet_parts.h"

/* ---- From the tree ---- */

struct tree {
    struct vet *vet;
    struct vet_scope scope;
};

/* A reference of a core names a table of its FROM and one of that table's columns, as they are spelled there:
 * nothing is left to be resolved. */
static fallible tree_mark(void *self, json_t *expression, json_t **out_replacement)
{
    (void)out_replacement;
    struct tree *tree = self;
    if (!ast_is_column(expression)) {
        return ast_children(expression, &(struct ast_visitor){tree, tree_mark});
    }
    json_t *names = json_object_get(expression, "column_names");
    const char *alias = json_string_value(json_array_get(names, 0));
    const char *name = json_string_value(json_array_get(names, json_array_size(names) - 1));
    for (size_t i = 0; json_array_size(names) == 2 && i < tree->scope.count; i++) {
        struct vet_column *column = vet_column_find(tree->scope.items[i].table, text_of(name));
        if (text_is(tree->scope.items[i].alias, alias) && column != NULL && text_is(column->name, name)) {
            column->read = true;
            return OK;
        }
    }
    return vet_refuse(tree->vet, "name.column", NULL, "\"%s\" in a WITH query is not TABLE.COLUMN", name);
}

static fallible tree_read(struct vet *vet, json_t *node)
{
    json_t *core;
    for (size_t i = 0; (core = ast_core(node, i)) != NULL; i++) {
        struct tree tree = {.vet = vet};
        TRY(vet_scope_add(vet, json_object_get(core, "from_table"), &tree.scope));
        TRY(ast_visit_select(core, &(struct ast_visitor){&tree, tree_mark}));
        for (size_t j = 0; j < tree.scope.count; j++) {
            tree.scope.items[j].table->used = true;
        }
    }
    return OK;
}

/* ---- From the plan ---- */

static bool operator_is_allowed(const char *name)
{
    static const char *const names[] = {
        "LOGICAL_GET",
        "LOGICAL_PROJECTION",
        "LOGICAL_FILTER",
        "LOGICAL_AGGREGATE_AND_GROUP_BY",
        "LOGICAL_ANY_JOIN",
        "LOGICAL_CTE_REF",
        "LOGICAL_MATERIALIZED_CTE",
        "LOGICAL_COMPARISON_JOIN",
        "LOGICAL_LIMIT",
        "LOGICAL_ORDER_BY",
        "LOGICAL_DISTINCT",
        "LOGICAL_CROSS_PRODUCT",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static fallible plan_scan(struct vet *vet, json_t *get)
{
    json_t *data = json_object_get(get, "function_data");
    struct vet_table *table = vet_table_find(vet, text_of(ast_member(data, "table")));
    json_t *names = json_object_get(get, "names");
    size_t index;
    json_t *column;
    REQUIRE(table != NULL && ast_is(get, "name", "seq_scan"), INTERNAL, "vet.lineage.scan");
    json_array_foreach (json_object_get(get, "column_indexes"), index, column) {
        json_t *number = json_object_get(column, "index");
        if (!json_is_integer(number)) {
            continue; /* the row's number, which count(*) asks for: no column */
        }
        const char *name = json_string_value(json_array_get(names, (size_t)json_integer_value(number)));
        struct vet_column *scanned = vet_column_find(table, text_of(name == NULL ? "" : name));
        REQUIRE(scanned != NULL, INTERNAL, "vet.lineage.scan_column");
        scanned->scanned = true;
    }
    return OK;
}

static int64_t decimal_member(const json_t *type, const char *member)
{
    return json_integer_value(json_object_get(json_object_get(type, "type_info"), member));
}

/* The type of a bound type's node; no kind where it is not one of ours. */
static struct column_type type_of(const json_t *node)
{
    struct column_type type = {.kind = COLUMN_NONE};
    if (ast_is(node, "id", "DECIMAL")) {
        return (struct column_type){COLUMN_DECIMAL, (uint8_t)decimal_member(node, "width"),
                                    (uint8_t)decimal_member(node, "scale")};
    }
    (void)!result_is_ok(column_type_parse(text_of(ast_member(node, "id")), &type));
    return type;
}

static const json_t *bound_type(const json_t *expression)
{
    const json_t *type = json_object_get(expression, "return_type");
    if (type == NULL) {
        type = json_object_get(json_object_get(expression, "value"), "type");
    }
    return type;
}

/* Whether a bound expression looks at a row at all: a constant that cannot be converted tells nothing about
 * one. */
static bool reads_rows(const json_t *value)
{
    const char *name;
    size_t index;
    json_t *member;
    if (ast_is(value, "expression_class", "BOUND_REF") ||
        ast_is(value, "expression_class", "BOUND_AGGREGATE")) {
        return true;
    }
    json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
        if (reads_rows(member)) {
            return true;
        }
    }
    json_array_foreach (value, index, member) {
        if (reads_rows(member)) {
            return true;
        }
    }
    return false;
}

static fallible plan_cast(struct vet *vet, const json_t *cast)
{
    const json_t *child = json_object_get(cast, "child");
    const json_t *from = bound_type(child);
    const json_t *to = json_object_get(cast, "return_type");
    bool logic = from == NULL; /* comparisons and conjunctions carry no type: they are BOOLEAN */
    if (json_is_true(json_object_get(cast, "try_cast")) || logic || !reads_rows(child) ||
        json_equal(from, to) || ast_is(from, "id", "NULL") || column_type_holds(type_of(to), type_of(from))) {
        return OK;
    }
    return vet_refuse(vet, "column.cast", NULL,
                      "the query compares or combines %s with %s, a conversion that may fail: write the CAST",
                      ast_member(from, "id"), ast_member(to, "id"));
}

/* Where in the plan a node stands. */
struct plan_place {
    bool inside_try;
    bool inside_core; /* reads tables, not released rows */
};

enum { SUM_DIGITS_MAX = 28 }; /* ten thousand million rows of these still fit 38 digits */

static fallible plan_aggregate(struct vet *vet, const json_t *aggregate, struct plan_place place)
{
    const json_t *type = json_object_get(aggregate, "return_type");
    const json_t *argument = bound_type(json_array_get(json_object_get(aggregate, "children"), 0));
    if (!ast_is(aggregate, "name", "sum")) {
        return OK;
    }
    if (ast_is(type, "id", "DOUBLE") || ast_is(type, "id", "FLOAT")) {
        return vet_refuse(
            vet, "column.aggregate", NULL,
            "a sum of floating-point numbers depends on their order: cast to a DECIMAL within the sum");
    }
    if (place.inside_core &&
        (ast_is(argument, "id", "HUGEINT") ||
         (ast_is(argument, "id", "DECIMAL") && decimal_member(argument, "width") > SUM_DIGITS_MAX))) {
        return vet_refuse(
            vet, "column.aggregate", NULL,
            "a sum of numbers of more than %d digits may overflow: cast to DECIMAL(%d,s) within the sum",
            SUM_DIGITS_MAX, SUM_DIGITS_MAX);
    }
    return OK;
}

static fallible plan_node(struct vet *vet, json_t *node, struct plan_place place)
{
    const char *type = ast_member(node, "type");
    REQUIRE(strncmp(type, "LOGICAL_", 8) != 0 || operator_is_allowed(type), DENIED, "vet.lineage.operator");
    if (strcmp(type, "LOGICAL_GET") == 0) {
        TRY(plan_scan(vet, node));
    }
    if (ast_is(node, "expression_class", "BOUND_CAST") && !place.inside_try) {
        TRY(plan_cast(vet, node));
    }
    return ast_is(node, "expression_class", "BOUND_AGGREGATE") ? plan_aggregate(vet, node, place) : OK;
}

static fallible plan_walk(struct vet *vet, json_t *value, struct plan_place place)
{
    const char *name;
    size_t index;
    json_t *member;
    if (json_is_object(value)) {
        TRY(plan_node(vet, value, place));
        place.inside_try = place.inside_try || ast_is(value, "type", "OPERATOR_TRY");
        /* Its first child is the WITH query, its second what uses it. */
        bool is_core = ast_is(value, "type", "LOGICAL_MATERIALIZED_CTE");
        json_object_foreach (value, name, member) {
            if (is_core && strcmp(name, "children") == 0) {
                REQUIRE(json_array_size(member) == 2, DENIED, "vet.lineage.operator");
                TRY(plan_walk(vet, json_array_get(member, 0), (struct plan_place){.inside_core = true}));
                TRY(plan_walk(vet, json_array_get(member, 1), (struct plan_place){0}));
            } else {
                TRY(plan_walk(vet, member, place));
            }
        }
    }
    json_array_foreach (value, index, member) {
        TRY(plan_walk(vet, member, place));
    }
    return OK;
}

static fallible plan_read(struct vet *vet, struct text executed)
{
    struct text text;
    scoped_json *plan = NULL;
    if (!result_is_ok(engine_ask(vet->engine, vet->arena,
                                 "SELECT json_serialize_plan(CAST($1 AS VARCHAR), optimize := false)",
                                 executed, &text))) {
        return FAIL(DENIED, "vet.lineage.plan");
    }
    TRY(ast_decode(text, &plan));
    REQUIRE(json_is_false(json_object_get(plan, "error")), DENIED, "vet.lineage.plan");
    REQUIRE(json_array_size(json_object_get(plan, "plans")) == 1, DENIED, "vet.lineage.plan");
    return plan_walk(vet, json_object_get(plan, "plans"), (struct plan_place){0});
}

static fallible agree(struct vet *vet)
{
    for (size_t i = 0; i < vet->table_count; i++) {
        const struct vet_table *table = &vet->tables[i];
        bool any = false;
        for (size_t j = 0; j < table->column_count; j++) {
            const struct vet_column *column = &table->columns[j];
            any = any || column->read;
            if (column->read != column->scanned) {
                return vet_refuse(vet, "column.read", NULL,
                                  "it is not certain whether the query reads %.*s.%.*s",
                                  TEXT_ARGS(table->name), TEXT_ARGS(column->name));
            }
        }
        if (table->used && !any) {
            return vet_refuse(vet, "column.read", NULL,
                              "the query reads no column of %.*s: name one, as in count(COLUMN)",
                              TEXT_ARGS(table->name));
        }
    }
    return OK;
}

fallible vet_lineage(struct vet *vet, json_t *node, struct text executed)
{
    TRY(tree_read(vet, node));
    struct result planned = plan_read(vet, executed);
    if (planned.code == RESULT_DENIED && vet->code == NULL) {
        return vet_refuse(vet, "column.read", NULL, "the query's plan cannot be followed");
    }
    TRY(planned);
    return agree(vet);
}
