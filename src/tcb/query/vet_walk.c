/* The allow-list: every class, every type of it, every member. What is not in these tables is refused, so
 * that a new feature of the engine fails closed. */
#include "query/vet_parts.h"

enum member_kind {
    MEMBER_EMPTY, /* null, false, 0, "", [], {} and nothing else */
    MEMBER_TEXT,
    MEMBER_FLAG,
    MEMBER_PLACE,
    MEMBER_EXPRESSION, /* may be null */
    MEMBER_EXPRESSIONS,
    MEMBER_CASES,
    MEMBER_TYPE,
    MEMBER_VALUE,
    MEMBER_NAMES,
    MEMBER_NO_ORDER,
};

struct member {
    const char *name;
    enum member_kind kind;
};

struct class_rule {
    const char *class;
    const char *types[8]; /* empty: the class name alone decides */
    struct member members[12];
};

#define COMMON                                                                                               \
    {"class", MEMBER_TEXT}, {"type", MEMBER_TEXT}, {"alias", MEMBER_TEXT},                                   \
    {                                                                                                        \
        "query_location", MEMBER_PLACE                                                                       \
    }

static const struct class_rule rules[] = {
    {"COLUMN_REF", {"COLUMN_REF"}, {COMMON, {"column_names", MEMBER_NAMES}}},
    {"CONSTANT", {"VALUE_CONSTANT"}, {COMMON, {"value", MEMBER_VALUE}}},
    {"PARAMETER", {"VALUE_PARAMETER"}, {COMMON, {"identifier", MEMBER_TEXT}}},
    {"COMPARISON",
     {"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN",
      "COMPARE_LESSTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO", "COMPARE_DISTINCT_FROM",
      "COMPARE_NOT_DISTINCT_FROM"},
     {COMMON, {"left", MEMBER_EXPRESSION}, {"right", MEMBER_EXPRESSION}}},
    {"CONJUNCTION", {"CONJUNCTION_AND", "CONJUNCTION_OR"}, {COMMON, {"children", MEMBER_EXPRESSIONS}}},
    {"BETWEEN",
     {"COMPARE_BETWEEN"},
     {COMMON, {"input", MEMBER_EXPRESSION}, {"lower", MEMBER_EXPRESSION}, {"upper", MEMBER_EXPRESSION}}},
    {"OPERATOR",
     {"COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL",
      "OPERATOR_COALESCE", "OPERATOR_TRY"},
     {COMMON, {"children", MEMBER_EXPRESSIONS}}},
    {"CASE", {"CASE_EXPR"}, {COMMON, {"case_checks", MEMBER_CASES}, {"else_expr", MEMBER_EXPRESSION}}},
    {"CAST",
     {"OPERATOR_CAST"},
     {COMMON, {"child", MEMBER_EXPRESSION}, {"cast_type", MEMBER_TYPE}, {"try_cast", MEMBER_FLAG}}},
    {"FUNCTION",
     {"FUNCTION"},
     {COMMON,
      {"function_name", MEMBER_TEXT},
      {"children", MEMBER_EXPRESSIONS},
      {"filter", MEMBER_EXPRESSION},
      {"order_bys", MEMBER_NO_ORDER},
      {"distinct", MEMBER_FLAG},
      {"is_operator", MEMBER_FLAG},
      {"schema", MEMBER_TEXT}}},
};

/* Total means: raises for no input. Whatever is not total is wrapped in TRY by the rewrite. */
struct function {
    const char *name;
    size_t arguments_min;
    size_t arguments_max;
    enum { TOTAL, RAISES, AGGREGATE } kind;
    enum { ANY_ARGUMENTS, FIRST_IS_DATE_PART, SECOND_IS_CONSTANT } arguments;
};

