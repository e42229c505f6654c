/* query/vet_parts.h: what the parts of the vetter share, also with the party's template engine
 * (src/party/template_engine), which is built from the same parts. Not for other modules. */
#pragma once

#include "query/ast.h"

enum {
    VET_TEXT_BYTES_MAX = 64 * 1024,
    VET_COMMENTS_MAX = 100,
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

struct vet_column {
    struct text name;
    struct text type;
    bool read;    /* by the tree's lineage */
    bool scanned; /* by the plan's lineage */
};

struct vet_table {
    struct text name;
    struct vet_column *columns; /* by name */
    size_t column_count;
    const struct vet_column *entity; /* NULL where there is none */
    uint64_t min_entities;
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
    bool values_missing;
    size_t nodes;
    bool in_sum; /* the aggregate being looked at is a sum */
    /* The refusal, where there is one. */
    const char *code;
    const char *message;
    int64_t offset;
};

/* Serves one request on `stream`: reads it, enters the sandbox, opens an engine on empty tables, and sends
 * what `work` puts into the answer, or the refusal. */
void vet_serve_work(int stream, fallible (*work)(struct vet *vet, json_t *answer));

/* Records a refusal and gives the failure that ends the vetting. `node` tells the place, or NULL. */
fallible vet_refuse(struct vet *vet, const char *code, const json_t *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The one SELECT of the request's text, within the limits of the text and with positions. */
fallible vet_parse(struct vet *vet, json_t **out_node);
/* The node's text, which means exactly the node: ast_print_checked. */
fallible vet_print(struct vet *vet, json_t *node, struct text *out);

/* Names compare as the engine compares them: ASCII letters without case. NULL where there is none. */
bool vet_name_equal(struct text left, struct text right);
struct vet_table *vet_table_find(struct vet *vet, struct text name);
struct vet_column *vet_column_find(const struct vet_table *table, struct text name);
struct vet_parameter *vet_parameter_find(struct vet *vet, struct text name);

/* vet_walk.c: the allow-list over one statement's node. */
fallible vet_walk(struct vet *vet, json_t *node);
/* Whether an allowed function may raise an error that tells about a value. */
bool vet_function_raises(const json_t *function);

/* The base tables of a core's FROM. */
struct vet_scope {
    struct {
        struct text alias;
        struct vet_table *table;
    } items[VET_BASE_TABLES_MAX];
    size_t count;
};

/* vet_shape.c: WITH cores over base tables, SELECT over cores, every output with a name of its own. Refuses
 * any other shape. */
fallible vet_shape(struct vet *vet, json_t *node);
/* Adds the tables of a FROM. */
fallible vet_scope_add(struct vet *vet, json_t *from_table, struct vet_scope *scope);

/* vet_measure.c: whether an aggregate over protected rows counts for everybody whom it tells about. */
fallible vet_measure(struct vet *vet, json_t *aggregate);

/* vet_parameter.c: checks the values' forms; puts typed constants in place of parameters. */
fallible vet_parameters_check(struct vet *vet);
fallible vet_parameters_put(struct vet *vet, json_t *node);

/* vet_rewrite.c: thresholds, total functions, total order. */
fallible vet_rewrite(struct vet *vet, json_t *node);

/* vet_lineage.c: both lineages of the rewritten tree and its text, which must agree; refuses a column that a
 * core does not write as TABLE.COLUMN, conversions that may fail and sums of floating-point numbers. Marks
 * `used` and `read`. */
fallible vet_lineage(struct vet *vet, json_t *node, struct text executed);
