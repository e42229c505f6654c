#include "party/draft/specification.h"

#include "base/encode.h"
#include "party/home/file.h"

enum { SECONDS_PER_DAY = 86400 };
#define DEFAULT_BYTES_MAX ((uint64_t)1024 * 1024)

static struct result within(struct arena *arena, struct result result, const char *list, size_t index)
{
    if (result_is_ok(result)) {
        return result;
    }
    const char *dot = result.where != NULL ? "." : "";
    result.where =
        arena_where(arena, "%s[%zu]%s%s", list, index, dot, result.where != NULL ? result.where : "");
    return result;
}

/* An array; absent counts as empty where `min` is 0. */
static fallible take_array(const json_t *object, const char *name, size_t min, size_t max, json_t **out,
                           size_t *out_count)
{
    *out = NULL;
    *out_count = 0;
    if (min == 0 && !json_has(object, name)) {
        return OK;
    }
    TRY(json_get_array(object, name, out));
    *out_count = json_array_size(*out);
    if (*out_count < min || *out_count > max) {
        return FAIL_AT(INVALID, "spec.count", name);
    }
    return OK;
}

static fallible take_text(struct arena *arena, const json_t *object, const char *name, struct text *out)
{
    struct text text;
    TRY(json_get_text(object, name, &text));
    return arena_copy_text(arena, text, out);
}

static fallible take_name(struct arena *arena, const json_t *object, const char *name, struct text *out)
{
    TRY(take_text(arena, object, name, out));
    return text_is_name(*out) ? OK : FAIL_AT(INVALID, "spec.name", name);
}

static fallible take_texts(struct arena *arena, const json_t *object, const char *name, size_t min,
                           size_t max, struct text **out, size_t *out_count)
{
    json_t *array;
    TRY(take_array(object, name, min, max, &array, out_count));
    TRY(ARENA_ARRAY(arena, struct text, *out_count, out));
    for (size_t i = 0; i < *out_count; i++) {
        struct text text;
        TRY(within(arena, json_text(json_array_get(array, i), &text), name, i));
        TRY(arena_copy_text(arena, text, &(*out)[i]));
        for (size_t j = 0; j < i; j++) {
            if (text_equal((*out)[j], (*out)[i])) {
                return within(arena, FAIL(INVALID, "spec.twice"), name, i);
            }
        }
    }
    return OK;
}

static fallible take_path(struct arena *arena, const char *folder, const json_t *object, const char *name,
                          const char **out)
{
    struct text text;
    TRY(json_get_text(object, name, &text));
    if (!result_is_ok(arena_cstring(arena, text, out)) || text.size == 0) {
        return FAIL_AT(INVALID, "spec.path", name);
    }
    return file_path(arena, folder, *out, out);
}

static fallible read_dataset(struct arena *arena, const char *folder, const json_t *json,
                             struct specification_dataset *out)
{
    static const char *const members[] = {"table", "folder", "manifest", "policy", "refreshed", NULL};
    TRY(json_only(arena, json, members));
    TRY(take_name(arena, json, "table", &out->table));
    if (json_has(json, "refreshed")) {
        TRY(json_get_bool(json, "refreshed", &out->is_refreshed));
    }
    if (!json_has(json, "folder")) {
        TRY(take_path(arena, folder, json, "manifest", &out->manifest));
        return take_path(arena, folder, json, "policy", &out->policy);
    }
    if (json_has(json, "manifest") || json_has(json, "policy")) {
        return FAIL_AT(INVALID, "spec.dataset.folder_or_files", "folder");
    }
    const char *dataset;
    TRY(take_path(arena, folder, json, "folder", &dataset));
    TRY(file_path(arena, dataset, "manifest.json", &out->manifest));
    return file_path(arena, dataset, "policy.json", &out->policy);
}

static fallible read_parameter(struct arena *arena, const json_t *json, struct contract_parameter *out)
{
    static const char *const members[] = {"name", "type", "public", "min", "max", "values", NULL};
    struct text type;
    TRY(json_only(arena, json, members));
    TRY(take_name(arena, json, "name", &out->name));
    TRY(json_get_text(json, "type", &type));
    if (!result_is_ok(column_type_parse(type, &out->type))) {
        return FAIL_AT(INVALID, "spec.type", "type");
    }
    out->is_public = true;
    if (json_has(json, "public")) {
        TRY(json_get_bool(json, "public", &out->is_public));
    }
    out->has_min = json_has(json, "min");
    out->has_max = json_has(json, "max");
    if (out->has_min) {
        TRY(take_text(arena, json, "min", &out->min));
    }
    if (out->has_max) {
        TRY(take_text(arena, json, "max", &out->max));
    }
    return take_texts(arena, json, "values", 0, CONTRACT_VALUES_MAX, &out->values, &out->value_count);
}

