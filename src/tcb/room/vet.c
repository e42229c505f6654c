/* The query program vets the template again, on an engine that is empty, in a process of its own. It can refuse, and it
 * rewrites the text; what it says that the query reads and gives must be what the contract says, because the room
 * grants what the contract says and nothing else. */
#include "room/job.h"

#include "base/encode.h"
#include "edge/query_wire.h"
#include "room/task.h"

enum { VET_LIMIT_MS = 20000, VET_ANSWER_BYTES_MAX = 4 * 1024 * 1024 };

static fallible describe_column(const struct column *column, struct arena *arena, json_t *array)
{
    struct text type;
    TRY(column_type_to_text(arena, column->type, &type));
    scoped_json *object = json_object();
    TRY(json_set_text(object, "name", column->name));
    TRY(json_set_text(object, "type", type));
    return json_add(array, json_incref(object));
}

static fallible describe_table(struct job *job, size_t dataset, json_t *tables)
{
    const struct manifest *manifest = &job->bundle->manifests[dataset];
    const struct policy *policy = &job->bundle->policies[dataset];
    scoped_json *columns = json_array();
    for (size_t i = 0; i < manifest->column_count; i++) {
        struct column column = {manifest->columns[i].name, manifest->columns[i].type};
        TRY(describe_column(&column, &job->arena, columns));
    }
    scoped_json *table = json_object();
    TRY(json_set_text(table, "name", job->bundle->contract.datasets[dataset].table));
    TRY(json_set(table, "columns", json_incref(columns)));
    if (policy_entity_is_none(&policy->entity)) {
        TRY(json_set(table, "entity", json_null()));
        TRY(json_set(table, "min_entities", json_null()));
    } else {
        TRY(json_set_text(table, "entity", policy->entity.column));
        TRY(json_set_i64(table, "min_entities", (int64_t)policy->entity.min_entities));
    }
    return json_add(tables, json_incref(table));
}

static fallible describe_parameters(struct job *job, json_t *parameters)
{
    for (size_t i = 0; i < job->query->parameter_count; i++) {
        const struct contract_parameter *parameter = &job->query->parameters[i];
        struct text type;
        TRY(column_type_to_text(&job->arena, parameter->type, &type));
        scoped_json *object = json_object();
        TRY(json_set_text(object, "name", parameter->name));
        TRY(json_set_text(object, "type", type));
        TRY(json_set_text(object, "value", job->values[i]));
        TRY(json_add(parameters, json_incref(object)));
    }
    return OK;
}

static fallible vet_request(struct job *job, struct buffer *out)
{
    scoped_json *tables = json_array();
    for (size_t i = 0; i < job->bundle->contract.dataset_count; i++) {
        TRY(describe_table(job, i, tables));
    }
    scoped_json *parameters = json_array();
    TRY(describe_parameters(job, parameters));
    scoped_json *request = json_object();
    TRY(json_set(request, "tables", json_incref(tables)));
    TRY(json_set_text(request, "sql", job->query->sql));
    TRY(json_set(request, "parameters", json_incref(parameters)));
    return json_encode(request, out);
}

static fallible check_reads(struct job *job, const json_t *answer)
{
    json_t *reads;
    TRY(json_get_object(answer, "reads", &reads));
    REQUIRE(json_object_size(reads) == job->query->read_count, DENIED, "room.vet.reads_differ");
    for (size_t i = 0; i < job->query->read_count; i++) {
        const struct contract_read *read = &job->query->reads[i];
        const char *table;
        TRY(arena_cstring(&job->arena, job->bundle->contract.datasets[read->dataset].table, &table));
        json_t *columns = json_object_get(reads, table);
        REQUIRE(json_is_array(columns) && json_array_size(columns) == read->column_count, DENIED,
                "room.vet.reads_differ");
        for (size_t k = 0; k < read->column_count; k++) {
            struct text column;
            TRY(json_text(json_array_get(columns, k), &column));
            REQUIRE(text_equal(column, read->columns[k]), DENIED, "room.vet.reads_differ");
        }
    }
    return OK;
}

static fallible check_output(struct job *job, const json_t *answer)
{
    json_t *output;
    TRY(json_get_array(answer, "output", &output));
    REQUIRE(json_array_size(output) == job->query->output_count, DENIED, "room.vet.output_differs");
    for (size_t i = 0; i < job->query->output_count; i++) {
        const json_t *column = json_array_get(output, i);
        struct text name;
        struct text type;
        struct text want;
        TRY(json_get_text(column, "name", &name));
        TRY(json_get_text(column, "type", &type));
        TRY(column_type_to_text(&job->arena, job->query->output[i].type, &want));
        REQUIRE(text_equal(name, job->query->output[i].name) && text_equal(type, want), DENIED,
                "room.vet.output_differs");
    }
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
    TRY(task_start(job->room, SPAWNER_VET, VET_LIMIT_MS, &task));
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
