#include "column/column_type.h"

#include "base/encode.h"

/* Indexed by kind. `bits` is the width of a whole number, `is_signed` whether it has a sign. */
static const struct {
    const char *name;
    uint8_t bits;
    bool is_signed;
    bool may_leave;
} kinds[COLUMN_KIND_COUNT] = {
    [COLUMN_BOOLEAN] = {"BOOLEAN", 1},
    [COLUMN_TINYINT] = {"TINYINT", 8, true, true},
    [COLUMN_SMALLINT] = {"SMALLINT", 16, true, true},
    [COLUMN_INTEGER] = {"INTEGER", 32, true, true},
    [COLUMN_BIGINT] = {"BIGINT", 64, true, true},
    [COLUMN_UTINYINT] = {"UTINYINT", 8, false, true},
    [COLUMN_USMALLINT] = {"USMALLINT", 16, false, true},
    [COLUMN_UINTEGER] = {"UINTEGER", 32, false, true},
    [COLUMN_UBIGINT] = {"UBIGINT", 64, false, true},
    [COLUMN_HUGEINT] = {"HUGEINT", 128, true, true},
    [COLUMN_FLOAT] = {"FLOAT"},
    [COLUMN_DOUBLE] = {"DOUBLE"},
    [COLUMN_DECIMAL] = {"DECIMAL", .may_leave = true},
    [COLUMN_DATE] = {"DATE", .may_leave = true},
    [COLUMN_TIME] = {"TIME"},
    [COLUMN_TIMESTAMP] = {"TIMESTAMP"},
    [COLUMN_VARCHAR] = {"VARCHAR", .may_leave = true},
    [COLUMN_BLOB] = {"BLOB"},
    [COLUMN_UUID] = {"UUID"},
};

enum { DATE_DAYS_MIN = -719162, DATE_DAYS_MAX = 2932896 };

#define WIDE_MAX ((__int128)(((unsigned __int128)1 << 127) - 1))
#define WIDE_MIN (-WIDE_MAX - 1)

/* "(12,2)" */
static fallible parse_decimal(struct text arguments, struct column_type *out)
{
    const char *comma = memchr(arguments.data, ',', arguments.size);
    bool framed = arguments.size >= 5 && arguments.data[0] == '(' &&
                  arguments.data[arguments.size - 1] == ')' && comma != NULL;
    REQUIRE(framed, INVALID, "column.type.unknown");
    size_t at = (size_t)(comma - arguments.data);
    uint64_t precision;
    uint64_t scale;
    struct text left = {arguments.data + 1, at - 1};
    struct text right = {comma + 1, arguments.size - at - 2};
    bool numbers = result_is_ok(decode_u64(left, COLUMN_DECIMAL_PRECISION_MAX, &precision)) &&
                   result_is_ok(decode_u64(right, COLUMN_DECIMAL_PRECISION_MAX, &scale));
    REQUIRE(numbers && precision >= 1 && scale <= precision, INVALID, "column.type.unknown");
    *out = (struct column_type){COLUMN_DECIMAL, (uint8_t)precision, (uint8_t)scale};
    return OK;
}

fallible column_type_parse(struct text untrusted_text, struct column_type *out)
{
    struct text decimal = TEXT("DECIMAL");
    if (text_starts_with(untrusted_text, decimal)) {
        struct text rest = {untrusted_text.data + decimal.size, untrusted_text.size - decimal.size};
        return parse_decimal(rest, out);
    }
    for (int kind = COLUMN_NONE + 1; kind < COLUMN_KIND_COUNT; kind++) {
        if (text_is(untrusted_text, kinds[kind].name)) {
            *out = (struct column_type){(enum column_kind)kind, 0, 0};
            return OK;
        }
    }
    return FAIL(INVALID, "column.type.unknown");
}

fallible column_type_to_text(struct arena *arena, struct column_type type, struct text *out)
{
    REQUIRE(type.kind > COLUMN_NONE && type.kind < COLUMN_KIND_COUNT, INVALID, "column.type.unknown");
    if (type.kind == COLUMN_DECIMAL) {
        return arena_printf(arena, out, "DECIMAL(%u,%u)", type.precision, type.scale);
    }
    *out = text_of(kinds[type.kind].name);
    return OK;
}

