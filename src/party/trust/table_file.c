#include "party/trust/table_file.h"

#include "base/json.h"
#include "edge/query_wire.h"
#include "party/process/process.h"
#include "party/seal_engine/seal_engine.h"

#include <sys/mman.h>
#include <unistd.h>

/* Takes one field of RFC 4180 text; a quoted one loses its quotes. */
static fallible take_field(struct arena *arena, struct text csv, size_t *at, struct text *out,
                           bool *out_quoted)
{
    void *memory;
    size_t start = *at;
    *out_quoted = start < csv.size && csv.data[start] == '"';
    if (!*out_quoted) {
        while (*at < csv.size && csv.data[*at] != ',' && csv.data[*at] != '\n') {
            (*at)++;
        }
        *out = (struct text){csv.data + start, *at - start};
        return OK;
    }
    size_t end = start + 1;
    while (end < csv.size && (csv.data[end] != '"' || (end + 1 < csv.size && csv.data[end + 1] == '"'))) {
        end += csv.data[end] == '"' ? 2 : 1;
    }
    REQUIRE(end < csv.size, INVALID, "result.csv");
    TRY(arena_take(arena, end - start, &memory));
    char *field = memory;
    size_t size = 0;
    for (size_t i = start + 1; i < end; i++) {
        field[size++] = csv.data[i];
        i += csv.data[i] == '"';
    }
    *at = end + 1;
    *out = (struct text){field, size};
    return OK;
}

static fallible write_value(struct column_type type, struct text field, bool quoted, struct buffer *out)
{
    if (field.size == 0 && !quoted) {
        return buffer_add_text(out, TEXT("null"));
    }
    if (type.kind != COLUMN_VARCHAR && type.kind != COLUMN_DATE) {
        return buffer_add_text(out, field);
    }
    scoped_json *text = json_stringn(field.data, field.size);
    REQUIRE(text != NULL, INVALID, "result.csv");
    return json_encode(text, out);
}

static fallible write_row(const struct result_frame *frame, struct text csv, size_t *at, struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, (size_t)1 << 31);
    for (size_t i = 0; i < frame->column_count; i++) {
        struct text field;
        bool quoted;
        scoped_json *name = json_stringn(frame->columns[i].name.data, frame->columns[i].name.size);
        REQUIRE(name != NULL, INVALID, "result.csv");
        TRY(take_field(&arena, csv, at, &field, &quoted));
        TRY(buffer_add_text(out, i == 0 ? TEXT("{") : TEXT(",")));
        TRY(json_encode(name, out));
        TRY(buffer_add_text(out, TEXT(":")));
        TRY(write_value(frame->columns[i].type, field, quoted, out));
        char want = i + 1 < frame->column_count ? ',' : '\n';
        REQUIRE(*at < csv.size && csv.data[*at] == want, INVALID, "result.csv");
        (*at)++;
    }
    return buffer_add_text(out, TEXT("}\n"));
}

fallible table_file_json_lines(struct arena *arena, const struct result_frame *frame, struct buffer *out)
{
    struct text csv = text_of_bytes(frame->csv);
    size_t at = 0;
    for (size_t i = 0; i < frame->column_count; i++) {
        struct text field;
        bool quoted;
        TRY(take_field(arena, csv, &at, &field, &quoted));
        REQUIRE(text_equal(field, frame->columns[i].name), INVALID, "result.csv");
        REQUIRE(at < csv.size && csv.data[at] == (i + 1 < frame->column_count ? ',' : '\n'), INVALID,
                "result.csv");
        at++;
    }
    while (at < csv.size) {
        TRY(write_row(frame, csv, &at, out));
    }
    return OK;
}

static void close_descriptor(int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}

static fallible hold_in_memory(struct bytes bytes, int *out)
{
    defer(close_descriptor) int memory = memfd_create("truce-result", MFD_CLOEXEC);
    REQUIRE(memory >= 0, UNAVAILABLE, "result.memory");
    while (bytes.size > 0) {
        ssize_t size = write(memory, bytes.data, bytes.size);
        REQUIRE(size > 0, UNAVAILABLE, "result.memory");
        bytes = bytes_slice(bytes, (size_t)size, bytes.size);
    }
    *out = memory;
    memory = -1;
    return OK;
}

static fallible add_quoted(struct buffer *out, struct text text)
{
    TRY(buffer_add_byte(out, '\''));
    for (size_t i = 0; i < text.size; i++) {
        TRY(text.data[i] == '\'' ? buffer_add_text(out, TEXT("''"))
                                 : buffer_add_byte(out, (uint8_t)text.data[i]));
    }
    return buffer_add_byte(out, '\'');
}

