#include "query/vet.h"

#include "column/column_type.h"
#include "edge/query_wire.h"
#include "query/sandbox.h"
#include "query/vet_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    REQUEST_BYTES_MAX = 4 << 20,
    ARENA_BYTES_MAX = 128 << 20,
    ANSWER_BYTES_MAX = 4 << 20,
    MESSAGE_BYTES_MAX = 512,
    ENGINE_BYTES = 256 << 20,
    ADDRESS_SPACE_BYTES = 1 << 30,
    CPU_SECONDS = 8, /* the worst known text takes a twentieth of it */
};

fallible vet_refuse(struct vet *vet, const char *code, const json_t *node, const char *format, ...)
{
    char message[MESSAGE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    vet->code = code;
    vet->message = arena_where(vet->arena, "%s", message);
    vet->offset = ast_offset(node);
    return FAIL(DENIED, "vet.refused");
}

bool vet_name_equal(struct text left, struct text right)
{
    for (size_t i = 0; i < left.size && left.size == right.size; i++) {
        char l = left.data[i];
        char r = right.data[i];
        l = l >= 'A' && l <= 'Z' ? (char)(l + 32) : l;
        r = r >= 'A' && r <= 'Z' ? (char)(r + 32) : r;
        if (l != r) {
            return false;
        }
    }
    return left.size == right.size;
}

struct vet_table *vet_table_find(struct vet *vet, struct text name)
{
    for (size_t i = 0; i < vet->table_count; i++) {
        if (vet_name_equal(vet->tables[i].name, name)) {
            return &vet->tables[i];
        }
    }
    return NULL;
}

struct vet_column *vet_column_find(const struct vet_table *table, struct text name)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (vet_name_equal(table->columns[i].name, name)) {
            return &table->columns[i];
        }
    }
    return NULL;
}

struct vet_parameter *vet_parameter_find(struct vet *vet, struct text name)
{
    for (size_t i = 0; i < vet->parameter_count; i++) {
        if (text_equal(vet->parameters[i].name, name)) {
            return &vet->parameters[i];
        }
    }
    return NULL;
}

/* ---- The request ---- */

static int columns_order(const void *left, const void *right)
{
    return text_compare(((const struct vet_column *)left)->name, ((const struct vet_column *)right)->name);
}

static fallible columns_read(struct vet *vet, json_t *object, struct vet_table *table)
{
    json_t *columns = NULL;
    TRY(json_get_array(object, "columns", &columns));
    table->column_count = json_array_size(columns);
    REQUIRE(table->column_count >= 1 && table->column_count <= VET_COLUMNS_MAX, LIMIT, "vet.request.columns");
    TRY(ARENA_ARRAY(vet->arena, struct vet_column, table->column_count, &table->columns));
    for (size_t i = 0; i < table->column_count; i++) {
        struct column_type type;
        TRY(json_get_text(json_array_get(columns, i), "name", &table->columns[i].name));
        TRY(json_get_text(json_array_get(columns, i), "type", &table->columns[i].type));
        TRY(column_type_parse(table->columns[i].type, &type));
    }
    qsort(table->columns, table->column_count, sizeof *table->columns, columns_order);
    return OK;
}

static fallible entity_read(json_t *object, struct vet_table *table)
{
    struct text entity;
    if (ast_is_empty(json_object_get(object, "entity"))) {
        REQUIRE(ast_is_empty(json_object_get(object, "min_entities")), INVALID, "vet.request.entity");
        return OK;
    }
    TRY(json_get_text(object, "entity", &entity));
    TRY(json_get_u64(object, "min_entities", INT32_MAX, &table->min_entities));
    table->entity = vet_column_find(table, entity);
    REQUIRE(table->entity != NULL && table->min_entities >= 1, INVALID, "vet.request.entity");
    return OK;
}

