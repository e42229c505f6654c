#include "party/seal_engine/seal_engine.h"

#include "base/json.h"
#include "edge/query_wire.h"
#include "party/seal_engine/local_files.h"
#include "query/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST_BYTES_MAX = 4 << 20,
    STATEMENT_BYTES_MAX = 8 << 20,
    ARENA_BYTES_MAX = 16 << 20,
    MESSAGE_BYTES_MAX = 4096,
    PROGRESS_MS = 500,
};

/* A Parquet file of the source: its place in the list, and how many rows it has. */
struct file_rows {
    uint64_t index;
    uint64_t rows;
};

struct seal_engine {
    int stream;
    struct engine duckdb;
    bool opened;
    struct buffer message; /* the engine's words about the last failure */
    struct buffer columns; /* the quoted names, comma-separated */
    struct buffer scan;    /* SELECT … FROM the Parquet files, whose rows have places; empty for others */
    struct buffer files;   /* struct file_rows of each of them that has rows, in order */
    uint64_t written;
    /* Progress frames come from another thread: a lock keeps frames whole. */
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool working;
    bool quiet; /* what is left of this request is not told: a bar does not go back */
};

static fallible frame_send(struct seal_engine *self, uint8_t kind, struct bytes payload)
{
    pthread_mutex_lock(&self->lock);
    struct result sent = query_frame_send(self->stream, kind, payload);
    pthread_mutex_unlock(&self->lock);
    return sent;
}

static fallible json_send(struct seal_engine *self, uint8_t kind, const json_t *value)
{
    scoped_buffer text;
    buffer_init(&text, REQUEST_BYTES_MAX);
    TRY(json_encode(value, &text));
    return frame_send(self, kind, buffer_view(&text));
}

/* ---- Statements, with the engine's words kept and progress told. ---- */

static void *progress_tell(void *argument)
{
    struct seal_engine *self = argument;
    struct timespec deadline;
    int percent_before = -1;
    pthread_mutex_lock(&self->lock);
    while (self->working) {
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_nsec += PROGRESS_MS * 1000000L;
        deadline.tv_sec += deadline.tv_nsec / 1000000000L;
        deadline.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&self->done, &self->lock, &deadline);
        int percent = (int)duckdb_query_progress(self->duckdb.connection).percentage;
        if (self->working && percent >= 0 && percent <= 100 && percent != percent_before) {
            char text[32];
            int size = snprintf(text, sizeof text, "{\"percent\":%d}", percent);
            struct result sent = query_frame_send(self->stream, SEAL_ENGINE_FRAME_PROGRESS,
                                                  (struct bytes){(const uint8_t *)text, (size_t)size});
            percent_before = result_is_ok(sent) ? percent : percent_before;
        }
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static void message_keep(struct seal_engine *self, const char *message)
{
    struct text text = text_of(message);
    text.size = text.size < MESSAGE_BYTES_MAX ? text.size : (size_t)MESSAGE_BYTES_MAX;
    buffer_clear(&self->message);
    struct result kept = buffer_add_text(&self->message, text);
    (void)kept; /* a failure is told without words then */
}

static fallible statement_run(struct seal_engine *self, struct text statement, duckdb_result *out)
{
    scoped_arena arena;
    arena_init(&arena, STATEMENT_BYTES_MAX);
    const char *text = NULL;
    TRY(arena_cstring(&arena, statement, &text));
    pthread_t teller;
    self->working = true;
    bool telling = !self->quiet && pthread_create(&teller, NULL, progress_tell, self) == 0;
    duckdb_state state = duckdb_query(self->duckdb.connection, text, out);
    pthread_mutex_lock(&self->lock);
    self->working = false;
    pthread_cond_signal(&self->done);
    pthread_mutex_unlock(&self->lock);
    if (telling) {
        pthread_join(teller, NULL);
    }
    if (state != DuckDBSuccess) {
        message_keep(self, duckdb_result_error(out));
        return FAIL(INVALID, "seal_engine.statement");
    }
    return OK;
}

static fallible statement_do(struct seal_engine *self, struct text statement)
{
    scoped_duckdb_result result = {0};
    return statement_run(self, statement, &result);
}

/* Rows of `columns` unsigned integers each, appended to `out` one after the other. */
static fallible numbers_ask(struct seal_engine *self, struct text statement, size_t columns,
                            struct buffer *out)
{
    scoped_duckdb_result result = {0};
    TRY(statement_run(self, statement, &result));
    for (;;) {
        scoped_duckdb_chunk chunk = duckdb_fetch_chunk(result);
        idx_t rows = chunk == NULL ? 0 : duckdb_data_chunk_get_size(chunk);
        for (idx_t i = 0; i < rows; i++) {
            for (size_t j = 0; j < columns; j++) {
                const uint64_t *cells = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, j));
                TRY(buffer_add(out, (struct bytes){(const uint8_t *)&cells[i], sizeof *cells}));
            }
        }
        if (rows == 0) {
            return OK;
        }
    }
}

