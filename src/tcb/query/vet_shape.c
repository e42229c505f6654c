/* Mode `approved`: cores over base tables, a post over cores. */
#include "query/vet_parts.h"

#include <stdio.h>

static fallible output_names_check(struct vet *vet, json_t *node)
{
    json_t *items = json_object_get(node, "select_list");
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        for (size_t j = 0; j < i; j++) {
            struct text other = text_of(ast_member(json_array_get(items, j), "alias"));
            if (vet_name_equal(text_of(ast_member(item, "alias")), other)) {
                return vet_refuse(vet, "name.ambiguous", item, "two outputs are called \"%.*s\"",
                                  TEXT_ARGS(other));
            }
        }
    }
    return OK;
}

/* ---- Rules for a core ---- */

static bool is_grouped(const json_t *node)
{
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(node, "select_list"), index, item) {
        if (ast_has_aggregate(item)) {
            return true;
        }
    }
    return json_array_size(json_object_get(node, "group_expressions")) > 0;
}

static bool is_protected(const struct vet_scope *scope)
{
    for (size_t i = 0; i < scope->count; i++) {
        if (scope->items[i].table->min_entities > 0) {
            return true;
        }
    }
    return false;
}

/* A measure must be NULL where a row does not contribute, or the count of contributors is blind. */
struct measure_search {
    struct vet *vet;
};

static fallible measure_check(void *self, json_t *expression, json_t **out_replacement)
{
    (void)out_replacement;
    struct measure_search *search = self;
    json_t *otherwise = json_object_get(expression, "else_expr");
    bool has_else = ast_is(expression, "class", "CASE") &&
                    !json_is_true(json_object_get(json_object_get(otherwise, "value"), "is_null"));
    if (has_else || ast_is(expression, "type", "OPERATOR_COALESCE")) {
        return vet_refuse(
            search->vet, "column.aggregate", expression,
            "leave out ELSE and COALESCE within an aggregate: rows without a value must not count");
    }
    return ast_children(expression, &(struct ast_visitor){search, measure_check});
}

static fallible item_check(struct vet *vet, json_t *item, bool thresholds)
{
    if (!ast_has_aggregate(item)) {
        return OK;
    }
    if (!ast_is_aggregate(item)) {
        return vet_refuse(
            vet, "mode.template", item,
            "an expression over aggregates belongs in the final SELECT, the aggregates in the WITH query");
    }
    if (ast_is(item, "function_name", "min") || ast_is(item, "function_name", "max")) {
        return vet_refuse(vet, "column.aggregate", item,
                          "%s over rows gives one row's value; it is allowed in the "
                          "final SELECT only",
                          ast_member(item, "function_name"));
    }
    return thresholds
               ? ast_children(item, &(struct ast_visitor){&(struct measure_search){vet}, measure_check})
               : OK;
}

static fallible core_check(struct vet *vet, json_t *node, const struct vet_scope *scope)
{
    bool thresholds = is_protected(scope);
    size_t index;
    json_t *item;
    if (thresholds && !is_grouped(node)) {
        return vet_refuse(
            vet, "mode.template", NULL,
            "rows of a table with an entity leave only as aggregates: add GROUP BY or aggregates");
    }
    json_array_foreach (json_object_get(node, "select_list"), index, item) {
        TRY(item_check(vet, item, thresholds));
    }
    return output_names_check(vet, node);
}

static fallible core_shape(struct vet *vet, json_t *node)
{
    struct vet_block block;
    if (!ast_is_empty(json_object_get(node, "having"))) {
        return vet_refuse(vet, "mode.template", json_object_get(node, "having"),
                          "HAVING in a WITH query: filter with WHERE in the final SELECT instead");
    }
    if (!ast_is_empty(json_object_get(node, "modifiers"))) {
        return vet_refuse(vet, "mode.template", NULL,
                          "DISTINCT, ORDER BY and LIMIT belong in the final SELECT, not in a WITH query");
    }
    TRY(vet_block_qualify(vet, node, &block));
    return core_check(vet, node, &block.scope);
}

/* ---- A single block: its aggregates and keys become the core, the rest the post ---- */

struct lift {
    struct vet_block *block;
    struct text core; /* references are qualified: an output may have a core column's name */
    json_t *core_items;
    bool grouped;
};