static const struct function functions[] = {
    {"+", 1, 2, RAISES, ANY_ARGUMENTS},
    {"-", 1, 2, RAISES, ANY_ARGUMENTS},
    {"*", 2, 2, RAISES, ANY_ARGUMENTS},
    {"/", 2, 2, RAISES, ANY_ARGUMENTS},
    {"//", 2, 2, RAISES, ANY_ARGUMENTS},
    {"%", 2, 2, RAISES, ANY_ARGUMENTS},
    {"abs", 1, 1, RAISES, ANY_ARGUMENTS},
    {"round", 1, 2, RAISES, ANY_ARGUMENTS},
    {"floor", 1, 1, RAISES, ANY_ARGUMENTS},
    {"ceil", 1, 1, RAISES, ANY_ARGUMENTS},
    {"||", 2, 2, TOTAL, ANY_ARGUMENTS},
    {"lower", 1, 1, TOTAL, ANY_ARGUMENTS},
    {"upper", 1, 1, TOTAL, ANY_ARGUMENTS},
    {"trim", 1, 1, TOTAL, ANY_ARGUMENTS},
    {"length", 1, 1, TOTAL, ANY_ARGUMENTS},
    {"substring", 2, 3, RAISES, ANY_ARGUMENTS},
    {"nullif", 2, 2, TOTAL, ANY_ARGUMENTS},
    {"~~", 2, 2, RAISES, SECOND_IS_CONSTANT},
    {"!~~", 2, 2, RAISES, SECOND_IS_CONSTANT},
    {"date_trunc", 2, 2, RAISES, FIRST_IS_DATE_PART},
    {"date_part", 2, 2, RAISES, FIRST_IS_DATE_PART},
    {"year", 1, 1, RAISES, ANY_ARGUMENTS},
    {"month", 1, 1, RAISES, ANY_ARGUMENTS},
    {"day", 1, 1, RAISES, ANY_ARGUMENTS},
    {"count", 1, 1, AGGREGATE, ANY_ARGUMENTS},
    {"count_star", 0, 0, AGGREGATE, ANY_ARGUMENTS},
    {"sum", 1, 1, AGGREGATE, ANY_ARGUMENTS},
    {"min", 1, 1, AGGREGATE, ANY_ARGUMENTS},
    {"max", 1, 1, AGGREGATE, ANY_ARGUMENTS},
};

static const char *const date_parts[] = {"year",   "quarter", "month", "week",   "day",   "dow",
                                         "isodow", "doy",     "hour",  "minute", "second"};

static const struct function *function_find(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return &functions[i];
        }
    }
    return NULL;
}

bool vet_function_raises(const json_t *function)
{
    const struct function *found = function_find(ast_member(function, "function_name"));
    return found == NULL || found->kind == RAISES;
}

static fallible walk_expression(struct vet *vet, json_t *expression, size_t depth);

static fallible walk_expressions(struct vet *vet, json_t *array, size_t depth)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        TRY(walk_expression(vet, json_array_get(array, i), depth));
    }
    return OK;
}

static fallible clause_refuse(struct vet *vet, const json_t *node, const char *member)
{
    return vet_refuse(vet, "sql.clause", node, "\"%s\" of %s is not allowed", member,
                      json_has(node, "class") ? ast_member(node, "class") : ast_member(node, "type"));
}

static fallible walk_cases(struct vet *vet, json_t *node, json_t *cases, size_t depth)
{
    size_t index;
    json_t *check;
    json_array_foreach (cases, index, check) {
        if (json_object_size(check) != 2) {
            return clause_refuse(vet, node, "case_checks");
        }
        TRY(walk_expression(vet, json_object_get(check, "when_expr"), depth));
        TRY(walk_expression(vet, json_object_get(check, "then_expr"), depth));
    }
    return OK;
}

static bool constant_is_allowed(const json_t *value)
{
    static const char *const types[] = {"NULL",   "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER",
                                        "BIGINT", "HUGEINT", "VARCHAR", "DECIMAL",  "DATE"};
    json_t *type = json_object_get(value, "type");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (ast_is(type, "id", types[i])) {
            return strcmp(types[i], "NULL") == 0 || ast_type_is_plain(type);
        }
    }
    return false;
}

static bool names_are_texts(const json_t *names)
{
    size_t index;
    json_t *name;
    json_array_foreach (names, index, name) {
        if (!json_is_string(name) || json_string_length(name) == 0) {
            return false;
        }
    }
    return json_array_size(names) >= 1 && json_array_size(names) <= 2;
}

