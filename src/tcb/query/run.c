#include "query/run.h"

#include "base/json.h"
#include "edge/query_wire.h"
#include "query/engine.h"
#include "query/sandbox.h"
#include "query/vfs.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    REQUEST_BYTES_MAX = 16 << 20,
    ARENA_BYTES_MAX = 64 << 20,
    TABLES_MAX = 64,
    OUTPUTS_MAX = 1024,
    THREADS_MAX = 256,
    RESULT_BYTES_MAX = 1 << 30,
    CELLS_FRAME_BYTES = 1 << 20,
    /* Address space of the program, its libraries, the window's states and the allocator's reserve. */
    PROGRAM_BYTES = (368 << 20) + QUERY_STATES_BYTES,
    THREAD_BYTES = 16 << 20,
    CPU_SECONDS = 24 * 3600, /* the room kills at the deadline; this is for a room that is gone */
};

struct run_table {
    struct text name;
    uint64_t dataset;
};

struct run {
    struct text executed;
    struct run_table tables[TABLES_MAX];
    size_t table_count;
    struct vfs_dataset datasets[QUERY_DATASETS_MAX];
    struct text output_types[OUTPUTS_MAX];
    size_t output_count;
    uint64_t threads;
    uint64_t memory_mb;
    uint64_t max_rows;
    uint64_t max_bytes;
};

static fallible parts_read(struct arena *arena, json_t *parts, struct vfs_dataset *out)
{
    size_t count = json_array_size(parts);
    REQUIRE(count >= 1 && count <= QUERY_PARTS_MAX, INVALID, "run.request.parts");
    struct vfs_part *list = NULL;
    TRY(ARENA_ARRAY(arena, struct vfs_part, count, &list));
    for (size_t i = 0; i < count; i++) {
        json_t *part = json_array_get(parts, i);
        TRY(json_get_u64(part, "size", QUERY_WINDOW_BYTES, &list[i].size));
        TRY(json_get_u64(part, "first", QUERY_SEGMENTS_MAX, &list[i].first));
    }
    *out = (struct vfs_dataset){list, (uint32_t)count};
    return OK;
}

static fallible tables_read(struct arena *arena, json_t *request, struct run *run)
{
    json_t *tables = NULL;
    json_t *parts = NULL;
    TRY(json_get_array(request, "tables", &tables));
    run->table_count = json_array_size(tables);
    REQUIRE(run->table_count <= TABLES_MAX, LIMIT, "run.request.tables");
    for (size_t i = 0; i < run->table_count; i++) {
        json_t *table = json_array_get(tables, i);
        struct run_table *out = &run->tables[i];
        TRY(json_get_text(table, "name", &out->name));
        TRY(json_get_u64(table, "dataset", QUERY_DATASETS_MAX - 1, &out->dataset));
        TRY(json_get_array(table, "parts", &parts));
        TRY(parts_read(arena, parts, &run->datasets[out->dataset]));
    }
    return OK;
}

static fallible request_read(struct arena *arena, json_t *request, struct run *run)
{
    json_t *output = NULL;
    TRY(json_get_text(request, "executed", &run->executed));
    TRY(tables_read(arena, request, run));
    TRY(json_get_array(request, "output", &output));
    run->output_count = json_array_size(output);
    REQUIRE(run->output_count >= 1 && run->output_count <= OUTPUTS_MAX, LIMIT, "run.request.output");
    for (size_t i = 0; i < run->output_count; i++) {
        TRY(json_get_text(json_array_get(output, i), "type", &run->output_types[i]));
    }
    TRY(json_get_u64(request, "threads", THREADS_MAX, &run->threads));
    TRY(json_get_u64(request, "memory_mb", 1 << 24, &run->memory_mb));
    TRY(json_get_u64(request, "max_rows", INT64_MAX, &run->max_rows));
    TRY(json_get_u64(request, "max_bytes", RESULT_BYTES_MAX, &run->max_bytes));
    REQUIRE(run->threads >= 1 && run->memory_mb >= 16, INVALID, "run.request.limits");
    return OK;
}

static fallible window_map(int window, struct vfs_sealed *sealed)
{
    void *mapped = mmap(NULL, QUERY_STATES_BYTES, PROT_READ, MAP_SHARED, window, 0);
    REQUIRE(mapped != MAP_FAILED, INTERNAL, "run.window.map");
    sealed->window = window;
    sealed->states = mapped;
    return OK;
}