static fallible tables_read(struct vet *vet, json_t *request)
{
    json_t *tables = NULL;
    TRY(json_get_array(request, "tables", &tables));
    REQUIRE(json_array_size(tables) >= 1 && json_array_size(tables) <= VET_TABLES_MAX, LIMIT,
            "vet.request.tables");
    for (size_t i = 0; i < json_array_size(tables); i++) {
        struct vet_table *table = &vet->tables[i];
        json_t *object = json_array_get(tables, i);
        TRY(json_get_text(object, "name", &table->name));
        REQUIRE(vet_table_find(vet, table->name) == NULL, INVALID, "vet.request.table_name");
        TRY(columns_read(vet, object, table));
        TRY(entity_read(object, table));
        vet->table_count = i + 1;
    }
    return OK;
}

static fallible request_read(struct vet *vet, json_t *request)
{
    json_t *parameters = NULL;
    TRY(tables_read(vet, request));
    TRY(json_get_text(request, "sql", &vet->sql));
    TRY(json_get_array(request, "parameters", &parameters));
    vet->parameter_count = json_array_size(parameters);
    REQUIRE(vet->parameter_count <= VET_PARAMETERS_MAX, LIMIT, "vet.request.parameters");
    for (size_t i = 0; i < vet->parameter_count; i++) {
        struct vet_parameter *parameter = &vet->parameters[i];
        json_t *object = json_array_get(parameters, i);
        TRY(json_get_text(object, "name", &parameter->name));
        TRY(json_get_text(object, "type", &parameter->type));
        parameter->has_value = json_has(object, "value");
        if (parameter->has_value) {
            TRY(json_get_text(object, "value", &parameter->value));
        }
        vet->values_missing = vet->values_missing || !parameter->has_value;
    }
    return OK;
}

/* ---- The engine with empty tables ---- */

static fallible tables_create(struct vet *vet)
{
    for (size_t i = 0; i < vet->table_count; i++) {
        const struct vet_table *table = &vet->tables[i];
        scoped_buffer text;
        buffer_init(&text, REQUEST_BYTES_MAX);
        TRY(buffer_add_text(&text, TEXT("CREATE TABLE ")));
        TRY(engine_quote_name(&text, table->name));
        for (size_t j = 0; j < table->column_count; j++) {
            TRY(buffer_add_text(&text, j == 0 ? TEXT("(") : TEXT(",")));
            TRY(engine_quote_name(&text, table->columns[j].name));
            TRY(buffer_add_byte(&text, ' '));
            TRY(buffer_add_text(&text, table->columns[j].type));
        }
        TRY(buffer_add_text(&text, TEXT(")")));
        TRY(engine_execute(vet->engine, buffer_text(&text)));
    }
    return engine_lock(vet->engine);
}

static fallible engine_start(struct vet *vet, struct engine *engine)
{
    struct sandbox_limits limits = {.address_space_bytes = ADDRESS_SPACE_BYTES, .cpu_seconds = CPU_SECONDS};
    struct engine_options options = {.files = ENGINE_FILES_NONE, .threads = 1, .memory_bytes = ENGINE_BYTES};
    TRY(sandbox_enter(&limits));
    TRY(engine_open(&options, engine));
    vet->engine = engine;
    return tables_create(vet);
}

/* ---- The steps ---- */

static fallible text_check(struct vet *vet, struct text sql)
{
    size_t comments = 0; /* the engine's parser takes quadratic time for nested ones */
    for (size_t i = 1; i < sql.size && sql.size <= VET_TEXT_BYTES_MAX; i++) {
        comments += sql.data[i - 1] == '/' && sql.data[i] == '*';
    }
    if (sql.size > VET_TEXT_BYTES_MAX || comments > VET_COMMENTS_MAX) {
        return vet_refuse(vet, "sql.size", NULL, "the text has more than 64 KiB or 100 comments");
    }
    if (!text_is_printable_utf8(sql)) {
        return vet_refuse(vet, "sql.text", NULL, "the text holds control characters or is not UTF-8");
    }
    return OK;
}

