/* The query program vets the template again, on an engine that is empty, in a process of its own. It can
 * refuse, and it rewrites the text; what it says that the query reads and gives must be what the contract
 * says, because the room grants what the contract says and nothing else. */
#include "room/job.h"

#include "edge/query_wire.h"
#include "privacy/result_frame.h"
#include "room/task.h"

enum { VET_LIMIT_MS = 20000, VET_ANSWER_BYTES_MAX = 4 * 1024 * 1024 };

static fallible describe_table(struct job *job, size_t dataset, json_t *tables)
{
    const struct manifest *manifest = &job->bundle->manifests[dataset];
    const struct policy_entity *entity = &job->bundle->policies[dataset].entity;
    struct text name = job->bundle->contract.datasets[dataset].table;
    json_t *columns = json_array();
    json_t *table = json_pack("{s:s%,s:o,s:n,s:n}", "name", TEXT_SIZED(name), "columns", columns, "entity",
                              "min_entities");
    TRY(json_add(tables, table));
    for (size_t i = 0; i < manifest->column_count; i++) {
        struct column column = {manifest->columns[i].name, manifest->columns[i].type};
        TRY(column_schema_build(&column, 1, columns));
    }
    if (policy_entity_is_none(entity)) {
        return OK;
    }
    TRY(json_set_text(table, "entity", entity->column));
    return json_set_i64(table, "min_entities", (int64_t)entity->min_entities);
}

static fallible vet_request(struct job *job, struct buffer *out)
{
    json_t *tables = json_array();
    json_t *parameters = json_array();
    scoped_json *request = json_pack("{s:o,s:s%,s:o}", "tables", tables, "sql", TEXT_SIZED(job->query->sql),
                                     "parameters", parameters);
    REQUIRE(request != NULL, NO_MEMORY, "json.memory");
    for (size_t i = 0; i < job->bundle->contract.dataset_count; i++) {
        TRY(describe_table(job, i, tables));
    }
    for (size_t i = 0; i < job->query->parameter_count; i++) {
        struct column parameter = {job->query->parameters[i].name, job->query->parameters[i].type};
        TRY(column_schema_build(&parameter, 1, parameters));
        TRY(json_set_text(json_array_get(parameters, i), "value", job->values[i]));
    }
    return json_encode(request, out);
}

/* The answer's members `reads` and `output` are exactly what the contract's would be. */
static fallible check_reads(struct job *job, const json_t *answer)
{
    scoped_json *reads = json_object();
    for (size_t i = 0; i < job->query->read_count; i++) {
        const struct contract_read *read = &job->query->reads[i];
        const char *table;
        TRY(arena_cstring(&job->arena, job->bundle->contract.datasets[read->dataset].table, &table));
        TRY(document_set_names(reads, table, read->columns, read->column_count));
    }
    REQUIRE(json_equal(reads, json_object_get(answer, "reads")), DENIED, "room.vet.reads_differ");
    return OK;
}

static fallible check_output(const struct job *job, const json_t *answer)
{
    scoped_json *output = json_array();
    TRY(column_schema_build(job->query->output, job->query->output_count, output));
    REQUIRE(json_equal(output, json_object_get(answer, "output")), DENIED, "room.vet.output_differs");
    return OK;
}

static fallible take_answer(struct job *job, struct bytes untrusted_answer)
{
    scoped_json *answer = NULL;
    TRY(json_decode(untrusted_answer, &answer));
    struct text canonical;
    struct text executed;
    struct text vetter;
    struct text engine;
    TRY(json_get_text(answer, "canonical", &canonical));
    TRY(json_get_text(answer, "executed", &executed));
    TRY(json_get_text(answer, "vetter", &vetter));
    TRY(json_get_text(answer, "engine", &engine));
    REQUIRE(text_equal(canonical, job->query->sql), DENIED, "room.vet.not_canonical");
    TRY(check_reads(job, answer));
    TRY(check_output(job, answer));
    REQUIRE(text_is(vetter, QUERY_VETTER) && text_is(engine, QUERY_ENGINE), DENIED, "room.vet.answer");
    TRY(arena_copy_text(&job->arena, executed, &job->executed));
    TRY(arena_copy_text(&job->arena, vetter, &job->vetter));
    return arena_copy_text(&job->arena, engine, &job->engine);
}

/* A refusal's code, if it looks like one: the child's words go no further. */
static fallible take_refusal(struct job *job, struct bytes untrusted_refusal)
{
    scoped_json *refusal = NULL;
    TRY(json_decode(untrusted_refusal, &refusal));
    struct text code;
    TRY(json_get_text(refusal, "code", &code));
    REQUIRE(text_is_name(code), INVALID, "room.vet.answer");
    return FAIL_AT(DENIED, "room.vet.refused", arena_where(&job->arena, "%.*s", TEXT_ARGS(code)));
}

static fallible converse(struct job *job, int stream)
{
    scoped_buffer request;
    buffer_init(&request, QUERY_FRAME_BYTES_MAX);
    TRY(vet_request(job, &request));
    TRY(query_frame_send(stream, QUERY_FRAME_VET, buffer_view(&request)));
    scoped_buffer answer;
    buffer_init(&answer, VET_ANSWER_BYTES_MAX);
    uint8_t kind;
    TRY(query_frame_receive(stream, &answer, &kind));
    if (kind == QUERY_FRAME_REFUSED) {
        return take_refusal(job, buffer_view(&answer));
    }
    REQUIRE(kind == QUERY_FRAME_ACCEPTED, INVALID, "room.vet.answer");
    return take_answer(job, buffer_view(&answer));
}

fallible job_vet(struct job *job)
{
    struct task task;
    TRY(task_start(job->room, SPAWNER_VET, &task));
    task_limit(&task, VET_LIMIT_MS);
    struct result result = converse(job, task.stream);
    bool late;
    TRY(task_end(&task, &late));
    if (late) {
        result = FAIL(DENIED, "room.vet.too_long");
    }
    /* The host reads a refusal: a child that has seen a sealed value does not choose among several. */
    bool is_plain = result_is_ok(result) || contract_query_is_public(job->query);
    REQUIRE(is_plain, DENIED, "room.vet.refused");
    TRY(result);
    return job_progress(job, "vetted", 1, 1);
}
