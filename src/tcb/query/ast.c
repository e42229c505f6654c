#include "query/ast.h"

#include "column/column_type.h"

enum { AST_BYTES_MAX = 16 << 20 };

/* ---- JSON with integers that jansson cannot hold ---- */

static const char wide_open[] = "{\"u64\":\"";
static const char wide_close[] = "\"}";

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* The length of the string literal at `text`, quotes included. */
static size_t literal_size(struct text text)
{
    size_t i = 1;
    while (i < text.size && text.data[i] != '"') {
        i += text.data[i] == '\\' ? 2 : 1;
    }
    return i < text.size ? i + 1 : text.size;
}

static size_t digits_size(struct text text)
{
    size_t i = 0;
    while (i < text.size && is_digit(text.data[i])) {
        i++;
    }
    return i;
}

static bool is_wide(struct text digits, char after, bool negative)
{
    struct text greatest = TEXT("9223372036854775807");
    bool integer = after != '.' && after != 'e' && after != 'E';
    return integer && !negative && digits.size >= greatest.size &&
           (digits.size > greatest.size || memcmp(digits.data, greatest.data, greatest.size) > 0);
}

fallible ast_decode(struct text text, json_t **out)
{
    scoped_buffer safe;
    buffer_init(&safe, AST_BYTES_MAX);
    size_t i = 0;
    while (i < text.size) {
        struct text left = {text.data + i, text.size - i};
        size_t size = 1;
        bool wide = false;
        if (left.data[0] == '"') {
            size = literal_size(left);
        } else if (is_digit(left.data[0])) {
            bool fraction = i > 0 && text.data[i - 1] == '.';
            size = digits_size(left);
            wide =
                !fraction && is_wide((struct text){left.data, size}, size < left.size ? left.data[size] : ' ',
                                     i > 0 && text.data[i - 1] == '-');
        }
        TRY(buffer_add_text(&safe, wide ? text_of(wide_open) : (struct text){0}));
        TRY(buffer_add_text(&safe, (struct text){left.data, size}));
        TRY(buffer_add_text(&safe, wide ? text_of(wide_close) : (struct text){0}));
        i += size;
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
        struct text open = text_of(wide_open);
        if (text_starts_with(safe, open)) {
            size_t size = digits_size((struct text){safe.data + open.size, safe.size - open.size});
            TRY(buffer_add_text(&text, (struct text){safe.data + open.size, size}));
            size += open.size + sizeof wide_close - 1;
            safe = (struct text){safe.data + size, safe.size - size};
        } else {
            TRY(buffer_add_byte(&text, (uint8_t)safe.data[0]));
            safe = (struct text){safe.data + 1, safe.size - 1};
        }
    }
    return arena_copy_text(arena, buffer_text(&text), out);
}

fallible ast_parse(struct engine *engine, struct arena *arena, struct text sql, json_t **out_answer)
{
    struct text answer;
    TRY(engine_ask(engine, arena, "SELECT json_serialize_sql(CAST($1 AS VARCHAR))", sql, &answer));
    return ast_decode(answer, out_answer);
}

fallible ast_print(struct engine *engine, struct arena *arena, json_t *node, struct text *out)
{
    scoped_json *all =
        json_pack("{s:b,s:[{s:O,s:[]}]}", "error", 0, "statements", "node", node, "named_param_map");
    struct text text;
    REQUIRE(all != NULL, NO_MEMORY, "ast.memory");
    TRY(ast_encode(arena, all, &text));
    return engine_ask(engine, arena, "SELECT json_deserialize_sql(CAST($1 AS JSON))", text, out);
}

fallible ast_print_checked(struct engine *engine, struct arena *arena, json_t *node, struct text *out)
{
    struct text text;
    scoped_json *answer = NULL;
    TRY(ast_print(engine, arena, node, &text));
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

struct search {
    bool (*is)(const json_t *expression);
    bool found;
};

static fallible search_visit(void *self, json_t *child, json_t **out_replacement)
{
    (void)out_replacement;
    struct search *search = self;
    search->found = search->found || search->is(child);
    return search->found ? OK : ast_children(child, &(struct ast_visitor){search, search_visit});
}

static bool has(const json_t *expression, bool (*is)(const json_t *))
{
    struct search search = {is, is(expression)};
    if (!search.found) {
        /* The visitor replaces nothing, so the tree stays as it is and nothing can fail. */
        ASSERT(result_is_ok(
            ast_children((json_t *)(uintptr_t)expression, &(struct ast_visitor){&search, search_visit})));
    }
    return search.found;
}

bool ast_has_aggregate(const json_t *expression)
{
    return has(expression, ast_is_aggregate);
}

bool ast_has_column(const json_t *expression)
{
    return has(expression, ast_is_column);
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

json_t *ast_base_table(struct text name)
{
    return json_pack("{s:s,s:s,s:n,s:s,s:s%,s:[],s:s,s:n}", "type", "BASE_TABLE", "alias", "", "sample",
                     "schema_name", "", "table_name", name.data, name.size, "column_name_alias",
                     "catalog_name", "", "at_clause");
}

json_t *ast_select(json_t *select_list, json_t *from_table)
{
    return json_pack("{s:s,s:[],s:{s:[]},s:o,s:o,s:n,s:[],s:[],s:s,s:n,s:n,s:n}", "type", "SELECT_NODE",
                     "modifiers", "cte_map", "map", "select_list", select_list, "from_table", from_table,
                     "where_clause", "group_expressions", "group_sets", "aggregate_handling",
                     "STANDARD_HANDLING", "having", "sample", "qualify");
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
    json_t *information = json_object_get(type, "type_info");
    if (json_object_size(type) != 2 || !json_is_string(json_object_get(type, "id"))) {
        return false;
    }
    if (ast_is(type, "id", "DECIMAL")) {
        return ast_is(information, "type", "DECIMAL_TYPE_INFO") &&
               ast_is_empty(json_object_get(information, "alias")) &&
               ast_is_empty(json_object_get(information, "extension_info"));
    }
    struct column_type known;
    return json_is_null(information) &&
           result_is_ok(column_type_parse(text_of(ast_member(type, "id")), &known)) &&
           known.kind != COLUMN_DECIMAL;
}
