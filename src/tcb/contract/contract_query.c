#include "contract/contract_query.h"

#include "privacy/result_frame.h"

static bool is_listed(const struct contract_read *read, struct text column)
{
    for (size_t i = 0; i < read->column_count; i++) {
        if (text_equal(read->columns[i], column)) {
            return true;
        }
    }
    return false;
}

static fallible read_read(struct arena *arena, const json_t *reads, struct text table,
                          const struct contract *contract, struct contract_read *read)
{
    REQUIRE(result_is_ok(contract_find_table(contract, table, &read->dataset)), INVALID,
            "contract.read.table");
    TRY(document_get_set(arena, reads, table.data, 0, POLICY_COLUMNS_MAX, column_name_is_valid,
                         &read->columns, &read->column_count));
    const struct policy_entity *entity = &contract->datasets[read->dataset].entity;
    bool counted = policy_entity_is_none(entity) || is_listed(read, entity->column);
    REQUIRE(counted, INVALID, "contract.read.entity_missing");
    return OK;
}

static fallible read_reads(struct arena *arena, const json_t *row, const struct contract *contract,
                           struct contract_query *query)
{
    json_t *reads;
    struct text *tables;
    TRY(json_get_object(row, "reads", &reads));
    TRY(document_within(
        arena, document_member_names(arena, reads, 1, CONTRACT_DATASETS_MAX, &tables, &query->read_count),
        "reads"));
    TRY(ARENA_ARRAY(arena, struct contract_read, query->read_count, &query->reads));
    for (size_t i = 0; i < query->read_count; i++) {
        TRY(document_within(arena, read_read(arena, reads, tables[i], contract, &query->reads[i]),
                            "reads.%.*s", TEXT_ARGS(tables[i])));
    }
    return OK;
}

static fallible read_bound(const json_t *row, const char *member, struct column_type type, bool *out_has,
                           struct text *out, struct cell *out_cell)
{
    *out_has = json_has(row, member);
    if (!*out_has) {
        return OK;
    }
    REQUIRE_AT(type.kind != COLUMN_VARCHAR, INVALID, "contract.parameter.bounds_of_text", member);
    TRY(json_get_text(row, member, out));
    struct result result = cell_from_text(type, *out, out_cell);
    return result_is_ok(result) ? OK : FAIL_AT(INVALID, "contract.parameter.bound", member);
}

static fallible read_value(struct arena *arena, const json_t *value, void *self, size_t index)
{
    (void)arena;
    const struct contract_parameter *parameter = self;
    struct cell cell;
    struct cell before;
    struct text *text = &parameter->values[index];
    bool good = result_is_ok(json_text(value, text)) &&
                result_is_ok(cell_from_text(parameter->type, *text, &cell)) &&
                (index == 0 || (result_is_ok(cell_from_text(parameter->type, text[-1], &before)) &&
                                cell_compare(&before, &cell) < 0));
    REQUIRE(good, INVALID, "contract.parameter.values");
    return OK;
}

static fallible read_parameter(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {
        MEMBER(contract_parameter, NAME, name),
        MEMBER_OTHERS("type", "min", "max", "values"),
        {.name = "public", .form = DOCUMENT_BOOL, .at = offsetof(struct contract_parameter, is_public)},
        {0}};
    struct contract_query *query = self;
    struct contract_parameter *parameter = &query->parameters[index];
    struct text type;
    struct cell min = {0};
    struct cell max = {0};
    TRY(document_read(arena, row, members, parameter));
    TRY(json_get_text(row, "type", &type));
    TRY(document_within(arena, column_type_parse(type, &parameter->type), "type"));
    REQUIRE_AT(column_type_may_leave(parameter->type) == VERDICT_ALLOW, INVALID, "contract.parameter.type",
               "type");
    TRY(read_bound(row, "min", parameter->type, &parameter->has_min, &parameter->min, &min));
    TRY(read_bound(row, "max", parameter->type, &parameter->has_max, &parameter->max, &max));
    bool empty = parameter->has_min && parameter->has_max && cell_compare(&min, &max) > 0;
    REQUIRE(!empty, INVALID, "contract.parameter.domain_empty");
    if (json_has(row, "values")) {
        TRY(document_get_rows(arena, row, "values", 1, CONTRACT_VALUES_MAX, sizeof(struct text), read_value,
                              parameter, (void **)&parameter->values, &parameter->value_count));
    }
    bool both = parameter->value_count > 0 && (parameter->has_min || parameter->has_max);
    REQUIRE(!both, INVALID, "contract.parameter.values_and_bounds");
    for (size_t i = 0; i < index; i++) {
        REQUIRE(!text_equal(query->parameters[i].name, parameter->name), INVALID,
                "contract.parameter.duplicate");
    }
    return OK;
}

