/* What the engine really executes: thresholds on every cell, functions that cannot raise, one total order. */
#include "query/vet_parts.h"

/* ---- Thresholds ---- */

/* count(DISTINCT entity) [FILTER (WHERE contributes)] >= k, for every protected table of the core. */
static json_t *threshold(const struct vet_scope *scope, const json_t *contributes)
{
    json_t *all = NULL;
    for (size_t i = 0; i < scope->count; i++) {
        const struct vet_table *table = scope->items[i].table;
        if (table->min_entities == 0) {
            continue;
        }
        json_t *entity = ast_column(scope->items[i].alias, table->entity->name);
        json_t *filter = contributes == NULL ? NULL : json_deep_copy(contributes);
        json_t *count = ast_function("count", json_pack("[o]", entity), true, filter);
        all = ast_and(all, ast_at_least(count, (int64_t)table->min_entities));
    }
    return all;
}

/* What makes a row contribute to an aggregate: its filter, and an argument that is not NULL. NULL where every
 * row of the cell does, which the threshold of the row covers. */
static json_t *contribution(const json_t *aggregate)
{
    json_t *filter = json_object_get(aggregate, "filter");
    json_t *argument = json_array_get(json_object_get(aggregate, "children"), 0);
    json_t *condition = ast_is_empty(filter) ? NULL : json_deep_copy(filter);
    if (argument != NULL) {
        condition = ast_and(condition, ast_operator("OPERATOR_IS_NOT_NULL", json_deep_copy(argument)));
    }
    return condition;
}

static fallible item_protect(const struct vet_scope *scope, json_t *items, size_t index)
{
    json_t *item = json_array_get(items, index);
    scoped_json *condition = ast_is_aggregate(item) ? contribution(item) : NULL;
    if (condition == NULL) {
        return OK;
    }
    json_t *cell = ast_case(threshold(scope, condition), ast_bare(item));
    REQUIRE(cell != NULL, NO_MEMORY, "vet.memory");
    TRY(json_set(cell, "alias", json_string(ast_member(item, "alias"))));
    REQUIRE(json_array_set_new(items, index, cell) == 0, NO_MEMORY, "vet.memory");
    return OK;
}

static fallible core_protect(struct vet *vet, json_t *node)
{
    struct vet_scope scope = {.count = 0};
    json_t *items = json_object_get(node, "select_list");
    TRY(vet_scope_add(vet, json_object_get(node, "from_table"), &scope));
    scoped_json *having = threshold(&scope, NULL);
    if (having == NULL) {
        return OK;
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        TRY(item_protect(&scope, items, i));
    }
    return json_set(node, "having", json_incref(having));
}

/* ---- Total functions ---- */

/* `self` tells whether a TRY stands above, which covers all that is below it. */
static fallible make_total(void *self, json_t *expression, json_t **out_replacement)
{
    const bool *inside = self;
    bool is_function = ast_is(expression, "class", "FUNCTION");
    /* TRY may not stand around an aggregate; its arguments are on their own again. */
    bool wrap = is_function && !*inside && !ast_has_aggregate(expression) && vet_function_raises(expression);
    bool is_try = ast_is(expression, "type", "OPERATOR_TRY");
    bool below = (*inside && !ast_is_aggregate(expression)) || wrap || is_try;
    if (ast_is(expression, "class", "CAST")) {
        TRY(json_set(expression, "try_cast", json_true()));
    }
    TRY(ast_children(expression, &(struct ast_visitor){&below, make_total}));
    if (!wrap) {
        return OK;
    }
    json_t *wrapped = ast_operator("OPERATOR_TRY", ast_bare(expression));
    REQUIRE(wrapped != NULL, NO_MEMORY, "vet.memory");
    *out_replacement = wrapped;
    return json_set(wrapped, "alias", json_string(ast_member(expression, "alias")));
}

static fallible block_total(json_t *node)
{
    return ast_visit_select(node, &(struct ast_visitor){&(bool){false}, make_total});
}

/* ---- Total order ---- */

/* The ORDER BY as written, then every output as a tie-breaker, nulls last unless said otherwise. */
static fallible order_complete(json_t *orders, size_t outputs)
{
    size_t index;
    json_t *order;
    json_array_foreach (orders, index, order) {
        if (ast_is(order, "null_order", "ORDER_DEFAULT")) {
            TRY(json_set(order, "null_order", json_string("NULLS LAST")));
        }
        if (ast_is(order, "type", "ORDER_DEFAULT")) {
            TRY(json_set(order, "type", json_string("ASCENDING")));
        }
    }
    for (size_t i = 1; i <= outputs; i++) {
        TRY(json_add(orders, ast_order(ast_integer((int64_t)i))));
    }
    return OK;
}

static fallible post_order(json_t *node)
{
    json_t *modifiers = json_object_get(node, "modifiers");
    size_t outputs = json_array_size(json_object_get(node, "select_list"));
    size_t place = 0;
    size_t index;
    json_t *modifier;
    json_array_foreach (modifiers, index, modifier) {
        if (ast_is(modifier, "type", "ORDER_MODIFIER")) {
            return order_complete(json_object_get(modifier, "orders"), outputs);
        }
        place += ast_is(modifier, "type", "DISTINCT_MODIFIER") ? 1 : 0;
    }
    json_t *orders = json_array();
    json_t *added = json_pack("{s:s,s:o}", "type", "ORDER_MODIFIER", "orders", orders);
    REQUIRE(added != NULL && json_array_insert_new(modifiers, place, added) == 0, NO_MEMORY, "vet.memory");
    return order_complete(orders, outputs);
}

fallible vet_rewrite(struct vet *vet, json_t *node)
{
    json_t *core;
    for (size_t i = 0; (core = ast_core(node, i)) != NULL; i++) {
        /* Totality first, so that a threshold counts what its aggregate really adds up. */
        TRY(block_total(core));
        TRY(core_protect(vet, core));
    }
    TRY(block_total(node));
    return post_order(node);
}