fallible vet_parse(struct vet *vet, json_t **out_node)
{
    TRY(text_check(vet, vet->sql));
    scoped_json *answer = NULL;
    if (!result_is_ok(ast_parse(vet->engine, vet->arena, vet->sql, &answer))) {
        return vet_refuse(vet, "sql.parse", NULL, "the text cannot be parsed");
    }
    if (!json_is_false(json_object_get(answer, "error"))) {
        bool syntax = ast_is(answer, "error_type", "parser");
        struct result refused = vet_refuse(vet, syntax ? "sql.parse" : "sql.statement", NULL,
                                           syntax ? "syntax error" : "only a SELECT can be a query");
        if (ast_member(answer, "position")[0] != '\0') {
            vet->offset = strtoll(ast_member(answer, "position"), NULL, 10);
        }
        return refused;
    }
    json_t *statements = json_object_get(answer, "statements");
    json_t *statement = json_array_get(statements, 0);
    if (json_array_size(statements) != 1 || json_object_size(statement) != 2) {
        return vet_refuse(vet, "sql.statement", NULL, "there must be exactly one SELECT");
    }
    *out_node = json_incref(json_object_get(statement, "node"));
    return OK;
}

fallible vet_print(struct vet *vet, json_t *node, struct text *out)
{
    ast_strip(node);
    struct result printed = ast_print_checked(vet->engine, vet->arena, node, out);
    if (printed.code == RESULT_UNTRUSTED || printed.code == RESULT_INVALID) {
        return vet_refuse(vet, "sql.parse", NULL, "the text has no canonical form: write it more simply");
    }
    return printed;
}

/* Binds the text on the empty engine: the outputs' types, beside the names that the tree gives them. */
static fallible output_bind(struct vet *vet, const json_t *node, struct text executed, json_t *output)
{
    const char *text = NULL;
    json_t *items = json_object_get(node, "select_list");
    scoped_duckdb_statement prepared = NULL;
    TRY(arena_cstring(vet->arena, executed, &text));
    if (duckdb_prepare(vet->engine->connection, text, &prepared) != DuckDBSuccess) {
        return vet_refuse(vet, "name.column", NULL,
                          "the query does not bind: a name, a type or a GROUP BY does not fit");
    }
    idx_t count = duckdb_prepared_statement_column_count(prepared);
    REQUIRE(count >= 1 && count <= VET_OUTPUTS_MAX && count == json_array_size(items), LIMIT,
            "vet.output.count");
    for (idx_t i = 0; i < count; i++) {
        scoped_duckdb_type type = duckdb_prepared_statement_column_logical_type(prepared, i);
        const char *type_name = engine_type_name(vet->arena, type);
        json_t *column = json_object();
        TRY(json_add(output, column));
        TRY(json_set_text(column, "name", text_of(ast_member(json_array_get(items, i), "alias"))));
        TRY(json_set_text(column, "type", text_of(type_name == NULL ? "" : type_name)));
    }
    return OK;
}

static fallible output_types_check(struct vet *vet, const json_t *output)
{
    size_t index;
    json_t *column;
    json_array_foreach (output, index, column) {
        const char *type = ast_member(column, "type");
        struct column_type known;
        if (!result_is_ok(column_type_parse(text_of(type), &known)) ||
            column_type_may_leave(known) != VERDICT_ALLOW) {
            return vet_refuse(
                vet, "mode.output_type", NULL,
                "output \"%s\" has type %s: only integers, DECIMAL, DATE and VARCHAR leave the room; "
                "round a ratio and cast it, as in CAST(round(x, 2) AS DECIMAL(18,2))",
                ast_member(column, "name"), type[0] == '\0' ? "unknown" : type);
        }
    }
    return OK;
}

static fallible reads_give(struct vet *vet, json_t *answer)
{
    json_t *reads = json_object();
    TRY(json_set(answer, "reads", reads));
    for (size_t i = 0; i < vet->table_count; i++) {
        const struct vet_table *table = &vet->tables[i];
        if (!table->used) {
            continue;
        }
        json_t *columns = json_array();
        const char *key = NULL;
        TRY(arena_cstring(vet->arena, table->name, &key));
        TRY(json_set(reads, key, columns));
        for (size_t j = 0; j < table->column_count; j++) {
            if (table->columns[j].read) {
                TRY(json_add_text(columns, table->columns[j].name));
            }
        }
    }
    return OK;
}