static fallible take_limit(const json_t *json, const char *name, uint64_t max, uint64_t otherwise,
                           uint64_t *out)
{
    *out = otherwise;
    if (!json_has(json, name)) {
        return OK;
    }
    TRY(json_get_u64(json, name, max, out));
    return *out > 0 ? OK : FAIL_AT(INVALID, "spec.limit", name);
}

static fallible read_sql(struct arena *arena, const char *folder, const json_t *json, struct text *out)
{
    if (json_has(json, "sql") == json_has(json, "sql_file")) {
        return FAIL_AT(INVALID, "spec.query.sql_or_sql_file", "sql");
    }
    if (json_has(json, "sql")) {
        return take_text(arena, json, "sql", out);
    }
    const char *path;
    struct bytes content;
    TRY(take_path(arena, folder, json, "sql_file", &path));
    TRY(file_read(arena, path, &content));
    *out = text_of_bytes(content);
    return OK;
}

static fallible read_query(struct arena *arena, const char *folder, const json_t *json,
                           struct specification_query *out)
{
    static const char *const members[] = {"name",      "sql",     "sql_file",  "parameters", "max_rows",
                                          "max_bytes", "seconds", "memory_mb", NULL};
    json_t *parameters;
    TRY(json_only(arena, json, members));
    TRY(take_name(arena, json, "name", &out->name));
    TRY(read_sql(arena, folder, json, &out->sql));
    if (out->sql.size == 0 || out->sql.size > CONTRACT_SQL_BYTES_MAX || !text_is_printable_utf8(out->sql)) {
        return FAIL_AT(INVALID, "spec.query.sql", "sql");
    }
    TRY(take_limit(json, "max_rows", POLICY_MAX_ROWS_MAX, 0, &out->max_rows));
    TRY(take_limit(json, "max_bytes", CONTRACT_RESULT_BYTES_MAX, DEFAULT_BYTES_MAX, &out->max_bytes));
    TRY(take_limit(json, "seconds", CONTRACT_SECONDS_MAX, 120, &out->seconds));
    TRY(take_limit(json, "memory_mb", CONTRACT_MEMORY_MB_MAX, 2048, &out->memory_mb));
    TRY(take_array(json, "parameters", 0, CONTRACT_PARAMETERS_MAX, &parameters, &out->parameter_count));
    TRY(ARENA_ARRAY(arena, struct contract_parameter, out->parameter_count, &out->parameters));
    for (size_t i = 0; i < out->parameter_count; i++) {
        TRY(within(arena, read_parameter(arena, json_array_get(parameters, i), &out->parameters[i]),
                   "parameters", i));
    }
    return OK;
}

static fallible take_digest_text(const json_t *value, struct digest *out)
{
    struct text text;
    TRY(json_text(value, &text));
    return digest_from_text(text, out);
}

static fallible read_authority(struct arena *arena, const char *folder, const json_t *json,
                               struct specification_authority *out)
{
    static const char *const members[] = {"party", "file", "issuer", "keys", "policy_hash", NULL};
    TRY(json_only(arena, json, members));
    TRY(take_name(arena, json, "party", &out->party));
    if (json_has(json, "file")) {
        if (json_has(json, "issuer") || json_has(json, "keys") || json_has(json, "policy_hash")) {
            return FAIL_AT(INVALID, "spec.authority.file_or_members", "file");
        }
        return take_path(arena, folder, json, "file", &out->file);
    }
    json_t *keys;
    struct bytes hash;
    TRY(take_text(arena, json, "issuer", &out->issuer));
    TRY(take_array(json, "keys", 1, CONTRACT_AUTHORITY_KEYS_MAX, &keys, &out->key_count));
    for (size_t i = 0; i < out->key_count; i++) {
        TRY(within(arena, take_digest_text(json_array_get(keys, i), &out->keys[i]), "keys", i));
    }
    TRY(json_get_base64url(arena, json, "policy_hash", &hash));
    if (hash.size != DIGEST_BYTES) {
        return FAIL_AT(INVALID, "spec.authority.policy_hash", "policy_hash");
    }
    memcpy(out->policy_hash.octets, hash.data, DIGEST_BYTES);
    return OK;
}

