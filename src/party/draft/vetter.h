/* party/draft/vetter.h: the vetting of queries, asked of truce-query as the room asks it.
 *
 * A draft takes from the vetter what a query's canonical text is, which columns it reads and what it gives.
 * The room vets again; here it is so that people sign what will run. `ask` is a pointer so that tests need no
 * engine. What people write is completed first, so that a plain SELECT over tables is a query too. */
#pragma once

#include "base/json.h"
#include "query/spawner.h"

struct vetter {
    void *self;
    /* One vet task (doc/formats.md §7). The caller owns `*out_answer`: the members of the answer `A`. DENIED
     * "sql.refused" with the refusal's code and message in `where` when the text is refused. */
    fallible (*ask)(void *self, struct arena *arena, const json_t *request, json_t **out_answer);
    /* The request's text in the form that a vet task takes: cores and a final SELECT, every name complete
     * (party/template_engine). DENIED "sql.refused" likewise. */
    fallible (*complete)(void *self, struct arena *arena, const json_t *request, struct text *out_sql);
};

/* A vetter that runs the programs at these paths: truce-query and truce-template-engine. Close it in any
 * case.
 */
struct vetter_program {
    struct spawner spawner;
    const char *template_engine;
};
fallible vetter_program_open(struct vetter_program *program, const char *query, const char *template_engine,
                             struct vetter *out);
void vetter_program_close(struct vetter_program *program);
#define scoped_vetter_program defer(vetter_program_close) struct vetter_program

/* The request's table row for a dataset's schema: fills `tables`. */
struct contract_dataset;
struct manifest;
fallible vetter_add_table(struct arena *arena, json_t *tables, struct text table,
                          const struct manifest *manifest, const struct contract_dataset *dataset);
