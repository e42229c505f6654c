#include "party/template_engine/template_engine.h"

#include "party/template_engine/template_parts.h"

static fallible complete_names(struct vet *vet, json_t *node)
{
    json_t *core;
    for (size_t i = 0; (core = ast_core(node, i)) != NULL; i++) {
        struct template_block block;
        TRY(template_qualify_block(vet, core, &block));
    }
    return template_name_outputs(node);
}

static fallible template_work(struct vet *vet, json_t *answer)
{
    scoped_json *node = NULL;
    scoped_json *lifted = NULL;
    struct text sql;
    TRY(vet_parse(vet, &node));
    TRY(vet_walk(vet, node));
    if (ast_core(node, 0) == NULL) {
        TRY(template_lift(vet, node, &lifted));
    } else {
        TRY(complete_names(vet, node));
        lifted = json_incref(node);
    }
    /* The vetter will judge this too; here its refusals still know their places. */
    TRY(vet_shape(vet, lifted));
    TRY(vet_print(vet, lifted, &sql));
    return json_set_text(answer, "sql", sql);
}

void template_engine_serve(int stream)
{
    vet_serve_work(stream, template_work);
}