fallible contract_query_read(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {
        MEMBER(contract_query, NAME, name),
        MEMBER(contract_query, TEXT, sql),
        MEMBER_OTHERS("reads", "output"),
        MEMBER_ROWS(contract_query, "parameters", parameters, parameter_count, 0, CONTRACT_PARAMETERS_MAX,
                    read_parameter),
        MEMBER_WITHIN(contract_query, COUNT, max_rows, 1, POLICY_MAX_ROWS_MAX),
        MEMBER_WITHIN(contract_query, COUNT, max_bytes, 1, CONTRACT_RESULT_BYTES_MAX),
        MEMBER_WITHIN(contract_query, COUNT, seconds, 1, CONTRACT_SECONDS_MAX),
        MEMBER_WITHIN(contract_query, COUNT, memory_mb, 1, CONTRACT_MEMORY_MB_MAX),
        {0}};
    const struct contract *contract = self;
    struct contract_query *query = &contract->queries[index];
    size_t first;
    TRY(document_read(arena, row, members, query));
    TRY(contract_find_query(contract, query->name, &first));
    REQUIRE(first == index, INVALID, "contract.query.duplicate");
    bool sql = query->sql.size >= 1 && query->sql.size <= CONTRACT_SQL_BYTES_MAX &&
               text_is_printable_utf8(query->sql);
    REQUIRE_AT(sql, INVALID, "contract.query.sql", "sql");
    query->canonical = digest_of(bytes_of_text(query->sql));
    TRY(read_reads(arena, row, contract, query));
    return column_schema_read(arena, row, "output", CONTRACT_OUTPUT_MAX, &query->output,
                              &query->output_count);
}

static fallible build_reads(const struct contract *contract, const struct contract_query *query, json_t *row)
{
    json_t *reads;
    TRY(document_set_object(row, "reads", &reads));
    for (size_t i = 0; i < query->read_count; i++) {
        const struct contract_read *read = &query->reads[i];
        REQUIRE(read->dataset < contract->dataset_count, INVALID, "contract.read.table");
        scoped_arena arena;
        arena_init(&arena, 1024);
        const char *table;
        TRY(arena_cstring(&arena, contract->datasets[read->dataset].table, &table));
        TRY(document_set_names(reads, table, read->columns, read->column_count));
    }
    return OK;
}

static fallible build_parameter(const struct contract_parameter *parameter, json_t *array)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text type;
    json_t *row;
    TRY(column_type_to_text(&arena, parameter->type, &type));
    TRY(document_add_object(array, &row));
    TRY(json_set_text(row, "name", parameter->name));
    TRY(json_set_text(row, "type", type));
    TRY(json_set(row, "public", json_boolean(parameter->is_public)));
    if (parameter->has_min) {
        TRY(json_set_text(row, "min", parameter->min));
    }
    if (parameter->has_max) {
        TRY(json_set_text(row, "max", parameter->max));
    }
    if (parameter->value_count == 0) {
        return OK;
    }
    return document_set_names(row, "values", parameter->values, parameter->value_count);
}

fallible contract_query_build(const struct contract *contract, const struct contract_query *query,
                              json_t *row)
{
    json_t *parameters;
    json_t *output;
    TRY(json_set_text(row, "name", query->name));
    TRY(json_set_text(row, "sql", query->sql));
    TRY(build_reads(contract, query, row));
    TRY(document_set_array(row, "parameters", &parameters));
    for (size_t i = 0; i < query->parameter_count; i++) {
        TRY(build_parameter(&query->parameters[i], parameters));
    }
    TRY(document_set_array(row, "output", &output));
    TRY(column_schema_build(query->output, query->output_count, output));
    TRY(json_set_i64(row, "max_rows", (int64_t)query->max_rows));
    TRY(json_set_i64(row, "max_bytes", (int64_t)query->max_bytes));
    TRY(json_set_i64(row, "seconds", (int64_t)query->seconds));
    return json_set_i64(row, "memory_mb", (int64_t)query->memory_mb);
}

static fallible check_bounds(const struct contract_parameter *parameter, const struct cell *cell)
{
    struct cell bound;
    if (parameter->has_min) {
        TRY(cell_from_text(parameter->type, parameter->min, &bound));
        REQUIRE(cell_compare(cell, &bound) >= 0, DENIED, "contract.parameter.below");
    }
    if (parameter->has_max) {
        TRY(cell_from_text(parameter->type, parameter->max, &bound));
        REQUIRE(cell_compare(cell, &bound) <= 0, DENIED, "contract.parameter.above");
    }
    return OK;
}

fallible contract_check_parameter(const struct contract_parameter *parameter, struct text untrusted_value)
{
    struct cell cell;
    TRY(cell_from_text(parameter->type, untrusted_value, &cell));
    TRY(check_bounds(parameter, &cell));
    bool listed = parameter->value_count == 0;
    for (size_t i = 0; !listed && i < parameter->value_count; i++) {
        listed = text_equal(parameter->values[i], untrusted_value);
    }
    REQUIRE(listed, DENIED, "contract.parameter.not_listed");
    return OK;
}