bool column_type_equal(struct column_type left, struct column_type right)
{
    return left.kind == right.kind && left.precision == right.precision && left.scale == right.scale;
}

enum verdict column_type_may_leave(struct column_type type)
{
    bool known = type.kind > COLUMN_NONE && type.kind < COLUMN_KIND_COUNT;
    return known && kinds[type.kind].may_leave ? VERDICT_ALLOW : VERDICT_DENY;
}

/* Digits before the point that a value of the type may have, -1 where it is no exact number. */
static int whole_digits(struct column_type type)
{
    int bits = kinds[type.kind].bits - kinds[type.kind].is_signed;
    return type.kind == COLUMN_DECIMAL ? type.precision - type.scale
           : bits == 0                 ? -1
                                       : bits * 30103 / 100000 + 1; /* the logarithm of 2 */
}

bool column_type_holds(struct column_type type, struct column_type other)
{
    int digits = whole_digits(other);
    switch (type.kind) {
    case COLUMN_VARCHAR:
        return true;
    case COLUMN_DOUBLE:
        return digits >= 0 || other.kind == COLUMN_FLOAT;
    case COLUMN_DECIMAL:
        return digits >= 0 && digits <= whole_digits(type) && other.scale <= type.scale;
    default:
        return other.kind != COLUMN_DECIMAL && digits >= 0 &&
               kinds[other.kind].bits < kinds[type.kind].bits &&
               (kinds[type.kind].is_signed || !kinds[other.kind].is_signed);
    }
}

bool column_name_is_valid(struct text name)
{
    if (name.size < 1 || name.size > COLUMN_NAME_BYTES_MAX || !text_is_printable_utf8(name)) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if ((uint8_t)name.data[i] < 0x20) {
            return false;
        }
    }
    return true;
}

static __int128 power_of_ten(unsigned exponent)
{
    __int128 power = 1;
    while (exponent-- > 0) {
        power *= 10;
    }
    return power;
}

static void number_range(struct column_type type, __int128 *out_min, __int128 *out_max)
{
    if (type.kind == COLUMN_DECIMAL) {
        *out_max = power_of_ten(type.precision) - 1;
        *out_min = -*out_max;
        return;
    }
    unsigned bits = kinds[type.kind].bits;
    if (bits == 128) {
        *out_max = WIDE_MAX;
        *out_min = WIDE_MIN;
        return;
    }
    bool is_signed = kinds[type.kind].is_signed;
    *out_max = ((__int128)1 << (is_signed ? bits - 1 : bits)) - 1;
    *out_min = is_signed ? -*out_max - 1 : 0;
}

fallible cell_check(struct column_type type, const struct cell *untrusted_cell)
{
    REQUIRE(column_type_may_leave(type) == VERDICT_ALLOW, INVALID, "cell.type");
    switch (untrusted_cell->kind) {
    case CELL_NULL:
        return OK;
    case CELL_TEXT:
        REQUIRE(type.kind == COLUMN_VARCHAR, INVALID, "cell.kind");
        REQUIRE(untrusted_cell->text.size <= CELL_TEXT_BYTES_MAX, LIMIT, "cell.text_size");
        REQUIRE(text_is_printable_utf8(untrusted_cell->text), INVALID, "cell.text");
        return OK;
    case CELL_DATE:
        REQUIRE(type.kind == COLUMN_DATE, INVALID, "cell.kind");
        REQUIRE(untrusted_cell->number >= DATE_DAYS_MIN && untrusted_cell->number <= DATE_DAYS_MAX, INVALID,
                "cell.range");
        return OK;
    case CELL_NUMBER: {
        REQUIRE(type.kind == COLUMN_DECIMAL || kinds[type.kind].bits > 0, INVALID, "cell.kind");
        __int128 min;
        __int128 max;
        number_range(type, &min, &max);
        REQUIRE(untrusted_cell->number >= min && untrusted_cell->number <= max, INVALID, "cell.range");
        return OK;
    }
    }
    return FAIL(INVALID, "cell.kind");
}