static fallible walk_member(struct vet *vet, json_t *node, const struct member *member, json_t *value,
                            size_t depth)
{
    bool good = true;
    switch (member->kind) {
    case MEMBER_EMPTY:
        good = ast_is_empty(value);
        break;
    case MEMBER_TEXT:
        good = json_is_string(value);
        break;
    case MEMBER_FLAG:
        good = json_is_boolean(value);
        break;
    case MEMBER_PLACE:
        break;
    case MEMBER_EXPRESSION:
        return json_is_null(value) ? OK : walk_expression(vet, value, depth + 1);
    case MEMBER_EXPRESSIONS:
        return walk_expressions(vet, value, depth + 1);
    case MEMBER_CASES:
        return walk_cases(vet, node, value, depth + 1);
    case MEMBER_TYPE:
        good = ast_type_is_plain(value);
        break;
    case MEMBER_VALUE:
        good = constant_is_allowed(value);
        break;
    case MEMBER_NAMES:
        good = names_are_texts(value);
        break;
    case MEMBER_NO_ORDER:
        good = json_object_size(value) == 2 && ast_is_empty(json_object_get(value, "orders"));
        break;
    }
    return good ? OK : clause_refuse(vet, node, member->name);
}

/* Each member by its rule; a member without one must be empty. */
static fallible walk_members(struct vet *vet, json_t *node, const struct member *members, size_t count,
                             size_t depth)
{
    static const struct member unknown = {"", MEMBER_EMPTY};
    const char *name;
    json_t *value;
    json_object_foreach (node, name, value) {
        const struct member *rule = &unknown;
        for (size_t i = 0; i < count && members[i].name != NULL; i++) {
            if (strcmp(members[i].name, name) == 0) {
                rule = &members[i];
            }
        }
        if (rule == &unknown && !ast_is_empty(value)) {
            return clause_refuse(vet, node, name);
        }
        TRY(walk_member(vet, node, rule, value, depth));
    }
    return OK;
}

static bool is_constant_text(const json_t *expression)
{
    json_t *value = json_object_get(expression, "value");
    return ast_is(expression, "class", "CONSTANT") && json_is_string(json_object_get(value, "value"));
}

static bool is_date_part(const json_t *expression)
{
    const char *part = ast_member(json_object_get(expression, "value"), "value");
    for (size_t i = 0; i < sizeof date_parts / sizeof *date_parts; i++) {
        if (is_constant_text(expression) && strcmp(part, date_parts[i]) == 0) {
            return true;
        }
    }
    return false;
}

static fallible walk_function(struct vet *vet, json_t *node)
{
    const char *name = ast_member(node, "function_name");
    const struct function *function = function_find(name);
    json_t *children = json_object_get(node, "children");
    bool distinct = json_is_true(json_object_get(node, "distinct"));
    bool filtered = !ast_is_empty(json_object_get(node, "filter"));
    if (strcmp(name, "avg") == 0 || strcmp(name, "mean") == 0) {
        return vet_refuse(
            vet, "sql.function", node,
            "avg gives floating-point numbers: divide sum(x) by count(x) in the final SELECT and cast "
            "the result to a DECIMAL");
    }
    bool plain_schema = ast_is(node, "schema", "") || ast_is(node, "schema", "main");
    if (function == NULL || !plain_schema || json_array_size(children) < function->arguments_min ||
        json_array_size(children) > function->arguments_max) {
        return vet_refuse(vet, "sql.function", node,
                          "function \"%s\" is not on the list of allowed functions",
                          plain_schema ? name : ast_member(node, "schema"));
    }
    if ((distinct && strcmp(name, "count") != 0) || (filtered && function->kind != AGGREGATE)) {
        return vet_refuse(vet, "sql.function", node, "DISTINCT or FILTER is not allowed with \"%s\"", name);
    }
    if (function->arguments == FIRST_IS_DATE_PART && !is_date_part(json_array_get(children, 0))) {
        return vet_refuse(vet, "sql.function", node,
                          "the first argument of \"%s\" must name a part of a date", name);
    }
    if (function->arguments == SECOND_IS_CONSTANT && !is_constant_text(json_array_get(children, 1))) {
        return vet_refuse(vet, "sql.function", node, "the pattern of LIKE must be a constant text");
    }
    return OK;
}

static const struct class_rule *rule_find(const json_t *node)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!ast_is(node, "class", rules[i].class)) {
            continue;
        }
        for (size_t j = 0; j < 8 && rules[i].types[j] != NULL; j++) {
            if (ast_is(node, "type", rules[i].types[j])) {
                return &rules[i];
            }
        }
    }
    return NULL;
}

