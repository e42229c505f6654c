/* A single block: its aggregates and keys become the core, the rest the post. */
#include "party/template_engine/template_parts.h"

#include <stdio.h>

struct lift {
    struct template_block *block;
    struct text core; /* references are qualified: an output may have a core column's name */
    json_t *core_items;
    struct text wish; /* the name of the output that the expression is all of */
    bool grouped;
};

/* Whether a name is that of an output or of a core's column. */
static bool name_is_taken(const struct lift *lift, struct text name)
{
    const json_t *lists[] = {json_object_get(lift->block->node, "select_list"), lift->core_items};
    size_t index;
    json_t *item;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        json_array_foreach (lists[i], index, item) {
            if (vet_name_equal(text_of(ast_member(item, "alias")), name)) {
                return true;
            }
        }
    }
    return false;
}

/* The core's column that is equal to `expression`; NULL where there is none. */
static json_t *core_item_find(const struct lift *lift, const json_t *expression)
{
    scoped_json *bare = ast_bare(expression);
    size_t index;
    json_t *item;
    json_array_foreach (lift->core_items, index, item) {
        scoped_json *other = ast_bare(item);
        if (json_equal(other, bare)) {
            return item;
        }
    }
    return NULL;
}

static fallible core_item_add(struct lift *lift, const json_t *expression, json_t **out)
{
    char generated[32];
    struct text name = lift->wish;
    for (size_t i = json_array_size(lift->core_items) + 1; name.size == 0; i++) {
        snprintf(generated, sizeof generated, "c%zu", i);
        name = name_is_taken(lift, text_of(generated)) ? (struct text){0} : text_of(generated);
    }
    json_t *item = json_deep_copy(expression);
    TRY(json_add(lift->core_items, item));
    *out = item;
    return json_set_text(item, "alias", name);
}

static fallible lift_out(struct lift *lift, json_t *expression, json_t **out)
{
    json_t *item = core_item_find(lift, expression);
    if (item == NULL) {
        TRY(core_item_add(lift, expression, &item));
    }
    *out = ast_column(lift->core, text_of(ast_member(item, "alias")));
    REQUIRE(*out != NULL, NO_MEMORY, "template.memory");
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
    bool whole = ast_is_aggregate(expression) || is_group_key(lift, expression);
    if (whole || (ast_is_column(expression) && !lift->grouped)) {
        return lift_out(lift, expression, out_replacement);
    }
    if (ast_is_column(expression)) {
        return vet_refuse(lift->block->vet, "mode.template", expression,
                          "column \"%s\" must be in GROUP BY or in an aggregate",
                          json_string_value(json_array_get(json_object_get(expression, "column_names"), 1)));
    }
    lift->wish = (struct text){0};
    return ast_children(expression, &(struct ast_visitor){lift, lift_visit});
}

/* `*out` is the lifted expression, with the alias `name`. */
static fallible lift_expression(struct lift *lift, json_t *expression, struct text name, json_t **out)
{
    json_t *replacement = NULL;
    lift->wish = name;
    TRY(lift_visit(lift, expression, &replacement));
    *out = replacement == NULL ? json_incref(expression) : replacement;
    return json_set_text(*out, "alias", name);
}

static fallible lift_outputs(struct lift *lift, json_t *post_items)
{
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(lift->block->node, "select_list"), index, item) {
        json_t *lifted = NULL;
        TRY(lift_expression(lift, item, text_of(ast_member(item, "alias")), &lifted));
        TRY(json_add(post_items, lifted));
    }
    return OK;
}

static fallible lift_having(struct lift *lift, json_t *post)
{
    json_t *lifted = NULL;
    if (ast_is_empty(json_object_get(lift->block->node, "having"))) {
        return OK;
    }
    TRY(template_qualify(lift->block, lift->block->node, "having"));
    TRY(lift_expression(lift, json_object_get(lift->block->node, "having"), (struct text){0}, &lifted));
    return json_set(post, "where_clause", lifted);
}

static fallible lift_orders(struct lift *lift, json_t *post)
{
    json_t *modifiers = json_object_get(lift->block->node, "modifiers");
    size_t index;
    size_t place;
    json_t *modifier;
    json_t *order;
    json_array_foreach (modifiers, index, modifier) {
        json_array_foreach (json_object_get(modifier, "orders"), place, order) {
            json_t *lifted = NULL;
            TRY(template_qualify(lift->block, order, "expression"));
            TRY(lift_expression(lift, json_object_get(order, "expression"), (struct text){0}, &lifted));
            TRY(json_set(order, "expression", lifted));
        }
    }
    return json_set(post, "modifiers", json_incref(modifiers));
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

/* SELECT … FROM core, still without its columns. */
static json_t *post_make(struct text core)
{
    return json_pack(
        "{s:s,s:[],s:{s:[]},s:[],s:{s:s,s:s,s:n,s:s,s:s%,s:[],s:s,s:n},s:n,s:[],s:[],s:s,s:n,s:n,s:n}",
        "type", "SELECT_NODE", "modifiers", "cte_map", "map", "select_list", "from_table", "type",
        "BASE_TABLE", "alias", "", "sample", "schema_name", "", "table_name", core.data, core.size,
        "column_name_alias", "catalog_name", "", "at_clause", "where_clause", "group_expressions",
        "group_sets", "aggregate_handling", "STANDARD_HANDLING", "having", "sample", "qualify");
}

static bool is_grouped(const json_t *node)
{
    bool grouped = !ast_is_empty(json_object_get(node, "having")) ||
                   json_array_size(json_object_get(node, "group_expressions")) > 0;
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(node, "select_list"), index, item) {
        grouped = grouped || ast_has_aggregate(item);
    }
    return grouped;
}

/* The block is now the core: it keeps FROM, WHERE and GROUP BY. */
static fallible core_put(json_t *node, json_t *core_items, struct text name, json_t *post)
{
    TRY(json_set(node, "select_list", json_incref(core_items)));
    TRY(json_set(node, "having", json_null()));
    TRY(json_set(node, "modifiers", json_array()));
    return json_add(json_object_get(json_object_get(post, "cte_map"), "map"),
                    json_pack("{s:s%,s:{s:[],s:{s:O,s:[]},s:s,s:[]}}", "key", name.data, name.size, "value",
                              "aliases", "query", "node", node, "named_param_map", "materialized",
                              "CTE_MATERIALIZE_DEFAULT", "key_targets"));
}

fallible template_lift(struct vet *vet, json_t *node, json_t **out)
{
    struct template_block block;
    struct text name;
    TRY(template_qualify_block(vet, node, &block));
    TRY(core_name(vet, &name));
    scoped_json *post = post_make(name);
    scoped_json *core_items = json_array();
    REQUIRE(post != NULL && core_items != NULL, NO_MEMORY, "template.memory");
    struct lift lift = {.block = &block, .core = name, .core_items = core_items, .grouped = is_grouped(node)};
    TRY(lift_outputs(&lift, json_object_get(post, "select_list")));
    TRY(lift_having(&lift, post));
    TRY(lift_orders(&lift, post));
    if (json_array_size(core_items) == 0) {
        return vet_refuse(vet, "mode.template", NULL, "the query reads no column");
    }
    TRY(core_put(node, core_items, name, post));
    *out = json_incref(post);
    return OK;
}