/* Digits with an optional minus and, for a scale above 0, a point before the last `scale` digits. */
static fallible parse_number(struct text text, unsigned scale, __int128 *out)
{
    size_t at = 0;
    bool negative = text.size > 0 && text.data[0] == '-';
    at += negative;
    size_t whole = text.size - at;
    REQUIRE(whole >= 1 && (scale == 0 || whole >= scale + 2), INVALID, "value.form");
    whole -= scale == 0 ? 0 : scale + 1;
    REQUIRE(whole == 1 || text.data[at] != '0', INVALID, "value.form");
    unsigned __int128 value = 0;
    for (size_t i = at; i < text.size; i++) {
        if (scale > 0 && i == at + whole) {
            REQUIRE(text.data[i] == '.', INVALID, "value.form");
            continue;
        }
        REQUIRE(text.data[i] >= '0' && text.data[i] <= '9', INVALID, "value.form");
        unsigned digit = (unsigned)(text.data[i] - '0');
        REQUIRE(value <= ((unsigned __int128)WIDE_MAX + 1 - digit) / 10, INVALID, "cell.range");
        value = value * 10 + digit;
    }
    REQUIRE(!negative || value != 0, INVALID, "value.form");
    REQUIRE(negative || value <= (unsigned __int128)WIDE_MAX, INVALID, "cell.range");
    *out = negative ? -(__int128)(value - 1) - 1 : (__int128)value;
    return OK;
}

fallible cell_from_text(struct column_type type, struct text untrusted_text, struct cell *out)
{
    struct cell cell = {0};
    if (type.kind == COLUMN_VARCHAR) {
        cell = (struct cell){CELL_TEXT, 0, untrusted_text};
    } else if (type.kind == COLUMN_DATE) {
        int64_t days;
        REQUIRE(result_is_ok(decode_date(untrusted_text, &days)), INVALID, "value.form");
        cell = (struct cell){CELL_DATE, days, {0}};
    } else {
        cell.kind = CELL_NUMBER;
        TRY(parse_number(untrusted_text, type.scale, &cell.number));
    }
    TRY(cell_check(type, &cell));
    *out = cell;
    return OK;
}

enum { NUMBER_TEXT_MAX = 48 };

/* DuckDB leaves out the zero before the point where the type has no digits there: ".50". */
static struct text number_to_text(struct column_type type, __int128 number, char out[NUMBER_TEXT_MAX])
{
    unsigned __int128 left = number < 0 ? (unsigned __int128)(-(number + 1)) + 1 : (unsigned __int128)number;
    unsigned scale = type.kind == COLUMN_DECIMAL ? type.scale : 0;
    unsigned digits_min = scale == 0 || type.precision == scale ? scale : scale + 1;
    size_t at = NUMBER_TEXT_MAX;
    for (unsigned digits = 0; left > 0 || digits < digits_min || digits == 0; digits++) {
        if (digits == scale && scale > 0) {
            out[--at] = '.';
        }
        out[--at] = (char)('0' + (unsigned)(left % 10));
        left /= 10;
    }
    if (scale > 0 && type.precision == scale) {
        out[--at] = '.';
    }
    if (number < 0) {
        out[--at] = '-';
    }
    return (struct text){out + at, NUMBER_TEXT_MAX - at};
}

fallible cell_to_text(struct column_type type, const struct cell *cell, struct buffer *out)
{
    TRY(cell_check(type, cell));
    switch (cell->kind) {
    case CELL_TEXT:
        return buffer_add_text(out, cell->text);
    case CELL_DATE: {
        scoped_arena arena;
        arena_init(&arena, 256);
        struct text date;
        TRY(encode_date(&arena, (int64_t)cell->number, &date));
        return buffer_add_text(out, date);
    }
    case CELL_NUMBER: {
        char digits[NUMBER_TEXT_MAX];
        return buffer_add_text(out, number_to_text(type, cell->number, digits));
    }
    case CELL_NULL:
        break;
    }
    return OK;
}

int cell_compare(const struct cell *left, const struct cell *right)
{
    if (left->kind != CELL_TEXT || right->kind != CELL_TEXT) {
        return left->number < right->number ? -1 : left->number > right->number;
    }
    return text_compare(left->text, right->text);
}
