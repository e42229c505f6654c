#include "query/ast.h"

#include "column/column_type.h"

#include <stdio.h>

enum { AST_BYTES_MAX = 16 << 20 };

/* ---- JSON with integers that jansson cannot hold ---- */

static const char wide_open[] = "{\"u64\":\"";
static const char wide_close[] = "\"}";

/* The length of the string literal at `text`, quotes included. */
static size_t literal_size(struct text text)
{
    size_t i = 1;
    while (i < text.size && text.data[i] != '"') {
        i += text.data[i] == '\\' ? 2 : 1;
    }
    return i < text.size ? i + 1 : text.size;
}

/* The length of the run of characters at `text` that numbers are made of. */
static size_t number_size(struct text text)
{
    static const char numeric[] = "0123456789+-.eE";
    size_t i = 0;
    while (i < text.size && memchr(numeric, text.data[i], sizeof numeric - 1) != NULL) {
        i++;
    }
    return i;
}

/* An integer of so many digits that it may not fit 64 bits with a sign. */
static bool is_wide(struct text token)
{
    bool integer = token.data[0] != '"';
    for (size_t i = 0; i < token.size; i++) {
        integer = integer && strchr(".eE", token.data[i]) == NULL;
    }
    return integer && token.size > 18;
}

fallible ast_decode(struct text text, json_t **out)
{
    scoped_buffer safe;
    buffer_init(&safe, AST_BYTES_MAX);
    while (text.size > 0) {
        size_t size = text.data[0] == '"' ? literal_size(text) : number_size(text);
        struct text token = {text.data, size > 0 ? size : 1};
        bool wide = is_wide(token);
        TRY(buffer_add_text(&safe, wide ? text_of(wide_open) : (struct text){0}));
        TRY(buffer_add_text(&safe, token));
        TRY(buffer_add_text(&safe, wide ? text_of(wide_close) : (struct text){0}));
        text = (struct text){text.data + token.size, text.size - token.size};
    }
    return json_decode(buffer_view(&safe), out);
}

fallible ast_encode(struct arena *arena, const json_t *value, struct text *out)
{
    struct text safe;
    scoped_buffer text;
    buffer_init(&text, AST_BYTES_MAX);
    TRY(json_encode_text(arena, value, &safe));
    /* A quote inside a JSON string is escaped, so this pattern is never within one. */
    while (safe.size > 0) {
        size_t open = text_starts_with(safe, text_of(wide_open)) ? sizeof wide_open - 1 : 0;
        struct text left = {safe.data + open, safe.size - open};
        struct text token = {left.data, open > 0 ? number_size(left) : 1};
        size_t size = open + token.size + (open > 0 ? sizeof wide_close - 1 : 0);
        TRY(buffer_add_text(&text, token));
        safe = (struct text){safe.data + size, safe.size - size};
    }
    return arena_copy_text(arena, buffer_text(&text), out);
}

fallible ast_parse(struct engine *engine, struct arena *arena, struct text sql, json_t **out_answer)
{
    struct text answer;
    TRY(engine_ask(engine, arena, "SELECT json_serialize_sql(CAST($1 AS VARCHAR))", sql, &answer));
    return ast_decode(answer, out_answer);
}

fallible ast_print_checked(struct engine *engine, struct arena *arena, json_t *node, struct text *out)
{
    scoped_json *all =
        json_pack("{s:b,s:[{s:O,s:[]}]}", "error", 0, "statements", "node", node, "named_param_map");
    scoped_json *answer = NULL;
    struct text tree;
    struct text text;
    REQUIRE(all != NULL, NO_MEMORY, "ast.memory");
    TRY(ast_encode(arena, all, &tree));
    TRY(engine_ask(engine, arena, "SELECT json_deserialize_sql(CAST($1 AS JSON))", tree, &text));
    TRY(ast_parse(engine, arena, text, &answer));
    json_t *statements = json_object_get(answer, "statements");
    REQUIRE(json_array_size(statements) == 1, UNTRUSTED, "ast.round_trip");
    json_t *again = json_object_get(json_array_get(statements, 0), "node");
    ast_strip(again);
    REQUIRE(json_equal(node, again), UNTRUSTED, "ast.round_trip");
    *out = text;
    return OK;
}

void ast_strip(json_t *value)
{
    const char *name;
    json_t *member;
    size_t index;
    void *next;
    if (json_is_array(value)) {
        json_array_foreach (value, index, member) {
            ast_strip(member);
        }
        return;
    }
    json_object_del(value, "query_location");
    if (ast_is(value, "class", "FUNCTION") && ast_is(value, "schema", "main")) {
        json_object_set_new(value, "schema", json_string(""));
    }
    if (json_object_get(value, "named_param_map") != NULL) {
        json_object_set_new(value, "named_param_map", json_array());
    }
    json_object_foreach_safe(value, next, name, member)
    {
        ast_strip(member);
    }
}

