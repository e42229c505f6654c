/* query/ast.h: DuckDB's syntax trees as JSON: text to tree, tree to text, and building nodes.
 *
 * The engine itself parses and prints (json_serialize_sql, json_deserialize_sql); this module makes its JSON
 * safe to hold: integers that may not fit 64 bits are kept exactly as `{"u64":"…"}`, positions can be
 * removed, and two trees can be compared. A node made here has every member that the engine's printer
 * expects. NULL from a constructor means no memory; it may be passed on to the next one, and `json_set`
 * reports it in the end. */
#pragma once

#include "base/json.h"
#include "query/engine.h"

/* JSON of the engine's, with its unsigned integers. */
fallible ast_decode(struct text text, json_t **out);
fallible ast_encode(struct arena *arena, const json_t *value, struct text *out);

/* What json_serialize_sql answers for `sql`, errors included: the caller looks at "error". The SQL must hold
 * no NUL. INVALID where the engine cannot even answer. */
fallible ast_parse(struct engine *engine, struct arena *arena, struct text sql, json_t **out_answer);

/* The text of a SELECT node, and proof that the text means exactly it: parsed again it gives an equal tree.
 * `node` is stripped. INVALID; UNTRUSTED "ast.round_trip" where the printer and the parser disagree. */
fallible ast_print_checked(struct engine *engine, struct arena *arena, json_t *node, struct text *out);

/* Removes positions and what two ways of writing the same thing leave behind. */
void ast_strip(json_t *value);

/* The position of a node in the text, -1 where it has none. */
int64_t ast_offset(const json_t *node);

static inline const char *ast_member(const json_t *node, const char *name)
{
    const char *value = json_string_value(json_object_get(node, name));
    return value == NULL ? "" : value;
}

static inline bool ast_is(const json_t *node, const char *name, const char *want)
{
    return strcmp(ast_member(node, name), want) == 0;
}

static inline bool ast_is_column(const json_t *node)
{
    return ast_is(node, "class", "COLUMN_REF");
}

/* True for null, false, zero, "", [] and {}. */
bool ast_is_empty(const json_t *value);

/* Calls `visit` for each child expression of an expression; what it gives takes the child's place (`*slot` is
 * owned by the tree: to replace it, give a new reference through `out`, or NULL to keep it). */
struct ast_visitor {
    void *self;
    fallible (*visit)(void *self, json_t *child, json_t **out_replacement);
};
fallible ast_children(json_t *expression, const struct ast_visitor *visitor);

/* The same for a member that is an expression or an array of them; for the conditions of a FROM's joins; for
 * every expression of a SELECT node, its ORDER BY included and its WITH queries not. */
fallible ast_visit(json_t *parent, const char *member, const struct ast_visitor *visitor);
fallible ast_visit_joins(json_t *from_table, const struct ast_visitor *visitor);
fallible ast_visit_select(json_t *node, const struct ast_visitor *visitor);

/* The SELECT node of a WITH query; NULL behind the last. */
json_t *ast_core(const json_t *node, size_t index);

bool ast_is_aggregate(const json_t *expression);  /* this node */
bool ast_has_aggregate(const json_t *expression); /* this node or one below */

/* A copy without its alias and positions, for comparing and for putting elsewhere. */
json_t *ast_bare(const json_t *expression);

/* Constructors; json_t arguments are taken over. */
json_t *ast_column(struct text table, struct text column);
json_t *ast_text(struct text value);
json_t *ast_null(void);
json_t *ast_integer(int64_t value);
json_t *ast_function(const char *name, json_t *arguments, bool distinct, json_t *filter);
json_t *ast_operator(const char *type, json_t *only_child);
json_t *ast_and(json_t *left, json_t *right); /* one of them may be absent (NULL) */
json_t *ast_at_least(json_t *left, int64_t bound);
json_t *ast_case(json_t *when, json_t *then);
json_t *ast_try_cast(json_t *child, json_t *type);
json_t *ast_order(json_t *expression);

/* A type's node from its name (doc/formats.md §1.3), NULL for a name that is not one; TIME, BLOB and UUID
 * are. */
json_t *ast_type(struct text name);
/* Whether a type's node is one that `ast_type` gives. */
bool ast_type_is_plain(const json_t *type);
