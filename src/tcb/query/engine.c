#include "query/engine.h"

#include <stdio.h>

enum { STATEMENT_BYTES_MAX = 16 << 20 };

static const char *const recipe[][2] = {
    {"temp_directory", ""},
    {"autoload_known_extensions", "false"},
    {"autoinstall_known_extensions", "false"},
    {"allow_community_extensions", "false"},
    {"allow_unsigned_extensions", "false"},
    {"allow_persistent_secrets", "false"},
    {"enable_external_file_cache", "false"},
    {"max_expression_depth", "200"},
};

static fallible configure(duckdb_config config, const struct engine_options *options)
{
    char number[32];
    for (size_t i = 0; i < sizeof recipe / sizeof *recipe; i++) {
        REQUIRE(duckdb_set_config(config, recipe[i][0], recipe[i][1]) == DuckDBSuccess, INTERNAL,
                "query.engine.setting");
    }
    /* A party's own file order is the row order; sealed answers are ordered by their text. */
    REQUIRE(duckdb_set_config(config, "preserve_insertion_order",
                              options->files == ENGINE_FILES_LOCAL ? "true" : "false") == DuckDBSuccess,
            INTERNAL, "query.engine.setting");
    snprintf(number, sizeof number, "%u", options->threads);
    REQUIRE(duckdb_set_config(config, "threads", number) == DuckDBSuccess, INTERNAL, "query.engine.threads");
    snprintf(number, sizeof number, "%lluB", (unsigned long long)options->memory_bytes);
    REQUIRE(duckdb_set_config(config, "memory_limit", number) == DuckDBSuccess, INTERNAL,
            "query.engine.memory");
    return OK;
}

static fallible open_database(duckdb_config config, struct engine *engine)
{
    char *error = NULL;
    duckdb_state state = duckdb_open_ext(NULL, &engine->database, config, &error);
    if (error != NULL) {
        duckdb_free(error);
    }
    REQUIRE(state == DuckDBSuccess, INTERNAL, "query.engine.open");
    REQUIRE(duckdb_connect(engine->database, &engine->connection) == DuckDBSuccess, INTERNAL,
            "query.engine.connect");
    return OK;
}

static fallible restrict_files(struct engine *engine, enum engine_files files)
{
    if (files == ENGINE_FILES_LOCAL) {
        return OK;
    }
    if (files == ENGINE_FILES_SEALED) {
        TRY(engine_execute(engine, TEXT("SET allowed_directories=['/sealed/']")));
    }
    return engine_execute(engine, TEXT("SET enable_external_access=false"));
}

fallible engine_open(const struct engine_options *options, struct engine *out)
{
    REQUIRE(strcmp(duckdb_library_version(), DUCKDB_VERSION_PINNED) == 0, UNSUPPORTED,
            "query.engine.version");
    duckdb_config config = NULL;
    scoped_engine engine = {0};
    REQUIRE(duckdb_create_config(&config) == DuckDBSuccess, INTERNAL, "query.engine.config");
    struct result configured = configure(config, options);
    if (result_is_ok(configured)) {
        configured = open_database(config, &engine);
    }
    duckdb_destroy_config(&config);
    TRY(configured);
    TRY(restrict_files(&engine, options->files));
    *out = engine;
    engine = (struct engine){0};
    return OK;
}

void engine_close(struct engine *engine)
{
    if (engine->connection != NULL) {
        duckdb_disconnect(&engine->connection);
    }
    if (engine->database != NULL) {
        duckdb_close(&engine->database);
    }
}

fallible engine_lock(struct engine *engine)
{
    return engine_execute(engine, TEXT("SET lock_configuration=true"));
}

fallible engine_execute(struct engine *engine, struct text statement)
{
    scoped_arena arena;
    arena_init(&arena, STATEMENT_BYTES_MAX);
    const char *cstring = NULL;
    TRY(arena_cstring(&arena, statement, &cstring));
    scoped_duckdb_result result = {0};
    REQUIRE(duckdb_query(engine->connection, cstring, &result) == DuckDBSuccess, INTERNAL,
            "query.engine.statement");
    return OK;
}

struct text engine_string(const duckdb_string *string)
{
    bool inlined = string->inlined.length <= sizeof string->inlined.data;
    return (struct text){inlined ? string->inlined.data : string->pointer.data, string->inlined.length};
}

