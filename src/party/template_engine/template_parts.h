/* party/template_engine/template_parts.h: what the parts of the template engine share. */
#pragma once

#include "query/vet_parts.h"

/* A core being looked at: its node, its tables, whether its select names may be used (GROUP BY and the like).
 */
struct template_block {
    struct vet *vet;
    json_t *node;
    struct vet_scope scope;
    bool names_of_select;
};

/* names.c: gives an output that is a bare column its name. */
fallible template_name_outputs(json_t *node);
/* Puts every column reference of a block in the form TABLE.COLUMN, and GROUP BY by position or name in that
 * of the expression meant. ORDER BY and HAVING are left for the caller, who may ask for them with
 * `template_qualify`: the names of outputs count there. */
fallible template_qualify_block(struct vet *vet, json_t *node, struct template_block *out);
/* The same for one more expression of the block, in place. */
fallible template_qualify(struct template_block *block, json_t *parent, const char *member);

/* lift.c: a single block over tables becomes a core of its keys and aggregates, and a post of the rest. */
fallible template_lift(struct vet *vet, json_t *node, json_t **out);