static fallible view_create(struct engine *engine, const struct run *run, const struct run_table *table)
{
    scoped_buffer text;
    buffer_init(&text, REQUEST_BYTES_MAX);
    TRY(buffer_add_text(&text, TEXT("CREATE VIEW ")));
    TRY(engine_quote_name(&text, table->name));
    TRY(buffer_add_text(&text, TEXT(" AS SELECT * FROM read_parquet([")));
    for (uint32_t part = 0; part < run->datasets[table->dataset].part_count; part++) {
        TRY(buffer_printf(&text, "%s'/sealed/%u/%u'", part == 0 ? "" : ",", (unsigned)table->dataset, part));
    }
    TRY(buffer_add_text(&text, TEXT("], hive_partitioning=false, union_by_name=false)")));
    return engine_execute(engine, buffer_text(&text));
}

static __int128 integer_at(const void *data, duckdb_type type, idx_t row)
{
    switch (type) {
    case DUCKDB_TYPE_TINYINT:
        return ((const int8_t *)data)[row];
    case DUCKDB_TYPE_SMALLINT:
        return ((const int16_t *)data)[row];
    case DUCKDB_TYPE_INTEGER:
        return ((const int32_t *)data)[row];
    case DUCKDB_TYPE_BIGINT:
        return ((const int64_t *)data)[row];
    case DUCKDB_TYPE_UTINYINT:
        return ((const uint8_t *)data)[row];
    case DUCKDB_TYPE_USMALLINT:
        return ((const uint16_t *)data)[row];
    case DUCKDB_TYPE_UINTEGER:
        return ((const uint32_t *)data)[row];
    case DUCKDB_TYPE_UBIGINT:
        return ((const uint64_t *)data)[row];
    default: { /* HUGEINT: a vector is aligned for 8 octets only */
        __int128 value;
        memcpy(&value, (const char *)data + row * sizeof value, sizeof value);
        return value;
    }
    }
}

/* How DuckDB stores a DECIMAL of that width. */
static duckdb_type decimal_storage(uint8_t width)
{
    return width <= 4    ? DUCKDB_TYPE_SMALLINT
           : width <= 9  ? DUCKDB_TYPE_INTEGER
           : width <= 18 ? DUCKDB_TYPE_BIGINT
                         : DUCKDB_TYPE_HUGEINT;
}

struct run_column {
    const void *data;
    const uint64_t *validity;
    enum cell_kind kind;
    duckdb_type storage;
};

static void cell_at(const struct run_column *column, idx_t row, struct cell *out)
{
    *out = (struct cell){0};
    if (column->validity != NULL && (column->validity[row / 64] >> (row % 64) & 1) == 0) {
        return;
    }
    out->kind = column->kind;
    if (column->kind == CELL_NUMBER) {
        out->number = integer_at(column->data, column->storage, row);
    } else if (column->kind == CELL_DATE) {
        out->number = ((const int32_t *)column->data)[row];
    } else {
        out->text = engine_string(&((const duckdb_string *)column->data)[row]);
    }
}

/* Checks the result's columns against the declared types and learns how to read them. */
static fallible columns_check(struct arena *arena, const struct run *run, duckdb_result *result,
                              struct run_column *columns)
{
    REQUIRE(duckdb_column_count(result) == run->output_count, INVALID, "run.output.count");
    for (size_t i = 0; i < run->output_count; i++) {
        scoped_duckdb_type type = duckdb_column_logical_type(result, i);
        const char *name = engine_type_name(arena, type);
        duckdb_type id = duckdb_get_type_id(type);
        struct column_type declared;
        REQUIRE(name != NULL && text_is(run->output_types[i], name), INVALID, "run.output.type");
        TRY(column_type_parse(run->output_types[i], &declared));
        REQUIRE(column_type_may_leave(declared) == VERDICT_ALLOW, INVALID, "run.output.type");
        columns[i].storage = id == DUCKDB_TYPE_DECIMAL ? decimal_storage(duckdb_decimal_width(type)) : id;
        columns[i].kind = id == DUCKDB_TYPE_DATE      ? CELL_DATE
                          : id == DUCKDB_TYPE_VARCHAR ? CELL_TEXT
                                                      : CELL_NUMBER;
    }
    return OK;
}

static fallible chunk_encode(const struct run *run, duckdb_data_chunk chunk, struct run_column *columns,
                             struct buffer *cells)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    for (size_t i = 0; i < run->output_count; i++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
        columns[i].data = duckdb_vector_get_data(vector);
        columns[i].validity = duckdb_vector_get_validity(vector);
    }
    for (idx_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < run->output_count; i++) {
            struct cell cell;
            cell_at(&columns[i], row, &cell);
            TRY(query_cell_encode(cells, &cell));
        }
    }
    return OK;
}