static fallible read_tee(struct arena *arena, const json_t *json, struct contract_tee *out)
{
    static const char *const members[] = {"type", "measurement", "root", NULL};
    struct text measurement;
    TRY(json_only(arena, json, members));
    TRY(take_name(arena, json, "type", &out->type));
    TRY(json_get_text(json, "measurement", &measurement));
    if (!result_is_ok(decode_hex(arena, measurement, &out->measurement)) ||
        out->measurement.size != CONTRACT_MEASUREMENT_BYTES) {
        return FAIL_AT(INVALID, "spec.tee.measurement", "measurement");
    }
    out->has_root = json_has(json, "root");
    if (out->has_root && !result_is_ok(take_digest_text(json_object_get(json, "root"), &out->root))) {
        return FAIL_AT(INVALID, "spec.tee.root", "root");
    }
    return OK;
}

static fallible read_validity(struct arena *arena, const json_t *json, int64_t now, struct specification *out)
{
    if (json_has(json, "valid") && json_has(json, "days")) {
        return FAIL_AT(INVALID, "spec.days_or_valid", "days");
    }
    if (!json_has(json, "valid")) {
        uint64_t days;
        TRY(take_limit(json, "days", SPECIFICATION_DAYS_MAX, SPECIFICATION_DAYS_DEFAULT, &days));
        out->valid_from = now;
        out->valid_until = now + (int64_t)days * SECONDS_PER_DAY;
        return OK;
    }
    static const char *const members[] = {"from", "until", NULL};
    json_t *valid;
    TRY(json_get_object(json, "valid", &valid));
    TRY(json_only(arena, valid, members));
    TRY(json_get_time(valid, "from", &out->valid_from));
    TRY(json_get_time(valid, "until", &out->valid_until));
    if (out->valid_until <= out->valid_from) {
        return FAIL_AT(INVALID, "spec.valid", "valid");
    }
    return OK;
}

static fallible read_lists(struct arena *arena, const json_t *json, const char *folder,
                           struct specification *out)
{
    json_t *rows;
    TRY(take_array(json, "datasets", 1, CONTRACT_DATASETS_MAX, &rows, &out->dataset_count));
    TRY(ARENA_ARRAY(arena, struct specification_dataset, out->dataset_count, &out->datasets));
    for (size_t i = 0; i < out->dataset_count; i++) {
        TRY(within(arena, read_dataset(arena, folder, json_array_get(rows, i), &out->datasets[i]), "datasets",
                   i));
    }
    TRY(take_array(json, "queries", 1, CONTRACT_QUERIES_MAX, &rows, &out->query_count));
    TRY(ARENA_ARRAY(arena, struct specification_query, out->query_count, &out->queries));
    for (size_t i = 0; i < out->query_count; i++) {
        TRY(within(arena, read_query(arena, folder, json_array_get(rows, i), &out->queries[i]), "queries",
                   i));
    }
    TRY(take_array(json, "authorities", 0, CONTRACT_AUTHORITIES_MAX, &rows, &out->authority_count));
    TRY(ARENA_ARRAY(arena, struct specification_authority, out->authority_count, &out->authorities));
    for (size_t i = 0; i < out->authority_count; i++) {
        TRY(within(arena, read_authority(arena, folder, json_array_get(rows, i), &out->authorities[i]),
                   "authorities", i));
    }
    TRY(take_array(json, "tee", 0, CONTRACT_TEES_MAX, &rows, &out->tee_count));
    TRY(ARENA_ARRAY(arena, struct contract_tee, out->tee_count, &out->tees));
    for (size_t i = 0; i < out->tee_count; i++) {
        TRY(within(arena, read_tee(arena, json_array_get(rows, i), &out->tees[i]), "tee", i));
    }
    return OK;
}

fallible specification_read(struct arena *arena, struct bytes untrusted_bytes, const char *folder,
                            int64_t now, struct specification *out)
{
    static const char *const members[] = {"title",     "parties",     "datasets", "queries",
                                          "queriers",  "recipients",  "days",     "valid",
                                          "residency", "authorities", "tee",      NULL};
    scoped_json *json = NULL;
    struct specification read = {0};
    TRY(json_decode(untrusted_bytes, &json));
    REQUIRE(json_is_object(json), INVALID, "spec.not_an_object");
    TRY(json_only(arena, json, members));
    TRY(take_text(arena, json, "title", &read.title));
    TRY(take_texts(arena, json, "parties", 1, CONTRACT_PARTIES_MAX, &read.parties, &read.party_count));
    TRY(take_texts(arena, json, "queriers", 1, CONTRACT_PARTIES_MAX, &read.queriers, &read.querier_count));
    TRY(take_texts(arena, json, "recipients", 1, CONTRACT_PARTIES_MAX, &read.recipients,
                   &read.recipient_count));
    TRY(take_texts(arena, json, "residency", 0, CONTRACT_RESIDENCY_MAX, &read.residency,
                   &read.residency_count));
    TRY(read_lists(arena, json, folder, &read));
    TRY(read_validity(arena, json, now, &read));
    *out = read;
    return OK;
}
