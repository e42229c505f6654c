/* Which table and column a name of a core means. */
#include "party/template_engine/template_parts.h"

/* The column of the block's tables by that name, of the table that is called `qualifier` where it is not
 * empty: NULL where there is none. */
static fallible column_by_name(struct template_block *block, json_t *reference, struct text qualifier,
                               struct text name, json_t **out)
{
    scoped_json *found = NULL;
    for (size_t i = 0; i < block->scope.count; i++) {
        struct text alias = block->scope.items[i].alias;
        const struct vet_column *column = vet_column_find(block->scope.items[i].table, name);
        if (column == NULL || (qualifier.size > 0 && !vet_name_equal(alias, qualifier))) {
            continue;
        }
        if (found != NULL) {
            return vet_refuse(block->vet, "name.ambiguous", reference,
                              "column \"%.*s\" is in several tables: "
                              "write TABLE.%.*s",
                              TEXT_ARGS(name), TEXT_ARGS(name));
        }
        found = ast_column(alias, column->name);
        REQUIRE(found != NULL, NO_MEMORY, "template.memory");
    }
    *out = json_incref(found);
    return OK;
}

/* The select item that is called `name` with AS. */
static json_t *item_by_name(const struct template_block *block, struct text name)
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
static void columns_compare(const struct template_block *block, struct text name, const json_t *meant,
                            bool *out_any, bool *out_same)
{
    *out_any = *out_same = false;
    for (size_t i = 0; i < block->scope.count; i++) {
        const struct vet_column *column = vet_column_find(block->scope.items[i].table, name);
        if (column != NULL) {
            scoped_json *reference = ast_column(block->scope.items[i].alias, column->name);
            *out_any = true;
            *out_same = *out_same || json_equal(reference, meant);
        }
    }
}

static fallible resolve_qualified(struct template_block *block, json_t *reference, json_t **out)
{
    json_t *names = json_object_get(reference, "column_names");
    struct text qualifier = text_of(json_string_value(json_array_get(names, 0)));
    struct text name = text_of(json_string_value(json_array_get(names, 1)));
    json_t *column = NULL;
    TRY(column_by_name(block, reference, qualifier, name, &column));
    if (column == NULL) {
        return vet_refuse(block->vet, "name.column", reference, "no column \"%.*s.%.*s\"",
                          TEXT_ARGS(qualifier), TEXT_ARGS(name));
    }
    *out = column;
    return OK;
}

static fallible resolve_plain(struct template_block *block, json_t *reference, json_t **out)
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
    TRY(column_by_name(block, reference, (struct text){0}, name, &column));
    if (column == NULL) {
        return vet_refuse(block->vet, "name.column", reference, "no column \"%.*s\"", TEXT_ARGS(name));
    }
    *out = column;
    return OK;
}

/* Replaces a reference by its qualified form, keeping its alias. */
static fallible qualify(void *self, json_t *expression, json_t **out_replacement)
{
    struct template_block *block = self;
    if (!ast_is_column(expression)) {
        return ast_children(expression, &(struct ast_visitor){block, qualify});
    }
    json_t *resolved = NULL;
    size_t parts = json_array_size(json_object_get(expression, "column_names"));
    TRY(parts == 2 ? resolve_qualified(block, expression, &resolved)
                   : resolve_plain(block, expression, &resolved));
    *out_replacement = resolved;
    /* Refusals of later steps still tell the place. */
    json_t *place = json_object_get(expression, "query_location");
    TRY(place == NULL ? OK : json_set(resolved, "query_location", json_incref(place)));
    return json_set(resolved, "alias", json_string(ast_member(expression, "alias")));
}

fallible template_qualify(struct template_block *block, json_t *parent, const char *member)
{
    return ast_visit(parent, member, &(struct ast_visitor){block, qualify});
}

/* GROUP BY 2 means the second output. */
static fallible positions_replace(struct template_block *block)
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
        REQUIRE(meant != NULL && json_array_set_new(groups, i, meant) == 0, NO_MEMORY, "template.memory");
    }
    return OK;
}

fallible template_name_outputs(json_t *node)
{
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(node, "select_list"), index, item) {
        json_t *names = json_object_get(item, "column_names");
        if (ast_is(item, "alias", "") && ast_is_column(item)) {
            TRY(json_set(item, "alias", json_incref(json_array_get(names, json_array_size(names) - 1))));
        }
    }
    return OK;
}

fallible template_qualify_block(struct vet *vet, json_t *node, struct template_block *out)
{
    struct template_block block = {.vet = vet, .node = node};
    TRY(vet_scope_add(vet, json_object_get(node, "from_table"), &block.scope));
    TRY(template_name_outputs(node));
    TRY(template_qualify(&block, node, "select_list"));
    TRY(ast_visit_joins(json_object_get(node, "from_table"), &(struct ast_visitor){&block, qualify}));
    TRY(template_qualify(&block, node, "where_clause"));
    TRY(positions_replace(&block));
    block.names_of_select = true;
    TRY(template_qualify(&block, node, "group_expressions"));
    *out = block;
    return OK;
}