/* The same where one row is certain. */
static fallible row_ask(struct seal_engine *self, struct text statement, uint64_t *out, size_t count)
{
    scoped_buffer row;
    buffer_init(&row, count * sizeof *out);
    TRY(numbers_ask(self, statement, count, &row));
    REQUIRE(row.size == count * sizeof *out, INTERNAL, "seal_engine.numbers");
    memcpy(out, row.data, row.size);
    return OK;
}

/* ---- open ---- */

static fallible files_text(json_t *source, struct text reader, const char *options, struct buffer *out)
{
    json_t *files = NULL;
    TRY(json_get_array(source, "files", &files));
    REQUIRE(json_array_size(files) >= 1, INVALID, "seal_engine.files.none");
    TRY(buffer_add_text(out, reader));
    TRY(buffer_add_text(out, TEXT("([")));
    for (size_t i = 0; i < json_array_size(files); i++) {
        struct text file;
        TRY(json_text(json_array_get(files, i), &file));
        TRY(buffer_add_text(out, i == 0 ? (struct text){0} : TEXT(",")));
        TRY(engine_quote_text(out, file));
    }
    TRY(buffer_add_text(out, TEXT("]")));
    TRY(buffer_add_text(out, text_of(options)));
    return buffer_add_text(out, TEXT(")"));
}

/* What stands in FROM for the source; `*out_in_place` where it need not be materialised. */
static fallible source_text(json_t *source, struct buffer *out, bool *out_in_place)
{
    *out_in_place = false;
    if (json_has(source, "sql")) {
        struct text sql;
        TRY(json_get_text(source, "sql", &sql));
        while (sql.size > 0 && strchr("; \t\r\n", sql.data[sql.size - 1]) != NULL) {
            sql.size--;
        }
        TRY(buffer_add_text(out, TEXT("(")));
        TRY(buffer_add_text(out, sql));
        return buffer_add_text(out, TEXT("\n)")); /* on a line of its own: the query may end in a comment */
    }
    struct text format;
    TRY(json_get_text(source, "format", &format));
    if (text_is(format, "parquet")) {
        *out_in_place = true;
        return files_text(source, TEXT("read_parquet"), ", hive_partitioning=false", out);
    }
    if (text_is(format, "csv")) {
        return files_text(source, TEXT("read_csv"), "", out);
    }
    REQUIRE(text_is(format, "json"), UNSUPPORTED, "seal_engine.format");
    return files_text(source, TEXT("read_json"), "", out);
}

/* The type under which a column is sealed, and how to get there; NULL where it cannot be. */
static const char *sealed_type(struct arena *arena, duckdb_logical_type type, const char **out_cast)
{
    *out_cast = NULL;
    char *alias = duckdb_logical_type_get_alias(type);
    if (alias != NULL) {
        /* JSON, a VARCHAR by another name, which Parquet would bring back under that name. */
        duckdb_free(alias);
        return *out_cast = duckdb_get_type_id(type) == DUCKDB_TYPE_VARCHAR ? "VARCHAR" : NULL;
    }
    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_HUGEINT:
        return *out_cast = "DECIMAL(38,0)";
    case DUCKDB_TYPE_ENUM:
        return *out_cast = "VARCHAR";
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return *out_cast = "TIMESTAMP";
    default:
        return engine_type_name(arena, type);
    }
}

static fallible column_add(struct seal_engine *self, struct arena *arena, duckdb_prepared_statement source,
                           idx_t i, struct buffer *select, json_t *schema)
{
    struct text name;
    TRY(engine_output_name(arena, source, i, &name));
    scoped_duckdb_type type = duckdb_prepared_statement_column_logical_type(source, i);
    const char *cast = NULL;
    const char *sealed = sealed_type(arena, type, &cast);
    bool named = text_is_printable_utf8(name) && name.size >= 1 && name.size <= 128;
    if (sealed == NULL || !named) {
        message_keep(self, arena_where(arena,
                                       "column \"%.*s\" has a type or a name that cannot be sealed; "
                                       "cast it or leave it out with --sql",
                                       TEXT_ARGS(name)));
        return FAIL(UNSUPPORTED, "seal_engine.column.type");
    }
    TRY(buffer_add_text(&self->columns, i == 0 ? (struct text){0} : TEXT(",")));
    TRY(engine_quote_name(&self->columns, name));
    TRY(buffer_add_text(select, i == 0 ? TEXT("SELECT ") : TEXT(",")));
    TRY(buffer_add_text(select, cast == NULL ? (struct text){0} : TEXT("CAST(")));
    TRY(engine_quote_name(select, name));
    if (cast != NULL) {
        TRY(buffer_printf(select, " AS %s) AS ", cast));
        TRY(engine_quote_name(select, name));
    }
    json_t *column = json_object();
    TRY(json_add(schema, column));
    TRY(json_set_text(column, "name", name));
    return json_set_text(column, "type", text_of(sealed));
}

