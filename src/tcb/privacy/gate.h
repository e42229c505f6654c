/* privacy/gate.h: the one way out of a room for rows.
 *
 * The engine's child is not trusted: it hands over cells, and the gate lets a value through only when it is
 * of the type that the contract declares for its column, counts rows and octets against the contract's
 * limits, and writes the text itself. A subverted engine can thus say at most `max_bytes` octets of declared
 * types. The first refusal is final: every later call gives it again. What the caller tells the world of a
 * refusal must be the one constant execution error, because it depends on data. One thread at a time. */
#pragma once

#include "column/column_type.h"

enum { GATE_COLUMNS_MAX = 256 };

struct gate {
    const struct column *columns;
    size_t column_count;
    uint64_t max_rows;
    uint64_t max_bytes;
    uint64_t rows;
    size_t column; /* the next cell's */
    struct buffer csv;
    struct result refusal;
};

/* Starts with the header line. `columns` is borrowed. UNSUPPORTED "gate.column.type" for a type that may not
 * leave, LIMIT "gate.columns", "gate.bytes". `max_bytes` counts the CSV text, its header line included. */
fallible gate_open(const struct column columns[], size_t column_count, uint64_t max_rows, uint64_t max_bytes,
                   struct gate *out);
void gate_close(struct gate *gate);
#define scoped_gate defer(gate_close) struct gate

/* The next cell in row order. LIMIT "gate.rows", "gate.bytes" and the reasons of `cell_check`. */
fallible gate_add_cell(struct gate *gate, const struct cell *untrusted_cell);

/* After the last row; then `csv` is the result: RFC 4180 with LF, as DuckDB's COPY (FORMAT csv, HEADER)
 * writes it. CORRUPT "gate.row.incomplete" when the last row lacks cells. */
fallible gate_finish(struct gate *gate, struct bytes *out_csv);

/* Appends one CSV field: quoted where DuckDB quotes. For the gate and for tests. */
fallible gate_write_field(struct buffer *out, struct text text);
