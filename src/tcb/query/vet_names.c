/* Which table and column a name of a core means. */
#include "query/vet_parts.h"

static fallible scope_add(struct vet *vet, json_t *table, struct vet_scope *scope)
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

static fallible scope_fill(struct vet *vet, json_t *from, struct vet_scope *scope)
{
    if (ast_is(from, "type", "BASE_TABLE")) {
        return scope_add(vet, from, scope);
    }
    TRY(scope_fill(vet, json_object_get(from, "left"), scope));
    return scope_fill(vet, json_object_get(from, "right"), scope);
}

fallible vet_scope_of(struct vet *vet, json_t *from_table, struct vet_scope *out)
{
    struct vet_scope scope = {.count = 0};
    TRY(scope_fill(vet, from_table, &scope));
    *out = scope;
    return OK;
}

static size_t column_find(const struct vet_table *table, struct text name)
{
    size_t i = 0;
    while (i < table->column_count && !vet_name_equal(table->columns[i], name)) {
        i++;
    }
    return i;
}

static fallible resolve_qualified(struct vet_block *block, json_t *reference, json_t **out)
{
    json_t *names = json_object_get(reference, "column_names");
    struct text qualifier = text_of(json_string_value(json_array_get(names, 0)));
    struct text name = text_of(json_string_value(json_array_get(names, 1)));
    for (size_t i = 0; i < block->scope.count; i++) {
        const struct vet_table *table = block->scope.items[i].table;
        if (vet_name_equal(block->scope.items[i].alias, qualifier)) {
            size_t column = column_find(table, name);
            if (column < table->column_count) {
                *out = ast_column(block->scope.items[i].alias, table->columns[column]);
                return OK;
            }
        }
    }
    return vet_refuse(block->vet, "name.column", reference, "no column \"%.*s.%.*s\"", TEXT_ARGS(qualifier),
                      TEXT_ARGS(name));
}

/* The column of the block's tables by that name: NULL where there is none. */
static fallible column_by_name(struct vet_block *block, json_t *reference, struct text name, json_t **out)
{
    json_t *found = NULL;
    for (size_t i = 0; i < block->scope.count; i++) {
        const struct vet_table *table = block->scope.items[i].table;
        size_t column = column_find(table, name);
        if (column == table->column_count) {
            continue;
        }
        if (found != NULL) {
            json_decref(found);
            return vet_refuse(block->vet, "name.ambiguous", reference,
                              "column \"%.*s\" is in several tables: "
                              "write TABLE.%.*s",
                              TEXT_ARGS(name), TEXT_ARGS(name));
        }
        found = ast_column(block->scope.items[i].alias, table->columns[column]);
    }
    *out = found;
    return OK;
}

/* The select item that is called `name` with AS. */
static json_t *item_by_name(const struct vet_block *block, struct text name)
{
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(block->node, "select_list"), index, item) {
        if (ast_member(item, "alias")[0] != '\0' &&
            vet_name_equal(text_of(ast_member(item, "alias")), name)) {
            return item;
        }
    }
    return NULL;
}

/* Whether a table has a column `name`, and whether `meant` is one of them. */
static void columns_compare(const struct vet_block *block, struct text name, const json_t *meant,
                            bool *out_any, bool *out_same)
{
    *out_any = *out_same = false;
    for (size_t i = 0; i < block->scope.count; i++) {
        const struct vet_table *table = block->scope.items[i].table;
        size_t column = column_find(table, name);
        if (column < table->column_count) {
            scoped_json *reference = ast_column(block->scope.items[i].alias, table->columns[column]);
            *out_any = true;
            *out_same = *out_same || json_equal(reference, meant);
        }
    }
}

static fallible resolve_plain(struct vet_block *block, json_t *reference, json_t **out)
{
    struct text name =
        text_of(json_string_value(json_array_get(json_object_get(reference, "column_names"), 0)));
    json_t *item = block->names_of_select ? item_by_name(block, name) : NULL;
    if (item != NULL) {
        bool any = false;
        bool same = false;
        scoped_json *meant = ast_bare(item);
        columns_compare(block, name, meant, &any, &same);
        if (any && !same) {
            return vet_refuse(block->vet, "name.ambiguous", reference,
                              "\"%.*s\" is a column of a table and the name of another output",
                              TEXT_ARGS(name));
        }
        *out = json_incref(meant);
        return OK;
    }
    json_t *column = NULL;
    TRY(column_by_name(block, reference, name, &column));
    if (column == NULL) {
        return vet_refuse(block->vet, "name.column", reference, "no column \"%.*s\"", TEXT_ARGS(name));
    }
    *out = column;
    return OK;
}

/* Replaces a reference by its qualified form, keeping its alias. */
static fallible qualify(void *self, json_t *expression, json_t **out_replacement)
{
    struct vet_block *block = self;
    if (!ast_is_column(expression)) {
        return ast_children(expression, &(struct ast_visitor){block, qualify});
    }
    json_t *resolved = NULL;
    size_t parts = json_array_size(json_object_get(expression, "column_names"));
    TRY(parts == 2 ? resolve_qualified(block, expression, &resolved)
                   : resolve_plain(block, expression, &resolved));
    *out_replacement = resolved;
    return json_set(resolved, "alias", json_string(ast_member(expression, "alias")));
}

fallible vet_qualify_member(struct vet_block *block, json_t *parent, const char *member)
{
    return ast_visit(parent, member, &(struct ast_visitor){block, qualify});
}

/* GROUP BY 2 means the second output. */
static fallible positions_replace(struct vet_block *block)
{
    json_t *groups = json_object_get(block->node, "group_expressions");
    json_t *items = json_object_get(block->node, "select_list");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        json_t *group = json_array_get(groups, i);
        if (!ast_is(group, "class", "CONSTANT")) {
            continue;
        }
        json_t *number = json_object_get(json_object_get(group, "value"), "value");
        json_int_t place = json_is_integer(number) ? json_integer_value(number) : 0;
        if (place < 1 || (size_t)place > json_array_size(items)) {
            return vet_refuse(block->vet, "sql.clause", group, "GROUP BY a constant");
        }
        json_t *meant = ast_bare(json_array_get(items, (size_t)place - 1));
        REQUIRE(meant != NULL && json_array_set_new(groups, i, meant) == 0, NO_MEMORY, "vet.memory");
    }
    return OK;
}

fallible vet_outputs_name(struct vet *vet, json_t *node)
{
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(node, "select_list"), index, item) {
        json_t *names = json_object_get(item, "column_names");
        if (ast_is(item, "alias", "") && ast_is_column(item)) {
            TRY(json_set(item, "alias", json_incref(json_array_get(names, json_array_size(names) - 1))));
        }
        if (ast_is(item, "alias", "")) {
            return vet_refuse(vet, "mode.template", item, "name output %zu with AS", index + 1);
        }
    }
    return OK;
}

fallible vet_block_qualify(struct vet *vet, json_t *node, struct vet_block *out)
{
    struct vet_block block = {.vet = vet, .node = node};
    TRY(vet_scope_of(vet, json_object_get(node, "from_table"), &block.scope));
    TRY(vet_outputs_name(vet, node));
    TRY(vet_qualify_member(&block, node, "select_list"));
    TRY(ast_visit_joins(json_object_get(node, "from_table"), &(struct ast_visitor){&block, qualify}));
    TRY(vet_qualify_member(&block, node, "where_clause"));
    TRY(positions_replace(&block));
    block.names_of_select = true;
    TRY(vet_qualify_member(&block, node, "group_expressions"));
    *out = block;
    return OK;
}
