#include "party/dataset/parquet_schema.h"

#include "party/dataset/thrift_struct.h"

#include <strings.h>

/* Field ids and values of parquet.thrift. */
enum {
    ELEMENT_TYPE = 1,
    ELEMENT_TYPE_LENGTH = 2,
    ELEMENT_REPETITION = 3,
    ELEMENT_NAME = 4,
    ELEMENT_CHILDREN = 5,
    ELEMENT_CONVERTED = 6,
    ELEMENT_SCALE = 7,
    ELEMENT_PRECISION = 8,
    ELEMENT_LOGICAL = 10,
};
enum { REPETITION_REPEATED = 2 };
enum {
    LOGICAL_STRING = 1,
    LOGICAL_DECIMAL = 5,
    LOGICAL_DATE = 6,
    LOGICAL_TIME = 7,
    LOGICAL_TIMESTAMP = 8,
    LOGICAL_INTEGER = 10,
    LOGICAL_UUID = 14
};
enum { TIME_ADJUSTED_TO_UTC = 1, TIME_UNIT = 2, UNIT_NANOS = 3 };

enum physical {
    BOOLEAN = 0,
    INT32 = 1,
    INT64 = 2,
    INT96 = 3,
    FLOAT = 4,
    DOUBLE = 5,
    BYTE_ARRAY = 6,
    FIXED = 7
};

/* No converted type. */
enum { PLAIN = -1 };

static const struct {
    enum physical physical;
    int converted;
    enum column_kind kind;
} types[] = {
    {BOOLEAN, PLAIN, COLUMN_BOOLEAN}, {INT32, PLAIN, COLUMN_INTEGER},   {INT32, 6, COLUMN_DATE},
    {INT32, 7, COLUMN_TIME}, /* milliseconds */
    {INT32, 11, COLUMN_UTINYINT},     {INT32, 12, COLUMN_USMALLINT},    {INT32, 13, COLUMN_UINTEGER},
    {INT32, 15, COLUMN_TINYINT},      {INT32, 16, COLUMN_SMALLINT},     {INT32, 17, COLUMN_INTEGER},
    {INT32, 5, COLUMN_DECIMAL},       {INT64, PLAIN, COLUMN_BIGINT},    {INT64, 8, COLUMN_TIME},
    {INT64, 9, COLUMN_TIMESTAMP}, /* milliseconds */
    {INT64, 10, COLUMN_TIMESTAMP},    {INT64, 14, COLUMN_UBIGINT},      {INT64, 18, COLUMN_BIGINT},
    {INT64, 5, COLUMN_DECIMAL},       {INT96, PLAIN, COLUMN_TIMESTAMP}, {FLOAT, PLAIN, COLUMN_FLOAT},
    {DOUBLE, PLAIN, COLUMN_DOUBLE},   {BYTE_ARRAY, PLAIN, COLUMN_BLOB}, {BYTE_ARRAY, 0, COLUMN_VARCHAR},
    {FIXED, 5, COLUMN_DECIMAL},
};

/* The logical types that say the same as a converted type, or more than we can keep. */
static fallible check_logical(const struct thrift_struct *element, bool *out_is_uuid)
{
    struct thrift_struct logical;
    TRY(thrift_struct_inner(element, ELEMENT_LOGICAL, &logical));
    *out_is_uuid = thrift_struct_has(&logical, LOGICAL_UUID);
    if (thrift_struct_has(&logical, LOGICAL_TIME) || thrift_struct_has(&logical, LOGICAL_TIMESTAMP)) {
        struct thrift_struct time, unit;
        bool is_adjusted;
        TRY(thrift_struct_inner(
            &logical, thrift_struct_has(&logical, LOGICAL_TIME) ? LOGICAL_TIME : LOGICAL_TIMESTAMP, &time));
        TRY(thrift_struct_bool(&time, TIME_ADJUSTED_TO_UTC, &is_adjusted));
        TRY(thrift_struct_inner(&time, TIME_UNIT, &unit));
        REQUIRE(!is_adjusted && !thrift_struct_has(&unit, UNIT_NANOS), UNSUPPORTED, "parquet.column.type");
        return OK;
    }
    REQUIRE(*out_is_uuid || thrift_struct_has(&logical, LOGICAL_STRING) ||
                thrift_struct_has(&logical, LOGICAL_DECIMAL) || thrift_struct_has(&logical, LOGICAL_DATE) ||
                thrift_struct_has(&logical, LOGICAL_INTEGER),
            UNSUPPORTED, "parquet.column.type");
    return OK;
}

static fallible take_decimal(const struct thrift_struct *element, struct column_type *type)
{
    uint64_t precision, scale = 0;
    TRY(thrift_struct_size(element, ELEMENT_PRECISION, &precision));
    if (thrift_struct_has(element, ELEMENT_SCALE)) {
        TRY(thrift_struct_size(element, ELEMENT_SCALE, &scale));
    }
    REQUIRE(precision >= 1 && precision <= COLUMN_DECIMAL_PRECISION_MAX && scale <= precision, UNSUPPORTED,
            "parquet.column.type");
    type->precision = (uint8_t)precision;
    type->scale = (uint8_t)scale;
    return OK;
}