/* `source` is what stands in FROM; `select` becomes the SELECT over it that is sealed. */
static fallible source_describe(struct seal_engine *self, struct text source, struct buffer *select,
                                json_t *schema)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct text all;
    TRY(arena_printf(&arena, &all, "SELECT * FROM %.*s AS source", TEXT_ARGS(source)));
    scoped_duckdb_statement prepared = NULL;
    if (duckdb_prepare(self->duckdb.connection, all.data, &prepared) != DuckDBSuccess) {
        message_keep(self, duckdb_prepare_error(prepared));
        return FAIL(INVALID, "seal_engine.source");
    }
    idx_t count = duckdb_prepared_statement_column_count(prepared);
    REQUIRE(count >= 1, INVALID, "seal_engine.source.columns");
    for (idx_t i = 0; i < count; i++) {
        TRY(column_add(self, &arena, prepared, i, select, schema));
    }
    TRY(buffer_add_text(select, TEXT(" FROM ")));
    TRY(buffer_add_text(select, source));
    return buffer_add_text(select, TEXT(" AS source"));
}

/* The engine knows the place of every row in Parquet files, in columns that a file's own of that name would
 * hide. */
static bool rows_have_places(const json_t *schema)
{
    size_t index;
    json_t *column;
    json_array_foreach (schema, index, column) {
        const char *name = json_string_value(json_object_get(column, "name"));
        if (strcasecmp(name, "file_index") == 0 || strcasecmp(name, "file_row_number") == 0) {
            return false;
        }
    }
    return true;
}

/* Remembers how to reach the rows of Parquet files by their place, so that a part reads its own row groups
 * only. */
static fallible places_keep(struct seal_engine *self, struct text source, struct text select)
{
    scoped_buffer count;
    buffer_init(&count, STATEMENT_BYTES_MAX);
    TRY(buffer_add_text(&count, TEXT("SELECT CAST(file_index AS UBIGINT), CAST(count(*) AS UBIGINT) FROM ")));
    TRY(buffer_add_text(&count, source));
    TRY(buffer_add_text(&count, TEXT(" GROUP BY 1 ORDER BY 1")));
    TRY(numbers_ask(self, buffer_text(&count), 2, &self->files));
    return buffer_add_text(&self->scan, select);
}

static fallible engine_start(struct seal_engine *self, json_t *request)
{
    uint64_t threads = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t memory_mb =
        (uint64_t)sysconf(_SC_PHYS_PAGES) / 1024 * (uint64_t)sysconf(_SC_PAGESIZE) / 1024 / 4 * 3;
    if (json_has(request, "threads")) {
        TRY(json_get_u64(request, "threads", 256, &threads));
    }
    if (json_has(request, "memory_mb")) {
        TRY(json_get_u64(request, "memory_mb", 1 << 24, &memory_mb));
    }
    REQUIRE(threads >= 1 && memory_mb >= 64, INVALID, "seal_engine.limits");
    struct engine_options options = {
        .files = ENGINE_FILES_LOCAL, .threads = (unsigned)threads, .memory_bytes = memory_mb << 20};
    engine_close(&self->duckdb);
    TRY(engine_open(&options, &self->duckdb));
    /* The engine counts its progress only for a bar, which it need not draw. */
    TRY(engine_execute(&self->duckdb, TEXT("SET enable_progress_bar=true")));
    TRY(engine_execute(&self->duckdb, TEXT("SET enable_progress_bar_print=false")));
    return engine_execute(&self->duckdb, TEXT("SET progress_bar_time=0"));
}