int64_t ast_offset(const json_t *node)
{
    json_t *location = json_object_get(node, "query_location");
    return json_is_integer(location) ? json_integer_value(location) : -1;
}

bool ast_is_empty(const json_t *value)
{
    return value == NULL || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_integer(value) && json_integer_value(value) == 0);
}

/* ---- Walking ---- */

fallible ast_visit(json_t *parent, const char *member, const struct ast_visitor *visitor)
{
    json_t *value = json_object_get(parent, member);
    json_t *replacement = NULL;
    if (json_is_object(value)) {
        TRY(visitor->visit(visitor->self, value, &replacement));
        return replacement == NULL ? OK : json_set(parent, member, replacement);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        replacement = NULL;
        TRY(visitor->visit(visitor->self, json_array_get(value, i), &replacement));
        REQUIRE(replacement == NULL || json_array_set_new(value, i, replacement) == 0, NO_MEMORY,
                "ast.memory");
    }
    return OK;
}

fallible ast_children(json_t *expression, const struct ast_visitor *visitor)
{
    static const char *const members[] = {"left",  "right",     "input",  "lower",   "upper",
                                          "child", "else_expr", "filter", "children"};
    json_t *check;
    size_t index;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        TRY(ast_visit(expression, members[i], visitor));
    }
    json_array_foreach (json_object_get(expression, "case_checks"), index, check) {
        TRY(ast_visit(check, "when_expr", visitor));
        TRY(ast_visit(check, "then_expr", visitor));
    }
    return OK;
}

fallible ast_visit_joins(json_t *from_table, const struct ast_visitor *visitor)
{
    if (!ast_is(from_table, "type", "JOIN")) {
        return OK;
    }
    TRY(ast_visit(from_table, "condition", visitor));
    TRY(ast_visit_joins(json_object_get(from_table, "left"), visitor));
    return ast_visit_joins(json_object_get(from_table, "right"), visitor);
}

fallible ast_visit_select(json_t *node, const struct ast_visitor *visitor)
{
    size_t index;
    size_t place;
    json_t *modifier;
    json_t *order;
    TRY(ast_visit(node, "select_list", visitor));
    TRY(ast_visit_joins(json_object_get(node, "from_table"), visitor));
    TRY(ast_visit(node, "where_clause", visitor));
    TRY(ast_visit(node, "group_expressions", visitor));
    TRY(ast_visit(node, "having", visitor));
    json_array_foreach (json_object_get(node, "modifiers"), index, modifier) {
        json_array_foreach (json_object_get(modifier, "orders"), place, order) {
            TRY(ast_visit(order, "expression", visitor));
        }
    }
    return OK;
}

json_t *ast_core(const json_t *node, size_t index)
{
    json_t *entry = json_array_get(json_object_get(json_object_get(node, "cte_map"), "map"), index);
    return json_object_get(json_object_get(json_object_get(entry, "value"), "query"), "node");
}

bool ast_is_aggregate(const json_t *expression)
{
    static const char *const names[] = {"count", "count_star", "sum", "min", "max"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ast_is(expression, "class", "FUNCTION") && ast_is(expression, "function_name", names[i])) {
            return true;
        }
    }
    return false;
}

static fallible aggregate_visit(void *self, json_t *expression, json_t **out_replacement)
{
    (void)out_replacement;
    bool *found = self;
    *found = *found || ast_is_aggregate(expression);
    return *found ? OK : ast_children(expression, &(struct ast_visitor){found, aggregate_visit});
}

bool ast_has_aggregate(const json_t *expression)
{
    bool found = false;
    /* The visitor replaces nothing, so the tree stays as it is and nothing can fail. */
    ASSERT(result_is_ok(aggregate_visit(&found, (json_t *)(uintptr_t)expression, NULL)));
    return found;
}

json_t *ast_bare(const json_t *expression)
{
    json_t *copy = json_deep_copy(expression);
    if (copy != NULL) {
        ast_strip(copy);
        json_object_set_new(copy, "alias", json_string(""));
    }
    return copy;
}

/* ---- Building ---- */

