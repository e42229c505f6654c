#include "privacy/result_frame.h"

#include "base/json.h"
#include "base/reader.h"
#include "privacy/document.h"
#include "privacy/gate.h"

fallible result_size_class(uint64_t size, uint64_t *out)
{
    REQUIRE(size <= RESULT_SIZE_MAX, LIMIT, "result.size");
    uint64_t size_class = RESULT_SIZE_CLASS_MIN;
    while (size_class < size) {
        size_class *= 2;
    }
    *out = size_class;
    return OK;
}

fallible column_schema_build(const struct column columns[], size_t count, json_t *array)
{
    for (size_t i = 0; i < count; i++) {
        scoped_arena arena;
        arena_init(&arena, 1024);
        struct text type;
        json_t *row;
        TRY(column_type_to_text(&arena, columns[i].type, &type));
        TRY(document_add_object(array, &row));
        TRY(json_set_text(row, "name", columns[i].name));
        TRY(json_set_text(row, "type", type));
    }
    return OK;
}

static fallible read_column(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const char *const members[] = {"name", "type", NULL};
    const struct column *columns = *(struct column **)self;
    struct column *out = *(struct column **)self + index;
    struct text type;
    TRY(json_only(arena, row, members));
    TRY(json_get_text(row, "name", &out->name));
    TRY(json_get_text(row, "type", &type));
    REQUIRE_AT(column_name_is_valid(out->name), INVALID, "column.name", "name");
    struct result result = column_type_parse(type, &out->type);
    REQUIRE_AT(result_is_ok(result) && column_type_may_leave(out->type) == VERDICT_ALLOW, INVALID,
               "column.type.may_not_leave", "type");
    for (size_t i = 0; i < index; i++) {
        REQUIRE(!text_equal(columns[i].name, out->name), INVALID, "column.duplicate");
    }
    return OK;
}

fallible column_schema_read(struct arena *arena, const json_t *object, const char *member, size_t max,
                            struct column **out, size_t *out_count)
{
    return document_get_rows(arena, object, member, 1, max, sizeof **out, read_column, out, (void **)out,
                             out_count);
}

static fallible build_header(const struct result_frame *frame, json_t *object)
{
    json_t *schema;
    TRY(json_set_text(object, "format", TEXT("csv")));
    TRY(document_set_array(object, "schema", &schema));
    TRY(column_schema_build(frame->columns, frame->column_count, schema));
    TRY(json_set_i64(object, "size", (int64_t)frame->csv.size));
    TRY(json_set_text(object, "run", frame->run));
    TRY(document_set_digest(object, "run_request", &frame->run_request));
    return document_set_digest(object, "contract", &frame->contract);
}

fallible result_frame_write(const struct result_frame *frame, struct buffer *out)
{
    REQUIRE(frame->csv.size <= RESULT_SIZE_MAX, LIMIT, "result.size");
    scoped_json *object = json_object();
    REQUIRE(object != NULL, NO_MEMORY, "json.memory");
    TRY(build_header(frame, object));
    scoped_buffer header;
    buffer_init(&header, RESULT_HEADER_BYTES_MAX);
    TRY(json_encode(object, &header));
    size_t used = sizeof(uint32_t) + header.size + frame->csv.size;
    uint64_t size_class;
    TRY(result_size_class(used, &size_class));
    TRY(buffer_add_u32le(out, (uint32_t)header.size));
    TRY(buffer_add(out, buffer_view(&header)));
    TRY(buffer_add(out, frame->csv));
    uint8_t *padding;
    TRY(buffer_extend(out, size_class - used, &padding));
    memset(padding, 0, size_class - used);
    return OK;
}

static bool is_run_id(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return text.size == RESULT_RUN_CHARACTERS;
}

static fallible read_header(struct arena *arena, struct bytes header, struct result_frame *out,
                            uint64_t *out_size)
{
    static const char *const members[] = {"format", "schema", "size", "run", "run_request", "contract", NULL};
    scoped_json *object = NULL;
    TRY(json_decode(header, &object));
    TRY(json_only(arena, object, members));
    struct text canonical;
    TRY(json_encode_text(arena, object, &canonical));
    REQUIRE(bytes_equal(bytes_of_text(canonical), header), INVALID, "document.not_canonical");
    struct text format;
    TRY(json_get_text(object, "format", &format));
    REQUIRE(text_is(format, "csv"), UNSUPPORTED, "result.format");
    struct column *columns;
    TRY(column_schema_read(arena, object, "schema", GATE_COLUMNS_MAX, &columns, &out->column_count));
    for (size_t i = 0; i < out->column_count; i++) {
        TRY(arena_copy_text(arena, columns[i].name, &columns[i].name));
    }
    out->columns = columns;
    TRY(json_get_text(object, "run", &out->run));
    REQUIRE(is_run_id(out->run), INVALID, "result.run");
    TRY(arena_copy_text(arena, out->run, &out->run));
    TRY(document_get_digest(object, "run_request", &out->run_request));
    TRY(document_get_digest(object, "contract", &out->contract));
    return json_get_u64(object, "size", RESULT_SIZE_MAX, out_size);
}

fallible result_frame_parse(struct arena *arena, struct bytes untrusted_plaintext, struct result_frame *out)
{
    struct reader reader = reader_of(untrusted_plaintext);
    struct result_frame frame = {0};
    struct bytes header;
    uint32_t header_size;
    uint64_t size;
    TRY(reader_u32le(&reader, &header_size));
    REQUIRE(header_size <= RESULT_HEADER_BYTES_MAX, LIMIT, "result.header");
    TRY(reader_take(&reader, header_size, &header));
    TRY(document_within(arena, read_header(arena, header, &frame, &size), "header"));
    TRY(reader_take(&reader, size, &frame.csv));
    uint64_t size_class;
    TRY(result_size_class(reader.at, &size_class));
    REQUIRE(size_class == untrusted_plaintext.size, INVALID, "result.size_class");
    for (size_t i = reader.at; i < untrusted_plaintext.size; i++) {
        REQUIRE(untrusted_plaintext.data[i] == 0, INVALID, "result.padding");
    }
    *out = frame;
    return OK;
}