static fallible op_open(struct seal_engine *self, json_t *request)
{
    json_t *source = NULL;
    bool in_place = false;
    uint64_t rows = 0;
    scoped_buffer text;
    scoped_buffer select;
    buffer_init(&text, STATEMENT_BYTES_MAX);
    buffer_init(&select, STATEMENT_BYTES_MAX);
    self->opened = false;
    buffer_clear(&self->columns);
    buffer_clear(&self->scan);
    buffer_clear(&self->files);
    TRY(json_get_object(request, "source", &source));
    TRY(engine_start(self, request));
    TRY(source_text(source, &text, &in_place));
    scoped_json *answer = json_object();
    json_t *schema = json_array();
    TRY(json_set(answer, "columns", schema));
    scoped_buffer create;
    buffer_init(&create, STATEMENT_BYTES_MAX);
    TRY(buffer_add_text(&create, in_place ? TEXT("CREATE VIEW data AS ") : TEXT("CREATE TABLE data AS ")));
    TRY(source_describe(self, buffer_text(&text), &select, schema));
    TRY(buffer_add_text(&create, buffer_text(&select)));
    TRY(statement_do(self, buffer_text(&create)));
    TRY(row_ask(self, TEXT("SELECT CAST(count(*) AS UBIGINT) FROM data"), &rows, 1));
    if (in_place && rows_have_places(schema)) {
        TRY(places_keep(self, buffer_text(&text), buffer_text(&select)));
    }
    TRY(json_set_i64(answer, "rows", (int64_t)rows));
    self->opened = true;
    return json_send(self, SEAL_ENGINE_FRAME_SCHEMA, answer);
}

/* ---- part and check ---- */

/* Rows of Parquet files by their place, each file's after the one before. */
static fallible placed_rows_text(struct seal_engine *self, uint64_t first, uint64_t count, struct buffer *out)
{
    const struct file_rows *files = (const struct file_rows *)(const void *)self->files.data;
    uint64_t last = count > UINT64_MAX - first ? UINT64_MAX : first + count;
    uint64_t start = 0;
    bool any = false;
    for (size_t i = 0; i < self->files.size / sizeof *files; i++) {
        uint64_t end = start + files[i].rows;
        if (start < last && end > first) {
            TRY(buffer_add_text(out, any ? TEXT(" UNION ALL ") : (struct text){0}));
            TRY(buffer_add_text(out, buffer_text(&self->scan)));
            TRY(buffer_printf(
                out, " WHERE file_index = %llu AND file_row_number >= %llu AND file_row_number < %llu",
                (unsigned long long)files[i].index, (unsigned long long)(first > start ? first - start : 0),
                (unsigned long long)((last < end ? last : end) - start)));
            any = true;
        }
        start = end;
    }
    return any ? OK : buffer_add_text(out, TEXT("SELECT * FROM data LIMIT 0"));
}

static fallible rows_text(struct seal_engine *self, uint64_t first, uint64_t count, struct buffer *out)
{
    if (self->scan.size > 0) {
        return placed_rows_text(self, first, count, out);
    }
    TRY(buffer_add_text(out, TEXT("SELECT ")));
    TRY(buffer_add_text(out, buffer_text(&self->columns)));
    return buffer_printf(out, " FROM data LIMIT %llu OFFSET %llu", (unsigned long long)count,
                         (unsigned long long)first);
}

static fallible rows_hash(struct seal_engine *self, uint64_t first, uint64_t count, json_t *answer)
{
    scoped_buffer text;
    buffer_init(&text, STATEMENT_BYTES_MAX);
    uint64_t numbers[2] = {0};
    char hex[17];
    TRY(buffer_add_text(&text, TEXT("SELECT CAST(count(*) AS UBIGINT), coalesce(bit_xor(hash(hash(place,")));
    TRY(buffer_add_text(&text, buffer_text(&self->columns)));
    TRY(buffer_add_text(&text,
                        TEXT("))), 0::UBIGINT) FROM (SELECT row_number() OVER () AS place, * FROM (")));
    TRY(rows_text(self, first, count, &text));
    TRY(buffer_add_text(&text, TEXT("))")));
    TRY(row_ask(self, buffer_text(&text), numbers, 2));
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)numbers[1]);
    TRY(json_set_i64(answer, "rows", (int64_t)numbers[0]));
    return json_set_text(answer, "hash", text_of(hex));
}

static fallible range_read(struct seal_engine *self, json_t *request, uint64_t *out_first,
                           uint64_t *out_count)
{
    REQUIRE(self->opened, CONFLICT, "seal_engine.not_open");
    TRY(json_get_u64(request, "first", INT64_MAX, out_first));
    return json_get_u64(request, "count", INT64_MAX, out_count);
}

