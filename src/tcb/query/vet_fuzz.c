/* The vetter with an engine whose answers are hostile: the request, then each answer (a tree, a text, a plan)
 * come from the input, one after the other, with an octet 0 between them. Includes vet.c for its static
 * functions. */
#include "query/vet.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The engine is passed on as a pointer only: here it is what is left of the input. */
struct script {
    struct engine engine;
    struct text left;
};

static struct text take_piece(struct text *left)
{
    const char *end = left->size == 0 ? NULL : memchr(left->data, 0, left->size);
    struct text piece = {left->data, end == NULL ? left->size : (size_t)(end - left->data)};
    size_t taken = end == NULL ? left->size : piece.size + 1;
    *left = (struct text){left->data + taken, left->size - taken};
    return piece;
}

fallible engine_ask(struct engine *engine, struct arena *arena, const char *statement, struct text value,
                    struct text *out)
{
    (void)statement;
    (void)value;
    struct script *script = (struct script *)(void *)engine;
    struct text piece = take_piece(&script->left);
    REQUIRE(piece.size > 0, INVALID, "query.engine.ask");
    return arena_copy_text(arena, piece, out);
}

/* clang-format off */
fallible sandbox_enter(const struct sandbox_limits *limits) { (void)limits; return OK; }
fallible engine_open(const struct engine_options *options, struct engine *out) { (void)options; (void)out; return OK; }
fallible engine_lock(struct engine *engine) { (void)engine; return OK; }
fallible engine_execute(struct engine *engine, struct text statement) { (void)engine; (void)statement; return OK; }
fallible engine_quote_name(struct buffer *out, struct text name) { return buffer_add_text(out, name); }
fallible engine_quote_text(struct buffer *out, struct text text) { return buffer_add_text(out, text); }
const char *engine_type_name(struct arena *arena, duckdb_logical_type type) { (void)arena; (void)type; return "BIGINT"; }
fallible engine_output_name(struct arena *arena, duckdb_prepared_statement statement, idx_t column, struct text *out)
{
    (void)arena; (void)statement; (void)column;
    *out = TEXT("n");
    return OK;
}
duckdb_state duckdb_prepare(duckdb_connection connection, const char *query, duckdb_prepared_statement *out)
{
    (void)connection; (void)query; (void)out;
    return DuckDBSuccess;
}
idx_t duckdb_prepared_statement_column_count(duckdb_prepared_statement statement) { (void)statement; return 1; }
duckdb_logical_type duckdb_prepared_statement_column_logical_type(duckdb_prepared_statement statement, idx_t column)
{
    (void)statement; (void)column;
    return NULL;
}
void duckdb_destroy_prepare(duckdb_prepared_statement *statement) { (void)statement; }
void duckdb_destroy_logical_type(duckdb_logical_type *type) { (void)type; }
/* clang-format on */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct vet *vet = NULL;
    struct script script = {.left = {(const char *)data, size}};
    struct text request_text = take_piece(&script.left);
    scoped_json *request = NULL;
    scoped_json *answer = json_object();
    ASSERT(result_is_ok(ARENA_NEW(&arena, struct vet, &vet)));
    *vet = (struct vet){.arena = &arena, .engine = &script.engine, .offset = -1};
    if (!result_is_ok(json_decode(bytes_of_text(request_text), &request)) ||
        !result_is_ok(request_read(vet, request))) {
        return 0;
    }
    struct result result = vet_work(vet, answer);
    ASSERT(result_is_ok(result) || vet->code != NULL || result.code != RESULT_OK);
    return 0;
}
