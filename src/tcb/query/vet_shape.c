/* Mode `approved`: cores over base tables, a post over cores. */
#include "query/vet_parts.h"

static fallible scope_add_table(struct vet *vet, json_t *table, struct vet_scope *scope)
{
    struct text name = text_of(ast_member(table, "table_name"));
    struct text alias = text_of(ast_member(table, "alias"));
    struct vet_table *found = vet_table_find(vet, name);
    if (found == NULL) {
        return vet_refuse(vet, "name.dataset", table,
                          "\"%.*s\" is not a table of this contract that a WITH query "
                          "may read",
                          TEXT_ARGS(name));
    }
    alias = alias.size > 0 ? alias : name;
    for (size_t i = 0; i < scope->count; i++) {
        if (vet_name_equal(scope->items[i].alias, alias)) {
            return vet_refuse(vet, "name.ambiguous", table, "\"%.*s\" names two tables", TEXT_ARGS(alias));
        }
    }
    if (scope->count == VET_BASE_TABLES_MAX) {
        return vet_refuse(vet, "sql.size", table, "more than %d tables", VET_BASE_TABLES_MAX);
    }
    scope->items[scope->count].alias = alias;
    scope->items[scope->count++].table = found;
    return OK;
}

fallible vet_scope_add(struct vet *vet, json_t *from_table, struct vet_scope *scope)
{
    if (ast_is(from_table, "type", "BASE_TABLE")) {
        return scope_add_table(vet, from_table, scope);
    }
    TRY(vet_scope_add(vet, json_object_get(from_table, "left"), scope));
    return vet_scope_add(vet, json_object_get(from_table, "right"), scope);
}

static fallible outputs_check(struct vet *vet, json_t *node)
{
    json_t *items = json_object_get(node, "select_list");
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        struct text name = text_of(ast_member(item, "alias"));
        if (name.size == 0) {
            return vet_refuse(vet, "mode.template", item, "name output %zu with AS", i + 1);
        }
        for (size_t j = 0; j < i; j++) {
            if (vet_name_equal(name, text_of(ast_member(json_array_get(items, j), "alias")))) {
                return vet_refuse(vet, "name.ambiguous", item, "two outputs are called \"%.*s\"",
                                  TEXT_ARGS(name));
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
    return thresholds ? vet_measure(vet, item) : OK;
}

static fallible core_shape(struct vet *vet, json_t *node)
{
    struct vet_scope scope = {.count = 0};
    size_t index;
    json_t *item;
    if (!ast_is_empty(json_object_get(node, "having"))) {
        return vet_refuse(vet, "mode.template", json_object_get(node, "having"),
                          "HAVING in a WITH query: filter with WHERE in the final SELECT instead");
    }
    if (!ast_is_empty(json_object_get(node, "modifiers"))) {
        return vet_refuse(vet, "mode.template", NULL,
                          "DISTINCT, ORDER BY and LIMIT belong in the final SELECT, not in a WITH query");
    }
    json_array_foreach (json_object_get(node, "group_expressions"), index, item) {
        if (ast_is(item, "class", "CONSTANT")) {
            return vet_refuse(vet, "sql.clause", item, "GROUP BY a constant");
        }
    }
    TRY(vet_scope_add(vet, json_object_get(node, "from_table"), &scope));
    bool thresholds = is_protected(&scope);
    if (thresholds && !is_grouped(node)) {
        return vet_refuse(
            vet, "mode.template", NULL,
            "rows of a table with an entity leave only as aggregates: add GROUP BY or aggregates");
    }
    json_array_foreach (json_object_get(node, "select_list"), index, item) {
        TRY(item_check(vet, item, thresholds));
    }
    return outputs_check(vet, node);
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

fallible vet_shape(struct vet *vet, json_t *node)
{
    json_t *entries = json_object_get(json_object_get(node, "cte_map"), "map");
    if (json_array_size(entries) == 0) {
        return vet_refuse(vet, "mode.single_block", NULL,
                          "the text must be WITH NAME AS (SELECT … FROM tables) SELECT … FROM NAME");
    }
    struct core_names cores = {.count = 0};
    TRY(cores_shape(vet, entries, &cores));
    TRY(post_from(vet, json_object_get(node, "from_table"), &cores));
    for (size_t i = 0; i < cores.count; i++) {
        if (cores.uses[i] == 0) {
            return vet_refuse(vet, "mode.template", NULL, "\"%.*s\" is not used", TEXT_ARGS(cores.names[i]));
        }
    }
    return outputs_check(vet, node);
}
