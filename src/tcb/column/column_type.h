/* column/column_type.h: the types of columns, parameters and cells, and their text form.
 *
 * One closed list (formats §1.3), with the one spelling that documents use. A `struct cell` is one value as
 * it leaves the query engine and as a parameter arrives: a whole number (integers, the unscaled value of a
 * DECIMAL, the days of a DATE since 1970-01-01) or a text. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"

enum column_kind {
    COLUMN_NONE = 0,
    COLUMN_BOOLEAN,
    COLUMN_TINYINT,
    COLUMN_SMALLINT,
    COLUMN_INTEGER,
    COLUMN_BIGINT,
    COLUMN_UTINYINT,
    COLUMN_USMALLINT,
    COLUMN_UINTEGER,
    COLUMN_UBIGINT,
    COLUMN_HUGEINT,
    COLUMN_FLOAT,
    COLUMN_DOUBLE,
    COLUMN_DECIMAL,
    COLUMN_DATE,
    COLUMN_TIME,
    COLUMN_TIMESTAMP,
    COLUMN_VARCHAR,
    COLUMN_BLOB,
    COLUMN_UUID,
    COLUMN_KIND_COUNT
};

enum { COLUMN_NAME_BYTES_MAX = 128, COLUMN_DECIMAL_PRECISION_MAX = 38, CELL_TEXT_BYTES_MAX = 65536 };

struct column_type {
    enum column_kind kind;
    uint8_t precision; /* DECIMAL only */
    uint8_t scale;
};

/* A column of a query's output or of a result. */
struct column {
    struct text name;
    struct column_type type;
};

/* Exactly the spelling of formats §1.3, "DECIMAL(12,2)" without spaces. INVALID "column.type.unknown". */
fallible column_type_parse(struct text untrusted_text, struct column_type *out);
fallible column_type_to_text(struct arena *arena, struct column_type type, struct text *out);
bool column_type_equal(struct column_type left, struct column_type right);

/* ALLOW for what may leave a room and be a parameter: whole numbers, DECIMAL, DATE, VARCHAR. Floating point
 * is not among them because its sums depend on the order of execution. */
enum verdict column_type_may_leave(struct column_type type);

/* Whether a conversion of any value of `other`, another type, to the type works: exact numbers to wider ones,
 * numbers to DOUBLE, everything to VARCHAR. */
bool column_type_holds(struct column_type type, struct column_type other);

/* 1 to 128 octets of UTF-8 on one line: no control characters. */
bool column_name_is_valid(struct text name);

enum cell_kind { CELL_NULL = 0, CELL_NUMBER = 1, CELL_DATE = 2, CELL_TEXT = 3 };

struct cell {
    enum cell_kind kind;
    __int128 number;
    struct text text; /* borrowed */
};

/* That `untrusted_cell` is a value of the type, which must be one that may leave: kind, range of the
 * integer, precision of the DECIMAL, DATE from 0001-01-01 to 9999-12-31, VARCHAR of at most
 * CELL_TEXT_BYTES_MAX octets of UTF-8 without control characters other than tab, LF and CR. NULL fits every
 * type. INVALID "cell.kind", "cell.range", "cell.text", LIMIT "cell.text_size". */
fallible cell_check(struct column_type type, const struct cell *untrusted_cell);

/* A value in DuckDB's literal form (formats §1.6), in its one spelling: no leading zeros or plus, DECIMAL
 * with exactly its scale of digits. INVALID "value.form" and the reasons of `cell_check`. */
fallible cell_from_text(struct column_type type, struct text untrusted_text, struct cell *out);

/* Appends the value as DuckDB writes it, without quotes; nothing for NULL. */
fallible cell_to_text(struct column_type type, const struct cell *cell, struct buffer *out);

/* Less than, equal to or greater than zero; texts by octets. Both are values of one type, not NULL. */
int cell_compare(const struct cell *left, const struct cell *right);