static fallible lift_out(struct lift *lift, json_t *expression, json_t **out)
{
    char name[32];
    size_t i = 0;
    scoped_json *bare = ast_bare(expression);
    for (; i < json_array_size(lift->core_items); i++) {
        scoped_json *other = ast_bare(json_array_get(lift->core_items, i));
        if (json_equal(other, bare)) {
            break;
        }
    }
    snprintf(name, sizeof name, "c%zu", i + 1);
    if (i == json_array_size(lift->core_items)) {
        TRY(json_set(bare, "alias", json_string(name)));
        TRY(json_add(lift->core_items, json_incref(bare)));
    }
    *out = ast_column(lift->core, text_of(name));
    REQUIRE(*out != NULL, NO_MEMORY, "vet.memory");
    return OK;
}

static bool is_group_key(const struct lift *lift, const json_t *expression)
{
    scoped_json *bare = ast_bare(expression);
    size_t index;
    json_t *group;
    json_array_foreach (json_object_get(lift->block->node, "group_expressions"), index, group) {
        scoped_json *key = ast_bare(group);
        if (json_equal(key, bare)) {
            return true;
        }
    }
    return false;
}

static fallible lift_visit(void *self, json_t *expression, json_t **out_replacement)
{
    struct lift *lift = self;
    if (ast_is_aggregate(expression) || is_group_key(lift, expression)) {
        return lift_out(lift, expression, out_replacement);
    }
    if (ast_is_column(expression)) {
        if (lift->grouped) {
            return vet_refuse(
                lift->block->vet, "mode.template", expression,
                "column \"%s\" must be in GROUP BY or in an aggregate",
                json_string_value(json_array_get(json_object_get(expression, "column_names"), 1)));
        }
        return lift_out(lift, expression, out_replacement);
    }
    return ast_children(expression, &(struct ast_visitor){lift, lift_visit});
}

/* `*slot` becomes the lifted expression with the alias it had. */
static fallible lift_slot(struct lift *lift, json_t *expression, json_t **out)
{
    json_t *replacement = NULL;
    TRY(lift_visit(lift, expression, &replacement));
    if (replacement == NULL) {
        replacement = json_incref(expression);
    }
    *out = replacement;
    return json_set(replacement, "alias", json_string(ast_member(expression, "alias")));
}

static fallible lift_orders(struct lift *lift, json_t *modifiers)
{
    size_t index;
    size_t place;
    json_t *modifier;
    json_t *order;
    json_array_foreach (modifiers, index, modifier) {
        json_array_foreach (json_object_get(modifier, "orders"), place, order) {
            json_t *lifted = NULL;
            TRY(vet_qualify_member(lift->block, order, "expression"));
            TRY(lift_slot(lift, json_object_get(order, "expression"), &lifted));
            TRY(json_set(lifted, "alias", json_string("")));
            TRY(json_set(order, "expression", lifted));
        }
    }
    return OK;
}

static fallible core_name(struct vet *vet, struct text *out)
{
    static const char *const names[] = {"core", "core_cells", "core_of_query"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (vet_table_find(vet, text_of(names[i])) == NULL) {
            *out = text_of(names[i]);
            return OK;
        }
    }
    return vet_refuse(vet, "name.ambiguous", NULL, "the table names leave none for the core");
}

static fallible lift_all(struct lift *lift, json_t *post, json_t *post_items)
{
    json_t *node = lift->block->node;
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(node, "select_list"), index, item) {
        json_t *lifted = NULL;
        TRY(lift_slot(lift, item, &lifted));
        TRY(json_add(post_items, lifted));
    }
    json_t *having = json_object_get(node, "having");
    if (!ast_is_empty(having)) {
        json_t *lifted = NULL;
        TRY(vet_qualify_member(lift->block, node, "having"));
        TRY(lift_slot(lift, json_object_get(node, "having"), &lifted));
        TRY(json_set(post, "where_clause", lifted));
    }
    json_t *modifiers = json_object_get(node, "modifiers");
    TRY(lift_orders(lift, modifiers));
    return json_set(post, "modifiers", json_incref(modifiers));
}

