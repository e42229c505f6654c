/* query/vet_parts.h: what the parts of the vetter share. Not for other modules. */
#pragma once

#include "query/ast.h"

enum {
    VET_TEXT_BYTES_MAX = 64 * 1024,
    VET_NODES_MAX = 2000,
    VET_DEPTH_MAX = 64,
    VET_CORES_MAX = 8,
    VET_CORE_USES_MAX = 2,
    VET_BASE_TABLES_MAX = 8,
    VET_IN_LIST_MAX = 1000,
    VET_TABLES_MAX = 32,
    VET_PARAMETERS_MAX = 64,
    VET_OUTPUTS_MAX = 256,
    VET_COLUMNS_MAX = 2048,
};

struct vet_table {
    struct text name;
    struct text *columns;
    struct text *types;
    bool *read;    /* by the tree's lineage */
    bool *scanned; /* by the plan's lineage */
    size_t column_count;
    size_t entity; /* index of the entity's column; column_count where there is none */
    int64_t min_entities;
    bool used;
};

struct vet_parameter {
    struct text name;
    struct text type;
    struct text value;
    bool has_value;
    bool used;
};

struct vet {
    struct arena *arena;
    struct engine *engine;
    struct text sql;
    struct vet_table tables[VET_TABLES_MAX];
    size_t table_count;
    struct vet_parameter parameters[VET_PARAMETERS_MAX];
    size_t parameter_count;
    size_t nodes;
    /* The refusal, where there is one. */
    const char *code;
    const char *message;
    int64_t offset;
};

/* Records a refusal and gives the failure that ends the vetting. `node` tells the place, or NULL. */
fallible vet_refuse(struct vet *vet, const char *code, const json_t *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Names compare as the engine compares them: ASCII letters without case. */
bool vet_name_equal(struct text left, struct text right);
struct vet_table *vet_table_find(struct vet *vet, struct text name);
struct vet_parameter *vet_parameter_find(struct vet *vet, struct text name);

/* vet_walk.c: the allow-list over one statement's node. */
fallible vet_walk(struct vet *vet, json_t *node);
/* Whether an allowed function may raise an error that tells about a value. */
bool vet_function_raises(const json_t *function);

/* vet_shape.c: the tree in normal form: WITH cores over base tables, columns qualified, SELECT over cores.
 * A single block becomes one core and its post. Refuses any other shape. */
fallible vet_shape(struct vet *vet, json_t *node, json_t **out_normal);

/* The base tables of a core's FROM. */
struct vet_scope {
    struct {
        struct text alias;
        struct vet_table *table;
    } items[VET_BASE_TABLES_MAX];
    size_t count;
};
fallible vet_scope_of(struct vet *vet, json_t *from_table, struct vet_scope *out);

/* A core being looked at: its node, its tables, whether its select names may be used (GROUP BY and the like).
 */
struct vet_block {
    struct vet *vet;
    json_t *node;
    struct vet_scope scope;
    bool names_of_select;
};

/* vet_names.c: gives an output that is a bare column its name, and refuses others without one. */
fallible vet_outputs_name(struct vet *vet, json_t *node);
/* Puts every column reference of a block in the form TABLE.COLUMN, and GROUP BY by position or
 * name in that of the expression meant. Every output has a name afterwards. */
fallible vet_block_qualify(struct vet *vet, json_t *node, struct vet_block *out);
/* The same for one more expression of the block, in place. */
fallible vet_qualify_member(struct vet_block *block, json_t *parent, const char *member);

/* vet_parameter.c: checks the values' forms; puts typed constants in place of parameters. */
fallible vet_parameters_check(struct vet *vet);
fallible vet_parameters_put(struct vet *vet, json_t *node);

/* vet_rewrite.c: thresholds, total functions, total order. */
fallible vet_rewrite(struct vet *vet, json_t *normal);

/* vet_lineage.c: both lineages of the rewritten tree and its text, which must agree; refuses conversions that
 * may fail and sums of floating-point numbers. Marks `used` and `read`. */
fallible vet_lineage(struct vet *vet, json_t *normal, struct text executed);