static fallible result_encode(struct arena *arena, const struct run *run, duckdb_result *result,
                              struct buffer *cells)
{
    struct run_column *columns = NULL;
    TRY(ARENA_ARRAY(arena, struct run_column, run->output_count, &columns));
    TRY(columns_check(arena, run, result, columns));
    uint64_t rows = 0;
    for (;;) {
        scoped_duckdb_chunk chunk = duckdb_fetch_chunk(*result);
        if (chunk == NULL) {
            return OK;
        }
        rows += duckdb_data_chunk_get_size(chunk);
        REQUIRE(rows <= run->max_rows, LIMIT, "run.output.rows");
        TRY(chunk_encode(run, chunk, columns, cells));
    }
}

static fallible execute(struct arena *arena, struct engine *engine, const struct run *run,
                        struct buffer *cells)
{
    const char *text = NULL;
    TRY(arena_cstring(arena, run->executed, &text));
    scoped_duckdb_statement prepared = NULL;
    scoped_duckdb_result result = {0};
    REQUIRE(duckdb_prepare(engine->connection, text, &prepared) == DuckDBSuccess, INVALID, "run.prepare");
    REQUIRE(duckdb_execute_prepared(prepared, &result) == DuckDBSuccess, INVALID, "run.execute");
    return result_encode(arena, run, &result, cells);
}

/* Sends whole rows, as many in a frame as fit. */
static fallible frames_send(int stream, const struct run *run, struct bytes cells)
{
    struct reader reader = reader_of(cells);
    size_t sent = 0;
    while (reader_left(&reader) > 0) {
        size_t row = cells.size - reader_left(&reader);
        struct cell cell;
        for (size_t i = 0; i < run->output_count; i++) {
            TRY(query_cell_decode(&reader, &cell));
        }
        if (row > sent && cells.size - reader_left(&reader) - sent > CELLS_FRAME_BYTES) {
            TRY(query_frame_send(stream, QUERY_FRAME_CELLS, bytes_slice(cells, sent, row - sent)));
            sent = row;
        }
    }
    if (cells.size > 0) {
        TRY(query_frame_send(stream, QUERY_FRAME_CELLS, bytes_slice(cells, sent, cells.size - sent)));
    }
    return query_frame_send(stream, QUERY_FRAME_END, (struct bytes){0});
}

static fallible run_confined(struct arena *arena, const struct run *run, struct buffer *cells)
{
    struct sandbox_limits limits = {
        .address_space_bytes = (run->memory_mb << 20) + PROGRAM_BYTES + run->threads * THREAD_BYTES,
        .cpu_seconds = CPU_SECONDS,
    };
    TRY(sandbox_enter(&limits));
    /* The engine's own limit covers its buffers only; the rest of the room's allowance is for what it
     * forgets. */
    struct engine_options options = {.files = ENGINE_FILES_SEALED,
                                     .threads = (unsigned)run->threads,
                                     .memory_bytes = (run->memory_mb << 20) / 8 * 7};
    struct engine engine = {0};
    TRY(engine_open(&options, &engine));
    for (size_t i = 0; i < run->table_count; i++) {
        TRY(view_create(&engine, run, &run->tables[i]));
    }
    TRY(engine_lock(&engine));
    return execute(arena, &engine, run, cells);
}

static fallible run_task(int stream, int read_socket, int memory)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    scoped_buffer payload;
    buffer_init(&payload, REQUEST_BYTES_MAX);
    scoped_json *request = NULL;
    struct run *run = NULL;
    uint8_t kind = 0;
    TRY(query_frame_receive(stream, &payload, &kind));
    REQUIRE(kind == QUERY_FRAME_RUN, INVALID, "run.request.kind");
    TRY(json_decode(buffer_view(&payload), &request));
    TRY(ARENA_NEW(&arena, struct run, &run));
    TRY(request_read(&arena, request, run));
    struct vfs_sealed sealed = {
        .read_socket = read_socket, .datasets = run->datasets, .dataset_count = QUERY_DATASETS_MAX};
    TRY(window_map(memory, &sealed));
    vfs_enter_sealed(&sealed);
    scoped_buffer cells;
    buffer_init(&cells, run->max_bytes);
    TRY(run_confined(&arena, run, &cells));
    return frames_send(stream, run, buffer_view(&cells));
}

void run_serve(int stream, int read_socket, int memory)
{
    struct result result = run_task(stream, read_socket, memory);
    if (!result_is_ok(result)) {
        /* Nothing was sent yet, or the room is gone and this fails too. */
        struct result told = query_frame_send(stream, QUERY_FRAME_FAILED, (struct bytes){0});
        (void)told;
    }
}