static fallible single_shape(struct vet *vet, json_t *node, json_t **out_normal)
{
    struct vet_block block;
    struct text name;
    TRY(vet_block_qualify(vet, node, &block));
    TRY(output_names_check(vet, node));
    TRY(core_name(vet, &name));
    json_t *post_items = json_array();
    scoped_json *post = ast_select(post_items, ast_base_table(name));
    scoped_json *core_items = json_array();
    REQUIRE(post != NULL && core_items != NULL, NO_MEMORY, "vet.memory");
    struct lift lift = {&block, name, core_items,
                        is_grouped(node) || !ast_is_empty(json_object_get(node, "having"))};
    TRY(lift_all(&lift, post, post_items));
    if (json_array_size(core_items) == 0) {
        return vet_refuse(vet, "mode.template", NULL, "the query reads no column");
    }
    TRY(json_set(node, "select_list", json_incref(core_items)));
    TRY(json_set(node, "having", json_null()));
    TRY(json_set(node, "modifiers", json_array()));
    TRY(core_check(vet, node, &block.scope));
    scoped_json *entry = json_pack("{s:s%,s:{s:[],s:{s:O,s:[]},s:s,s:[]}}", "key", name.data, name.size,
                                   "value", "aliases", "query", "node", node, "named_param_map",
                                   "materialized", "CTE_MATERIALIZE_DEFAULT", "key_targets");
    TRY(json_add(json_object_get(json_object_get(post, "cte_map"), "map"), json_incref(entry)));
    *out_normal = json_incref(post);
    return OK;
}

/* ---- The post ---- */

struct core_names {
    struct text names[VET_CORES_MAX];
    size_t uses[VET_CORES_MAX];
    size_t count;
};

static fallible post_from(struct vet *vet, json_t *from, struct core_names *cores)
{
    if (ast_is(from, "type", "JOIN")) {
        TRY(post_from(vet, json_object_get(from, "left"), cores));
        return post_from(vet, json_object_get(from, "right"), cores);
    }
    struct text name = text_of(ast_member(from, "table_name"));
    for (size_t i = 0; i < cores->count; i++) {
        if (vet_name_equal(cores->names[i], name)) {
            if (++cores->uses[i] > VET_CORE_USES_MAX) {
                return vet_refuse(vet, "sql.size", from, "\"%.*s\" is used more than %d times",
                                  TEXT_ARGS(name), VET_CORE_USES_MAX);
            }
            return OK;
        }
    }
    if (vet_table_find(vet, name) != NULL) {
        return vet_refuse(vet, "mode.template", from,
                          "the final SELECT may read WITH queries only, not the table "
                          "\"%.*s\"",
                          TEXT_ARGS(name));
    }
    return vet_refuse(vet, "name.dataset", from, "no table \"%.*s\"", TEXT_ARGS(name));
}

static fallible cores_shape(struct vet *vet, json_t *entries, struct core_names *cores)
{
    size_t index;
    json_t *entry;
    json_array_foreach (entries, index, entry) {
        struct text name = text_of(ast_member(entry, "key"));
        json_t *node = json_object_get(json_object_get(json_object_get(entry, "value"), "query"), "node");
        bool taken = vet_table_find(vet, name) != NULL;
        for (size_t i = 0; i < cores->count; i++) {
            taken = taken || vet_name_equal(cores->names[i], name);
        }
        if (taken) {
            return vet_refuse(vet, "name.ambiguous", NULL, "\"%.*s\" names two things", TEXT_ARGS(name));
        }
        TRY(core_shape(vet, node));
        cores->names[cores->count++] = name;
    }
    return OK;
}

fallible vet_shape(struct vet *vet, json_t *node, json_t **out_normal)
{
    json_t *entries = json_object_get(json_object_get(node, "cte_map"), "map");
    if (json_array_size(entries) == 0) {
        return single_shape(vet, node, out_normal);
    }
    struct core_names cores = {.count = 0};
    TRY(cores_shape(vet, entries, &cores));
    TRY(post_from(vet, json_object_get(node, "from_table"), &cores));
    for (size_t i = 0; i < cores.count; i++) {
        if (cores.uses[i] == 0) {
            return vet_refuse(vet, "mode.template", NULL, "\"%.*s\" is not used", TEXT_ARGS(cores.names[i]));
        }
    }
    TRY(vet_outputs_name(vet, node));
    TRY(output_names_check(vet, node));
    *out_normal = json_incref(node);
    return OK;
}