static fallible op_part(struct seal_engine *self, json_t *request)
{
    uint64_t first = 0;
    uint64_t count = 0;
    uint64_t group = 0;
    struct text compression;
    TRY(range_read(self, request, &first, &count));
    TRY(json_get_u64(request, "row_group_rows", 1 << 30, &group));
    TRY(json_get_text(request, "compression", &compression));
    REQUIRE(text_is(compression, "zstd") || text_is(compression, "snappy") ||
                text_is(compression, "uncompressed"),
            UNSUPPORTED, "seal_engine.compression");
    scoped_buffer text;
    buffer_init(&text, STATEMENT_BYTES_MAX);
    TRY(buffer_add_text(&text, TEXT("COPY (")));
    TRY(rows_text(self, first, count, &text));
    TRY(buffer_printf(&text,
                      ") TO '/sealed/out/part' (FORMAT parquet, COMPRESSION %.*s, ROW_GROUP_SIZE %llu, "
                      "USE_TMP_FILE false, WRITE_BLOOM_FILTER false)",
                      TEXT_ARGS(compression), (unsigned long long)group));
    self->written = 0;
    TRY(statement_do(self, buffer_text(&text)));
    self->quiet = true;
    scoped_json *answer = json_object();
    TRY(rows_hash(self, first, count, answer));
    TRY(json_set_i64(answer, "size", (int64_t)self->written));
    return json_send(self, SEAL_ENGINE_FRAME_END, answer);
}

static fallible op_check(struct seal_engine *self, json_t *request)
{
    uint64_t first = 0;
    uint64_t count = 0;
    TRY(range_read(self, request, &first, &count));
    scoped_json *answer = json_object();
    TRY(rows_hash(self, first, count, answer));
    return json_send(self, SEAL_ENGINE_FRAME_END, answer);
}

static fallible request_serve(struct seal_engine *self, struct bytes untrusted_request)
{
    static const struct {
        const char *op;
        fallible (*serve)(struct seal_engine *, json_t *);
    } operations[] = {{"open", op_open}, {"part", op_part}, {"check", op_check}};
    scoped_json *request = NULL;
    struct text op;
    TRY(json_decode(untrusted_request, &request));
    TRY(json_get_text(request, "op", &op));
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (text_is(op, operations[i].op)) {
            return operations[i].serve(self, request);
        }
    }
    return FAIL(UNSUPPORTED, "seal_engine.op");
}

static fallible refusal_send(struct seal_engine *self, struct result refused)
{
    scoped_json *answer = json_object();
    TRY(json_set_text(answer, "why", text_of(refused.why)));
    /* The engine quotes what it reads: its words may not be UTF-8 any more where they were cut. */
    struct text message = buffer_text(&self->message);
    while (message.size > 0 && !text_is_printable_utf8(message)) {
        message.size--;
    }
    TRY(json_set_text(answer, "message", message));
    return json_send(self, SEAL_ENGINE_FRAME_REFUSED, answer);
}

static fallible sink_write(void *engine, struct bytes octets)
{
    struct seal_engine *self = engine;
    for (size_t at = 0; at < octets.size; at += QUERY_READ_LENGTH_MAX) {
        TRY(frame_send(self, SEAL_ENGINE_FRAME_DATA, bytes_slice(octets, at, QUERY_READ_LENGTH_MAX)));
    }
    self->written += octets.size;
    return OK;
}

int seal_engine_serve(int stream)
{
    struct seal_engine self = {
        .stream = stream, .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    struct local_files_sink sink = {&self, sink_write};
    local_files_set_sink(&sink);
    scoped_buffer payload;
    buffer_init(&payload, REQUEST_BYTES_MAX);
    buffer_init(&self.message, MESSAGE_BYTES_MAX);
    buffer_init(&self.columns, STATEMENT_BYTES_MAX);
    buffer_init(&self.scan, STATEMENT_BYTES_MAX);
    buffer_init(&self.files, STATEMENT_BYTES_MAX);
    struct result served = OK;
    uint8_t kind = 0;
    while (result_is_ok(served)) {
        served = query_frame_receive(stream, &payload, &kind);
        if (!result_is_ok(served)) {
            break;
        }
        buffer_clear(&self.message);
        self.quiet = false;
        struct result result = kind == SEAL_ENGINE_FRAME_REQUEST ? request_serve(&self, buffer_view(&payload))
                                                                 : FAIL(INVALID, "seal_engine.frame");
        served = result_is_ok(result) ? OK : refusal_send(&self, result);
    }
    engine_close(&self.duckdb);
    buffer_release(&self.message);
    buffer_release(&self.columns);
    buffer_release(&self.scan);
    buffer_release(&self.files);
    return served.code == RESULT_NOT_FOUND ? 0 : 1;
}
