#include "column/column_type.h"
#include "query/vet_parts.h"

fallible vet_parameters_check(struct vet *vet)
{
    for (size_t i = 0; i < vet->parameter_count; i++) {
        const struct vet_parameter *parameter = &vet->parameters[i];
        if (!text_is_name(parameter->name) || vet_parameter_find(vet, parameter->name) != parameter) {
            return vet_refuse(vet, "parameter.name", NULL, "parameter %zu has no proper name of its own",
                              i + 1);
        }
        struct column_type type = {0};
        struct cell value;
        if (!result_is_ok(column_type_parse(parameter->type, &type)) ||
            column_type_may_leave(type) != VERDICT_ALLOW) {
            return vet_refuse(vet, "parameter.value", NULL,
                              "parameter \"%.*s\" must be an integer, DECIMAL(p,s), DATE or VARCHAR",
                              TEXT_ARGS(parameter->name));
        }
        if (parameter->has_value && !result_is_ok(cell_from_text(type, parameter->value, &value))) {
            return vet_refuse(vet, "parameter.value", NULL, "the value of \"%.*s\" is not a %.*s",
                              TEXT_ARGS(parameter->name), TEXT_ARGS(parameter->type));
        }
    }
    return OK;
}

/* A value is a constant text with a cast, so that nothing about its type is left to inference; a missing one
 * is a NULL of its type, for binding. */
static fallible put(void *self, json_t *expression, json_t **out_replacement)
{
    struct vet *vet = self;
    if (!ast_is(expression, "class", "PARAMETER")) {
        return ast_children(expression, &(struct ast_visitor){vet, put});
    }
    struct text name = text_of(ast_member(expression, "identifier"));
    struct vet_parameter *parameter = vet_parameter_find(vet, name);
    if (parameter == NULL) {
        return vet_refuse(vet, "parameter.name", NULL, "parameter \"$%.*s\" is not declared",
                          TEXT_ARGS(name));
    }
    parameter->used = true;
    *out_replacement = ast_try_cast(parameter->has_value ? ast_text(parameter->value) : ast_null(),
                                    ast_type(parameter->type));
    REQUIRE(*out_replacement != NULL, NO_MEMORY, "vet.memory");
    return json_set(*out_replacement, "alias", json_string(ast_member(expression, "alias")));
}

fallible vet_parameters_put(struct vet *vet, json_t *node)
{
    json_t *core;
    for (size_t i = 0; (core = ast_core(node, i)) != NULL; i++) {
        TRY(ast_visit_select(core, &(struct ast_visitor){vet, put}));
    }
    TRY(ast_visit_select(node, &(struct ast_visitor){vet, put}));
    for (size_t i = 0; i < vet->parameter_count; i++) {
        if (!vet->parameters[i].used) {
            return vet_refuse(vet, "parameter.name", NULL, "parameter \"%.*s\" is not used",
                              TEXT_ARGS(vet->parameters[i].name));
        }
    }
    return OK;
}