json_t *ast_column(struct text table, struct text column)
{
    return table.size == 0
               ? json_pack("{s:s,s:s,s:s,s:[s%]}", "class", "COLUMN_REF", "type", "COLUMN_REF", "alias", "",
                           "column_names", column.data, column.size)
               : json_pack("{s:s,s:s,s:s,s:[s%,s%]}", "class", "COLUMN_REF", "type", "COLUMN_REF", "alias",
                           "", "column_names", table.data, table.size, column.data, column.size);
}

static json_t *constant(const char *type, json_t *value)
{
    return json_pack("{s:s,s:s,s:s,s:{s:{s:s,s:n},s:b,s:o*}}", "class", "CONSTANT", "type", "VALUE_CONSTANT",
                     "alias", "", "value", "type", "id", type, "type_info", "is_null", value == NULL, "value",
                     value);
}

json_t *ast_text(struct text value)
{
    return constant("VARCHAR", json_stringn(value.data == NULL ? "" : value.data, value.size));
}

json_t *ast_null(void)
{
    return constant("NULL", NULL);
}

json_t *ast_integer(int64_t value)
{
    return constant(value >= INT32_MIN && value <= INT32_MAX ? "INTEGER" : "BIGINT", json_integer(value));
}

json_t *ast_function(const char *name, json_t *arguments, bool distinct, json_t *filter)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:o?,s:{s:s,s:[]},s:b,s:b,s:b,s:s}", "class", "FUNCTION",
                     "type", "FUNCTION", "alias", "", "function_name", name, "schema", "", "children",
                     arguments, "filter", filter, "order_bys", "type", "ORDER_MODIFIER", "orders", "distinct",
                     distinct, "is_operator", 0, "export_state", 0, "catalog", "");
}

json_t *ast_operator(const char *type, json_t *only_child)
{
    return json_pack("{s:s,s:s,s:s,s:[o]}", "class", "OPERATOR", "type", type, "alias", "", "children",
                     only_child);
}

json_t *ast_and(json_t *left, json_t *right)
{
    if (left == NULL || right == NULL) {
        return left == NULL ? right : left;
    }
    /* The parser makes one node of a chain of ANDs, so that is the form that a text gives back. */
    if (ast_is(left, "type", "CONJUNCTION_AND")) {
        json_array_append_new(json_object_get(left, "children"), right);
        return left;
    }
    return json_pack("{s:s,s:s,s:s,s:[o,o]}", "class", "CONJUNCTION", "type", "CONJUNCTION_AND", "alias", "",
                     "children", left, right);
}

json_t *ast_at_least(json_t *left, int64_t bound)
{
    return json_pack("{s:s,s:s,s:s,s:o,s:o}", "class", "COMPARISON", "type", "COMPARE_GREATERTHANOREQUALTO",
                     "alias", "", "left", left, "right", ast_integer(bound));
}

json_t *ast_case(json_t *when, json_t *then)
{
    return json_pack("{s:s,s:s,s:s,s:[{s:o,s:o}],s:o}", "class", "CASE", "type", "CASE_EXPR", "alias", "",
                     "case_checks", "when_expr", when, "then_expr", then, "else_expr", ast_null());
}

json_t *ast_try_cast(json_t *child, json_t *type)
{
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:b}", "class", "CAST", "type", "OPERATOR_CAST", "alias", "",
                     "child", child, "cast_type", type, "try_cast", 1);
}

json_t *ast_order(json_t *expression)
{
    return json_pack("{s:s,s:s,s:o}", "type", "ASCENDING", "null_order", "NULLS LAST", "expression",
                     expression);
}

/* ---- Types ---- */

json_t *ast_type(struct text name)
{
    struct column_type type;
    if (!result_is_ok(column_type_parse(name, &type))) {
        return NULL;
    }
    if (type.kind != COLUMN_DECIMAL) {
        return json_pack("{s:s%,s:n}", "id", TEXT_SIZED(name), "type_info");
    }
    return json_pack("{s:s,s:{s:s,s:s,s:n,s:i,s:i}}", "id", "DECIMAL", "type_info", "type",
                     "DECIMAL_TYPE_INFO", "alias", "", "extension_info", "width", type.precision, "scale",
                     type.scale);
}

bool ast_type_is_plain(const json_t *type)
{
    char decimal[64];
    json_t *information = json_object_get(type, "type_info");
    snprintf(decimal, sizeof decimal, "DECIMAL(%lld,%lld)",
             (long long)json_integer_value(json_object_get(information, "width")),
             (long long)json_integer_value(json_object_get(information, "scale")));
    scoped_json *plain = ast_type(text_of(ast_is(type, "id", "DECIMAL") ? decimal : ast_member(type, "id")));
    return plain != NULL && json_equal(plain, type);
}
