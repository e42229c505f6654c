/* For the tests with DuckDB: writes the virtual file that a query child would see.
 *
 *     footer-tool FILE.parquet COLUMN... > VIRTUAL.parquet
 *
 * Octets outside the chunks of the named columns are zeros; the footer is composed from the pieces. */
#include "party/dataset/parquet.h"
#include "seal/footer.h"

#include <stdio.h>

enum { TOOL_BYTES_MAX = 1024 * 1024 * 1024 };

static fallible read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL, NOT_FOUND, "tool.file");
    uint8_t chunk[65536];
    size_t size;
    while ((size = fread(chunk, 1, sizeof chunk, file)) > 0) {
        TRY(buffer_add(out, (struct bytes){chunk, size}));
    }
    fclose(file);
    return OK;
}

static fallible parse(struct arena *arena, struct bytes octets, struct parquet_file *out)
{
    uint64_t size;
    REQUIRE(octets.size > PARQUET_TAIL_BYTES, INVALID, "tool.file");
    TRY(parquet_footer_size(bytes_slice(octets, octets.size - PARQUET_TAIL_BYTES, PARQUET_TAIL_BYTES),
                            &size));
    REQUIRE(size < octets.size - PARQUET_TAIL_BYTES, INVALID, "tool.file");
    uint64_t offset = octets.size - PARQUET_TAIL_BYTES - size;
    return parquet_read(arena, bytes_slice(octets, offset, size), offset, out);
}

static fallible grant_column(struct arena *arena, const struct parquet_file *file, const char *name,
                             struct bytes octets, struct buffer *view, struct footer_column *out)
{
    for (size_t i = 0; i < file->column_count; i++) {
        if (!text_is(file->columns[i].name, name)) {
            continue;
        }
        scoped_buffer section;
        buffer_init(&section, FOOTER_BYTES_MAX);
        for (size_t group = 0; group < file->group_count; group++) {
            const struct parquet_chunk *chunk = &file->chunks[group * file->column_count + i];
            memcpy(view->data + chunk->offset, octets.data + chunk->offset, chunk->size);
            TRY(buffer_add_u32le(&section, (uint32_t)chunk->octets.size));
            TRY(buffer_add(&section, chunk->octets));
        }
        TRY(buffer_add_u32le(&section, 0));
        out->element = file->columns[i].element;
        return arena_copy(arena, buffer_view(&section), &out->untrusted_metadata);
    }
    return FAIL(NOT_FOUND, "tool.column");
}

static fallible run(int count, char **arguments, struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, TOOL_BYTES_MAX);
    scoped_buffer input;
    buffer_init(&input, TOOL_BYTES_MAX);
    TRY(read_file(arguments[1], &input));
    struct parquet_file file;
    TRY(parse(&arena, buffer_view(&input), &file));
    uint8_t *zeros;
    TRY(buffer_extend(out, file.data_end, &zeros));
    memset(zeros, 0, file.data_end);
    struct footer_column *columns;
    size_t column_count = (size_t)count - 2;
    TRY(ARENA_ARRAY(&arena, struct footer_column, column_count, &columns));
    for (size_t i = 0; i < column_count; i++) {
        TRY(grant_column(&arena, &file, arguments[i + 2], buffer_view(&input), out, &columns[i]));
    }
    return footer_compose(columns, column_count, file.group_rows, file.group_count, &arena, out);
}

int main(int count, char **arguments)
{
    if (count < 3) {
        fprintf(stderr, "usage: footer-tool FILE.parquet COLUMN...\n");
        return 2;
    }
    scoped_buffer out;
    buffer_init(&out, TOOL_BYTES_MAX);
    struct result result = run(count, arguments, &out);
    if (!result_is_ok(result) || fwrite(out.data, 1, out.size, stdout) != out.size) {
        fprintf(stderr, "%s\n", result.why);
        return result_code_exit_status(result.code);
    }
    return 0;
}