fallible engine_ask(struct engine *engine, struct arena *arena, const char *statement, struct text value,
                    struct text *out)
{
    scoped_duckdb_statement prepared = NULL;
    scoped_duckdb_result result = {0};
    REQUIRE(duckdb_prepare(engine->connection, statement, &prepared) == DuckDBSuccess, INVALID,
            "query.engine.ask");
    REQUIRE(duckdb_bind_varchar_length(prepared, 1, value.data, value.size) == DuckDBSuccess, INVALID,
            "query.engine.ask");
    REQUIRE(duckdb_execute_prepared(prepared, &result) == DuckDBSuccess, INVALID, "query.engine.ask");
    scoped_duckdb_chunk chunk = duckdb_fetch_chunk(result);
    REQUIRE(chunk != NULL && duckdb_data_chunk_get_size(chunk) == 1, INVALID, "query.engine.answer");
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
    const uint64_t *validity = duckdb_vector_get_validity(vector);
    REQUIRE(validity == NULL || (validity[0] & 1) != 0, INVALID, "query.engine.answer");
    return arena_copy_text(arena, engine_string(duckdb_vector_get_data(vector)), out);
}

static fallible quote(struct buffer *out, struct text text, char mark)
{
    TRY(buffer_add_byte(out, (uint8_t)mark));
    for (size_t i = 0; i < text.size; i++) {
        REQUIRE(text.data[i] != '\0', INVALID, "query.engine.nul");
        if (text.data[i] == mark) {
            TRY(buffer_add_byte(out, (uint8_t)mark));
        }
        TRY(buffer_add_byte(out, (uint8_t)text.data[i]));
    }
    return buffer_add_byte(out, (uint8_t)mark);
}

fallible engine_quote_name(struct buffer *out, struct text name)
{
    return quote(out, name, '"');
}

fallible engine_quote_text(struct buffer *out, struct text text)
{
    return quote(out, text, '\'');
}

const char *engine_type_name(struct arena *arena, duckdb_logical_type type)
{
    static const struct {
        duckdb_type type;
        const char *name;
    } names[] = {
        {DUCKDB_TYPE_BOOLEAN, "BOOLEAN"},     {DUCKDB_TYPE_TINYINT, "TINYINT"},
        {DUCKDB_TYPE_SMALLINT, "SMALLINT"},   {DUCKDB_TYPE_INTEGER, "INTEGER"},
        {DUCKDB_TYPE_BIGINT, "BIGINT"},       {DUCKDB_TYPE_UTINYINT, "UTINYINT"},
        {DUCKDB_TYPE_USMALLINT, "USMALLINT"}, {DUCKDB_TYPE_UINTEGER, "UINTEGER"},
        {DUCKDB_TYPE_UBIGINT, "UBIGINT"},     {DUCKDB_TYPE_HUGEINT, "HUGEINT"},
        {DUCKDB_TYPE_FLOAT, "FLOAT"},         {DUCKDB_TYPE_DOUBLE, "DOUBLE"},
        {DUCKDB_TYPE_DATE, "DATE"},           {DUCKDB_TYPE_TIME, "TIME"},
        {DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP"}, {DUCKDB_TYPE_VARCHAR, "VARCHAR"},
        {DUCKDB_TYPE_BLOB, "BLOB"},           {DUCKDB_TYPE_UUID, "UUID"},
    };
    duckdb_type id = duckdb_get_type_id(type);
    if (id == DUCKDB_TYPE_DECIMAL) {
        const char *name =
            arena_where(arena, "DECIMAL(%u,%u)", duckdb_decimal_width(type), duckdb_decimal_scale(type));
        return name[0] == '\0' ? NULL : name;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].type == id) {
            return names[i].name;
        }
    }
    return NULL;
}

fallible engine_output_name(struct arena *arena, duckdb_prepared_statement statement, idx_t column,
                            struct text *out)
{
    const char *name = duckdb_prepared_statement_column_name(statement, column);
    REQUIRE(name != NULL, INTERNAL, "query.engine.output_name");
    struct result copied = arena_copy_text(arena, text_of(name), out);
    duckdb_free((void *)(uintptr_t)name);
    return copied;
}