static fallible count_node(struct vet *vet, const json_t *node, size_t depth)
{
    if (++vet->nodes > VET_NODES_MAX) {
        return vet_refuse(vet, "sql.size", node, "more than %d nodes", VET_NODES_MAX);
    }
    if (depth > VET_DEPTH_MAX) {
        return vet_refuse(vet, "sql.size", node, "nested deeper than %d", VET_DEPTH_MAX);
    }
    return OK;
}

static fallible walk_expression(struct vet *vet, json_t *expression, size_t depth)
{
    TRY(count_node(vet, expression, depth));
    const struct class_rule *rule = rule_find(expression);
    if (rule == NULL) {
        return vet_refuse(vet, "sql.clause", expression, "%s is not allowed",
                          json_has(expression, "type") ? ast_member(expression, "type") : "this");
    }
    if (ast_is(expression, "class", "FUNCTION")) {
        TRY(walk_function(vet, expression));
    }
    if (ast_is(expression, "class", "OPERATOR") &&
        json_array_size(json_object_get(expression, "children")) > VET_IN_LIST_MAX + 1) {
        return vet_refuse(vet, "sql.size", expression, "a list of more than %d", VET_IN_LIST_MAX);
    }
    return walk_members(vet, expression, rule->members, 12, depth);
}

/* ---- SELECT and FROM ---- */

static const struct member base_table_members[] = {
    {"type", MEMBER_TEXT},
    {"alias", MEMBER_TEXT},
    {"query_location", MEMBER_PLACE},
    {"table_name", MEMBER_TEXT},
};

static const struct member join_members[] = {
    {"type", MEMBER_TEXT},      {"alias", MEMBER_EMPTY},   {"query_location", MEMBER_PLACE},
    {"left", MEMBER_PLACE},     {"right", MEMBER_PLACE},   {"condition", MEMBER_EXPRESSION},
    {"join_type", MEMBER_TEXT}, {"ref_type", MEMBER_TEXT},
};

static fallible walk_from(struct vet *vet, json_t *from, size_t depth)
{
    TRY(count_node(vet, from, depth));
    if (ast_is(from, "type", "BASE_TABLE")) {
        return walk_members(vet, from, base_table_members, 4, depth);
    }
    if (!ast_is(from, "type", "JOIN")) {
        return vet_refuse(vet, "sql.clause", from, "FROM may hold tables and joins only, not %s",
                          ast_member(from, "type"));
    }
    if (!ast_is(from, "ref_type", "REGULAR") ||
        (!ast_is(from, "join_type", "INNER") && !ast_is(from, "join_type", "LEFT"))) {
        return vet_refuse(vet, "join.kind", from, "only INNER and LEFT joins with ON are allowed");
    }
    if (!ast_is_empty(json_object_get(from, "using_columns"))) {
        return vet_refuse(vet, "join.kind", from, "write ON a.x = b.x instead of USING");
    }
    TRY(walk_members(vet, from, join_members, 8, depth));
    TRY(walk_from(vet, json_object_get(from, "left"), depth + 1));
    return walk_from(vet, json_object_get(from, "right"), depth + 1);
}

static const struct member order_members[] = {
    {"type", MEMBER_TEXT},
    {"null_order", MEMBER_TEXT},
    {"expression", MEMBER_EXPRESSION},
};

static bool is_count(const json_t *expression)
{
    json_t *value = json_object_get(expression, "value");
    json_t *number = json_object_get(value, "value");
    return ast_is(expression, "class", "CONSTANT") &&
           ast_is(json_object_get(value, "type"), "id", "INTEGER") && json_is_integer(number) &&
           json_integer_value(number) >= 0;
}