static fallible take_type(const struct thrift_struct *element, struct column_type *out)
{
    int64_t physical, converted = PLAIN;
    bool is_uuid = false;
    TRY(thrift_struct_i64(element, ELEMENT_TYPE, &physical));
    if (thrift_struct_has(element, ELEMENT_CONVERTED)) {
        TRY(thrift_struct_i64(element, ELEMENT_CONVERTED, &converted));
        REQUIRE(converted >= 0, INVALID, "parquet.schema");
    }
    if (thrift_struct_has(element, ELEMENT_LOGICAL)) {
        TRY(check_logical(element, &is_uuid));
        /* Without its converted type a logical type would be read as the bare physical one by our table. */
        REQUIRE(is_uuid || converted != PLAIN, UNSUPPORTED, "parquet.column.type");
    }
    if (is_uuid && physical == FIXED && converted == PLAIN) {
        *out = (struct column_type){.kind = COLUMN_UUID};
        return OK;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!is_uuid && types[i].physical == physical && types[i].converted == converted) {
            struct column_type type = {.kind = types[i].kind};
            if (type.kind == COLUMN_DECIMAL) {
                TRY(take_decimal(element, &type));
            }
            *out = type;
            return OK;
        }
    }
    return FAIL(UNSUPPORTED, "parquet.column.type");
}

static fallible take_column(struct arena *arena, struct reader *list, struct parquet_column *out)
{
    static const int16_t kept[] = {ELEMENT_TYPE,      ELEMENT_TYPE_LENGTH, ELEMENT_REPETITION,
                                   ELEMENT_NAME,      ELEMENT_CONVERTED,   ELEMENT_SCALE,
                                   ELEMENT_PRECISION, ELEMENT_LOGICAL};
    struct thrift_struct element;
    struct bytes name;
    TRY(thrift_struct_take(list, &element));
    TRY(thrift_struct_binary(&element, ELEMENT_NAME, &name));
    TRY(arena_copy_text(arena, text_of_bytes(name), &out->name));
    REQUIRE(column_name_is_valid(out->name), INVALID, "parquet.column.name");
    uint64_t children = 0, repetition;
    if (thrift_struct_has(&element, ELEMENT_CHILDREN)) {
        TRY(thrift_struct_size(&element, ELEMENT_CHILDREN, &children));
    }
    TRY(thrift_struct_size(&element, ELEMENT_REPETITION, &repetition));
    REQUIRE(children == 0 && thrift_struct_has(&element, ELEMENT_TYPE) && repetition < REPETITION_REPEATED,
            UNSUPPORTED, "parquet.nested");
    struct result result = take_type(&element, &out->type);
    if (result.code == RESULT_UNSUPPORTED) {
        result.where = arena_where(arena, "%.*s", TEXT_ARGS(out->name));
    }
    TRY(result);
    scoped_buffer buffer;
    buffer_init(&buffer, PARQUET_FOOTER_BYTES_MAX);
    TRY(thrift_struct_put(&element, kept, sizeof kept / sizeof *kept, &buffer));
    return arena_copy(arena, buffer_view(&buffer), &out->element);
}

/* SQL compares names without case, so two such columns could not be told apart in a grant. */
static fallible check_name(const struct parquet_column columns[], size_t index)
{
    struct text name = columns[index].name;
    for (size_t i = 0; i < index; i++) {
        REQUIRE(columns[i].name.size != name.size ||
                    strncasecmp(columns[i].name.data, name.data, name.size) != 0,
                INVALID, "parquet.column.name");
    }
    return OK;
}

fallible parquet_take_schema(struct arena *arena, struct reader *list, uint32_t count,
                             struct parquet_column **out, size_t *out_count)
{
    struct thrift_struct root;
    uint64_t children;
    REQUIRE(count >= 2, INVALID, "parquet.schema");
    REQUIRE(count - 1 <= PARQUET_COLUMNS_MAX, LIMIT, "parquet.columns");
    TRY(thrift_struct_take(list, &root));
    TRY(thrift_struct_size(&root, ELEMENT_CHILDREN, &children));
    REQUIRE(children <= count - 1, INVALID, "parquet.schema");
    REQUIRE(children == count - 1, UNSUPPORTED, "parquet.nested");
    struct parquet_column *columns;
    TRY(ARENA_ARRAY(arena, struct parquet_column, children, &columns));
    for (size_t i = 0; i < children; i++) {
        TRY(take_column(arena, list, &columns[i]));
        TRY(check_name(columns, i));
    }
    *out = columns;
    *out_count = children;
    return OK;
}
