#include "privacy/gate.h"

/* DuckDB 1.5.6 also quotes where its default comment character stands, and the empty text, which would
 * otherwise read as NULL. */
static bool needs_quotes(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r' || c == '#') {
            return true;
        }
    }
    return text.size == 0;
}

fallible gate_write_field(struct buffer *out, struct text text)
{
    if (!needs_quotes(text)) {
        return buffer_add_text(out, text);
    }
    TRY(buffer_add_byte(out, '"'));
    size_t from = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            TRY(buffer_add_text(out, (struct text){text.data + from, i + 1 - from}));
            from = i; /* the quote once more, with what follows */
        }
    }
    TRY(buffer_add_text(out, (struct text){text.data + from, text.size - from}));
    return buffer_add_byte(out, '"');
}

/* The separator before a cell or the line end after a row. */
static fallible write_between(struct gate *gate)
{
    return gate->column == 0 ? OK : buffer_add_byte(&gate->csv, ',');
}

static fallible write_header(struct gate *gate)
{
    for (gate->column = 0; gate->column < gate->column_count; gate->column++) {
        TRY(write_between(gate));
        TRY(gate_write_field(&gate->csv, gate->columns[gate->column].name));
    }
    gate->column = 0;
    return buffer_add_byte(&gate->csv, '\n');
}

fallible gate_open(const struct column columns[], size_t column_count, uint64_t max_rows, uint64_t max_bytes,
                   struct gate *out)
{
    REQUIRE(column_count >= 1 && column_count <= GATE_COLUMNS_MAX, LIMIT, "gate.columns");
    for (size_t i = 0; i < column_count; i++) {
        REQUIRE(column_type_may_leave(columns[i].type) == VERDICT_ALLOW, UNSUPPORTED, "gate.column.type");
        REQUIRE(column_name_is_valid(columns[i].name), INVALID, "gate.column.name");
    }
    scoped_gate gate = {.columns = columns,
                        .column_count = column_count,
                        .max_rows = max_rows,
                        .max_bytes = max_bytes,
                        .refusal = OK};
    buffer_init(&gate.csv, max_bytes);
    REQUIRE(result_is_ok(write_header(&gate)), LIMIT, "gate.bytes");
    *out = gate;
    gate = (struct gate){0};
    return OK;
}

void gate_close(struct gate *gate)
{
    buffer_release(&gate->csv);
    *gate = (struct gate){0};
}

static fallible write_value(struct gate *gate, struct column_type type, const struct cell *cell)
{
    TRY(write_between(gate));
    if (cell->kind == CELL_TEXT) {
        return gate_write_field(&gate->csv, cell->text);
    }
    return cell_to_text(type, cell, &gate->csv);
}

static fallible add_cell(struct gate *gate, const struct cell *untrusted_cell)
{
    REQUIRE(gate->column > 0 || gate->rows < gate->max_rows, LIMIT, "gate.rows");
    struct column_type type = gate->columns[gate->column].type;
    TRY(cell_check(type, untrusted_cell));
    struct result written = write_value(gate, type, untrusted_cell);
    if (result_is_ok(written) && ++gate->column == gate->column_count) {
        gate->column = 0;
        gate->rows++;
        written = buffer_add_byte(&gate->csv, '\n');
    }
    REQUIRE(written.code != RESULT_LIMIT, LIMIT, "gate.bytes");
    return written;
}

fallible gate_add_cell(struct gate *gate, const struct cell *untrusted_cell)
{
    REQUIRE(gate->column_count > 0, INTERNAL, "gate.not_open");
    if (result_is_ok(gate->refusal)) {
        gate->refusal = add_cell(gate, untrusted_cell);
    }
    return gate->refusal;
}

fallible gate_finish(struct gate *gate, struct bytes *out_csv)
{
    REQUIRE(gate->column_count > 0, INTERNAL, "gate.not_open");
    TRY(gate->refusal);
    REQUIRE(gate->column == 0, CORRUPT, "gate.row.incomplete");
    *out_csv = buffer_view(&gate->csv);
    return OK;
}