static fallible vet_work(struct vet *vet, json_t *answer)
{
    scoped_json *template = NULL;
    struct text canonical;
    struct text executed;
    json_t *output = json_array();
    TRY(json_set(answer, "output", output));
    TRY(vet_parameters_check(vet));
    TRY(vet_parse(vet, &template));
    TRY(vet_walk(vet, template));
    scoped_json *node = json_deep_copy(template); /* keeps positions for the messages */
    REQUIRE(node != NULL, NO_MEMORY, "vet.memory");
    TRY(vet_print(vet, template, &canonical));
    TRY(text_check(vet, canonical)); /* an escape in the text may stand for any character */
    TRY(vet_parameters_put(vet, node));
    TRY(vet_shape(vet, node));
    TRY(vet_rewrite(vet, node));
    TRY(vet_print(vet, node, &executed));
    TRY(output_bind(vet, node, executed, output));
    TRY(vet_lineage(vet, node, executed));
    TRY(output_types_check(vet, output));
    TRY(reads_give(vet, answer));
    TRY(json_set_text(answer, "canonical", canonical));
    if (!vet->values_missing) {
        TRY(json_set_text(answer, "executed", executed));
    }
    TRY(json_set_text(answer, "vetter", TEXT(QUERY_VETTER)));
    return json_set_text(answer, "engine", TEXT(QUERY_ENGINE));
}

void vet_serve(int stream)
{
    vet_serve_work(stream, vet_work);
}

/* ---- The task ---- */

static fallible answer_send(int stream, uint8_t kind, const json_t *answer)
{
    scoped_buffer text;
    buffer_init(&text, ANSWER_BYTES_MAX);
    TRY(json_encode(answer, &text));
    return query_frame_send(stream, kind, buffer_view(&text));
}

/* What is no refusal of the query's is a defect, of the request or of ours. */
static fallible refusal_send(const struct vet *vet, int stream, const char *why)
{
    scoped_json *refusal = json_object();
    struct text message = text_of(vet->code == NULL ? why : vet->message);
    /* A name may have been cut within a character. */
    while (message.size > 0 && !text_is_printable_utf8(message)) {
        message.size--;
    }
    TRY(json_set_text(refusal, "code", text_of(vet->code == NULL ? "vet.internal" : vet->code)));
    TRY(json_set_text(refusal, "message", message));
    if (vet->offset >= 0) {
        TRY(json_set_i64(refusal, "offset", vet->offset));
    }
    return answer_send(stream, QUERY_FRAME_REFUSED, refusal);
}

static fallible vet_task(struct vet *vet, int stream, fallible (*work)(struct vet *, json_t *))
{
    scoped_buffer payload;
    scoped_json *request = NULL;
    scoped_json *answer = json_object();
    struct engine engine = {0}; /* ends with the process */
    uint8_t kind = 0;
    buffer_init(&payload, REQUEST_BYTES_MAX);
    TRY(query_frame_receive(stream, &payload, &kind));
    REQUIRE(kind == QUERY_FRAME_VET, INVALID, "vet.request.kind");
    TRY(json_decode(buffer_view(&payload), &request));
    TRY(request_read(vet, request));
    TRY(engine_start(vet, &engine));
    TRY(work(vet, answer));
    return answer_send(stream, QUERY_FRAME_ACCEPTED, answer);
}

void vet_serve_work(int stream, fallible (*work)(struct vet *vet, json_t *answer))
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct vet *vet = NULL;
    struct result result = ARENA_NEW(&arena, struct vet, &vet);
    if (!result_is_ok(result)) {
        return; /* the room sees the end of the stream */
    }
    vet->arena = &arena;
    vet->offset = -1;
    result = vet_task(vet, stream, work);
    if (!result_is_ok(result)) {
        (void)!result_is_ok(refusal_send(vet, stream, result.why));
    }
}
