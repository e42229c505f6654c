/* query/engine.h: DuckDB opened in one locked-down way.
 *
 * Every task opens one engine in memory with one recipe: no extensions, no external access but `/sealed/`, no
 * spilling (`temp_directory` is empty: DuckDB would allow reading and writing there), bounded expression
 * depth, configuration locked. The recipe is defence in depth; the boundary is the process. An engine's own
 * error text is never passed on: it carries cell values. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "query/duckdb.h"

struct engine {
    duckdb_database database;
    duckdb_connection connection;
};

enum engine_files { ENGINE_FILES_NONE = 0, ENGINE_FILES_SEALED, ENGINE_FILES_LOCAL };

struct engine_options {
    enum engine_files files;
    unsigned threads;
    uint64_t memory_bytes;
};

/* UNSUPPORTED "query.engine.version" for any library but the pinned one; INTERNAL. */
fallible engine_open(const struct engine_options *options, struct engine *out);
void engine_close(struct engine *engine);
#define scoped_engine defer(engine_close) struct engine

/* Locks the configuration: the last step before foreign SQL. */
fallible engine_lock(struct engine *engine);

/* Runs a statement of ours whose result does not matter. INTERNAL "query.engine.statement". */
fallible engine_execute(struct engine *engine, struct text statement);

/* Runs a statement of ours with `value` bound as its parameter $1 and copies the one text it gives. INVALID.
 */
fallible engine_ask(struct engine *engine, struct arena *arena, const char *statement, struct text value,
                    struct text *out);

/* The octets of a VARCHAR in a vector. */
struct text engine_string(const duckdb_string *string);

/* A name as a quoted SQL identifier, a text as a quoted SQL literal. */
fallible engine_quote_name(struct buffer *out, struct text name);
fallible engine_quote_text(struct buffer *out, struct text text);

/* The name of a type as doc/formats.md §1.3 writes it, NULL for a type that is not listed there. */
const char *engine_type_name(struct arena *arena, duckdb_logical_type type);

/* The name of a prepared statement's output, copied to the arena. */
fallible engine_output_name(struct arena *arena, duckdb_prepared_statement statement, idx_t column,
                            struct text *out);

static inline void duckdb_result_release(duckdb_result *result)
{
    duckdb_destroy_result(result);
}
#define scoped_duckdb_result defer(duckdb_result_release) duckdb_result
#define scoped_duckdb_statement defer(duckdb_destroy_prepare) duckdb_prepared_statement
#define scoped_duckdb_type defer(duckdb_destroy_logical_type) duckdb_logical_type
#define scoped_duckdb_chunk defer(duckdb_destroy_data_chunk) duckdb_data_chunk
