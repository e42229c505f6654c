#include "column/column_type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line is a type, the rest a value of it. What is read has one spelling. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 65536);
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    struct text name = {(const char *)data, end == NULL ? size : (size_t)(end - data)};
    struct text value = {(const char *)data + name.size + 1, end == NULL ? 0 : size - name.size - 1};
    struct column_type type;
    struct text again;
    if (!result_is_ok(column_type_parse(name, &type))) {
        return 0;
    }
    ASSERT(result_is_ok(column_type_to_text(&arena, type, &again)) && text_equal(again, name));
    struct cell cell;
    if (end != NULL && result_is_ok(cell_from_text(type, value, &cell))) {
        scoped_buffer out;
        buffer_init(&out, CELL_TEXT_BYTES_MAX);
        ASSERT(result_is_ok(cell_to_text(type, &cell, &out)));
        /* DuckDB leaves out a zero before the point that documents have. */
        bool short_form = type.kind == COLUMN_DECIMAL && type.precision == type.scale;
        ASSERT(short_form ? out.size + 1 == value.size : text_equal(buffer_text(&out), value));
    }
    return 0;
}