static fallible walk_modifier(struct vet *vet, json_t *modifier)
{
    static const struct member distinct[] = {{"type", MEMBER_TEXT}};
    static const struct member ordered[] = {{"type", MEMBER_TEXT}, {"orders", MEMBER_PLACE}};
    static const struct member limited[] = {
        {"type", MEMBER_TEXT}, {"limit", MEMBER_EXPRESSION}, {"offset", MEMBER_EXPRESSION}};
    size_t index;
    json_t *order;
    if (ast_is(modifier, "type", "DISTINCT_MODIFIER")) {
        return walk_members(vet, modifier, distinct, 1, 1);
    }
    if (ast_is(modifier, "type", "ORDER_MODIFIER")) {
        json_array_foreach (json_object_get(modifier, "orders"), index, order) {
            TRY(walk_members(vet, order, order_members, 3, 1));
        }
        return walk_members(vet, modifier, ordered, 2, 1);
    }
    json_t *limit = json_object_get(modifier, "limit");
    json_t *offset = json_object_get(modifier, "offset");
    if (!ast_is(modifier, "type", "LIMIT_MODIFIER") || !is_count(limit) ||
        (!json_is_null(offset) && !is_count(offset))) {
        return vet_refuse(vet, "sql.clause", NULL, "LIMIT and OFFSET take constant counts of rows");
    }
    return walk_members(vet, modifier, limited, 3, 1);
}

/* No grouping sets: the only set is all the keys. */
static fallible walk_groups(struct vet *vet, json_t *node)
{
    json_t *sets = json_object_get(node, "group_sets");
    size_t keys = json_array_size(json_object_get(node, "group_expressions"));
    bool good = keys == 0 ? json_array_size(sets) == 0
                          : json_array_size(sets) == 1 && json_array_size(json_array_get(sets, 0)) == keys;
    if (!good || !ast_is(node, "aggregate_handling", "STANDARD_HANDLING")) {
        return vet_refuse(vet, "sql.clause", NULL, "GROUP BY takes a plain list of expressions");
    }
    return OK;
}

static const struct member select_members[] = {
    {"type", MEMBER_TEXT},
    {"modifiers", MEMBER_PLACE},
    {"cte_map", MEMBER_PLACE},
    {"select_list", MEMBER_EXPRESSIONS},
    {"from_table", MEMBER_PLACE},
    {"where_clause", MEMBER_EXPRESSION},
    {"group_expressions", MEMBER_EXPRESSIONS},
    {"group_sets", MEMBER_PLACE},
    {"aggregate_handling", MEMBER_TEXT},
    {"having", MEMBER_EXPRESSION},
};

static fallible walk_select(struct vet *vet, json_t *node, bool may_have_cores);

static fallible walk_core(struct vet *vet, json_t *entry)
{
    json_t *value = json_object_get(entry, "value");
    json_t *query = json_object_get(value, "query");
    if (json_object_size(entry) != 2 || json_object_size(value) != 4 ||
        !ast_is_empty(json_object_get(value, "aliases")) ||
        !ast_is_empty(json_object_get(value, "key_targets")) ||
        !ast_is(value, "materialized", "CTE_MATERIALIZE_DEFAULT") || json_object_size(query) != 2) {
        return vet_refuse(vet, "sql.clause", NULL, "WITH takes plain NAME AS (SELECT …) only");
    }
    return walk_select(vet, json_object_get(query, "node"), false);
}

static fallible walk_cores(struct vet *vet, json_t *map, bool may_have_cores)
{
    json_t *entries = json_object_get(map, "map");
    if (json_object_size(map) != 1 || (!may_have_cores && json_array_size(entries) > 0)) {
        return vet_refuse(vet, "sql.clause", NULL, "WITH is allowed at the beginning only");
    }
    if (json_array_size(entries) > VET_CORES_MAX) {
        return vet_refuse(vet, "sql.size", NULL, "more than %d WITH queries", VET_CORES_MAX);
    }
    for (size_t i = 0; i < json_array_size(entries); i++) {
        TRY(walk_core(vet, json_array_get(entries, i)));
    }
    return OK;
}

static fallible walk_select(struct vet *vet, json_t *node, bool may_have_cores)
{
    size_t index;
    json_t *modifier;
    TRY(count_node(vet, node, 0));
    if (!ast_is(node, "type", "SELECT_NODE")) {
        return vet_refuse(vet, "sql.clause", node, "%s is not allowed", ast_member(node, "type"));
    }
    TRY(walk_groups(vet, node));
    TRY(walk_cores(vet, json_object_get(node, "cte_map"), may_have_cores));
    TRY(walk_members(vet, node, select_members, 10, 0));
    json_array_foreach (json_object_get(node, "modifiers"), index, modifier) {
        TRY(walk_modifier(vet, modifier));
    }
    return walk_from(vet, json_object_get(node, "from_table"), 0);
}

fallible vet_walk(struct vet *vet, json_t *node)
{
    return walk_select(vet, node, true);
}