/* SELECT * FROM read_csv('/proc/PID/fd/N', header = true, columns = {'a': 'BIGINT', …}) */
static fallible make_sql(struct arena *arena, const struct result_frame *frame, int memory,
                         struct buffer *out)
{
    TRY(buffer_printf(out,
                      "SELECT * FROM read_csv('/proc/%ld/fd/%d', header = true, auto_detect = false, delim = "
                      "',', quote = '\"', "
                      "escape = '\"', nullstr = '', allow_quoted_nulls = false, columns = {",
                      (long)getpid(), memory));
    for (size_t i = 0; i < frame->column_count; i++) {
        struct text type;
        TRY(column_type_to_text(arena, frame->columns[i].type, &type));
        TRY(buffer_add_text(out, i == 0 ? TEXT("") : TEXT(", ")));
        TRY(add_quoted(out, frame->columns[i].name));
        TRY(buffer_add_text(out, TEXT(": ")));
        TRY(add_quoted(out, type));
    }
    return buffer_add_text(out, TEXT("})"));
}

static fallible send_request(int stream, const json_t *request)
{
    scoped_arena arena;
    struct text text;
    arena_init(&arena, 1024 * 1024);
    TRY(json_encode_text(&arena, request, &text));
    return query_frame_send(stream, SEAL_ENGINE_FRAME_REQUEST, bytes_of_text(text));
}

/* Frames up to the one that ends an answer; data goes to `out`. */
static fallible receive_answer(int stream, uint8_t want, struct buffer *payload, struct buffer *out)
{
    for (;;) {
        uint8_t kind;
        TRY(query_frame_receive(stream, payload, &kind));
        if (kind == want) {
            return OK;
        }
        REQUIRE(kind != SEAL_ENGINE_FRAME_REFUSED, UNSUPPORTED, "result.parquet.refused");
        if (kind == SEAL_ENGINE_FRAME_DATA) {
            TRY(buffer_add(out, buffer_view(payload)));
        }
    }
}

static fallible ask_for_parquet(struct arena *arena, int stream, const struct result_frame *frame, int memory,
                                struct buffer *out)
{
    scoped_json *open = json_object();
    scoped_json *part = json_object();
    scoped_json *schema = NULL;
    scoped_buffer sql;
    scoped_buffer payload;
    int64_t rows;
    buffer_init(&sql, 1024 * 1024);
    buffer_init(&payload, QUERY_FRAME_BYTES_MAX);
    TRY(make_sql(arena, frame, memory, &sql));
    json_t *source = json_object();
    TRY(json_set(open, "source", source));
    TRY(json_set_text(source, "sql", buffer_text(&sql)));
    TRY(json_set_text(open, "op", TEXT("open")));
    TRY(send_request(stream, open));
    TRY(receive_answer(stream, SEAL_ENGINE_FRAME_SCHEMA, &payload, out));
    TRY(json_decode(buffer_view(&payload), &schema));
    TRY(json_get_i64(schema, "rows", &rows));
    TRY(json_set_text(part, "op", TEXT("part")));
    TRY(json_set_i64(part, "first", 0));
    TRY(json_set_i64(part, "count", rows));
    TRY(json_set_i64(part, "row_group_rows", 122880));
    TRY(json_set_text(part, "compression", TEXT("zstd")));
    TRY(send_request(stream, part));
    return receive_answer(stream, SEAL_ENGINE_FRAME_END, &payload, out);
}

static fallible make_parquet(struct arena *arena, const struct result_frame *frame, const char *program,
                             struct buffer *out)
{
    defer(close_descriptor) int memory = -1;
    TRY(hold_in_memory(frame->csv, &memory));
    const char *const words[] = {program, NULL};
    scoped_process process = {.socket = -1};
    TRY(process_start(words, &process));
    return ask_for_parquet(arena, process.socket, frame, memory, out);
}

fallible table_file_convert(struct arena *arena, const struct result_frame *frame, const char *format,
                            const char *seal_engine, struct buffer *out)
{
    if (strcmp(format, "csv") == 0) {
        return buffer_add(out, frame->csv);
    }
    if (strcmp(format, "jsonl") == 0) {
        return table_file_json_lines(arena, frame, out);
    }
    if (strcmp(format, "parquet") == 0) {
        return make_parquet(arena, frame, seal_engine, out);
    }
    return FAIL(UNSUPPORTED, "result.format.arrow");
}
