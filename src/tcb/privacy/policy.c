#include "privacy/policy.h"

#include "base/encode.h"
#include "column/column_type.h"
#include "privacy/policy_mode.h"

/* Parts of the language that nothing enforces yet. Saying so is kinder than "unknown member". */
static const char *const unenforced[] = {
    "join", "functions", "queriers", "receivers",       "dp",        "limits", "templates", "type", "values",
    "grid", "via",       "bounds",   "round_counts_to", "max_share", NULL,
};

static fallible refuse_unenforced(const json_t *object, bool is_top)
{
    for (size_t i = 0; unenforced[i] != NULL; i++) {
        bool own = is_top && strcmp(unenforced[i], "type") == 0;
        REQUIRE_AT(own || !json_has(object, unenforced[i]), UNSUPPORTED, "policy.member.unsupported",
                   unenforced[i]);
    }
    return OK;
}

bool policy_entity_equal(const struct policy_entity *left, const struct policy_entity *right)
{
    return text_equal(left->column, right->column) && text_equal(left->namespace, right->namespace) &&
           left->min_entities == right->min_entities;
}

fallible policy_entity_read(struct arena *arena, const json_t *object, const json_t *threshold,
                            struct policy_entity *out)
{
    static const struct document_member members[] = {
        MEMBER(policy_entity, TEXT, column), MEMBER(policy_entity, NAME, namespace), {0}};
    json_t *value;
    TRY(json_get(object, "entity", &value));
    if (json_is_string(value)) {
        REQUIRE_AT(strcmp(json_string_value(value), "none") == 0, INVALID, "policy.entity", "entity");
        REQUIRE_AT(!json_has(threshold, "min_entities"), INVALID, "policy.min_entities.without_entity",
                   "min_entities");
        *out = (struct policy_entity){0};
        return OK;
    }
    struct policy_entity entity = {0};
    TRY(document_within(arena, document_read(arena, value, members, &entity), "entity"));
    REQUIRE_AT(column_name_is_valid(entity.column), INVALID, "policy.column.name", "entity.column");
    TRY(document_get_count(threshold, "min_entities", POLICY_MIN_ENTITIES_MIN, POLICY_MIN_ENTITIES_MAX,
                           &entity.min_entities));
    *out = entity;
    return OK;
}

fallible policy_entity_build(const struct policy_entity *entity, json_t *object, json_t *threshold)
{
    if (policy_entity_is_none(entity)) {
        return json_set_text(object, "entity", TEXT("none"));
    }
    json_t *value;
    TRY(document_set_object(object, "entity", &value));
    TRY(json_set_text(value, "column", entity->column));
    TRY(json_set_text(value, "namespace", entity->namespace));
    return json_set_i64(threshold, "min_entities", (int64_t)entity->min_entities);
}

static fallible read_uses(const json_t *rules, unsigned *out)
{
    json_t *array;
    size_t count;
    TRY(document_get_array(rules, "use", 1, 32, &array, &count));
    unsigned uses = POLICY_USE_NONE;
    for (size_t i = 0; i < count; i++) {
        struct text name;
        enum policy_use use;
        TRY(json_text(json_array_get(array, i), &name));
        TRY(policy_use_find(name, &use));
        REQUIRE((uses & use) == 0, INVALID, "policy.use.duplicate");
        uses |= use;
    }
    *out = uses;
    return OK;
}

static fallible read_column(struct arena *arena, const json_t *columns, struct policy_column *column)
{
    static const struct document_member members[] = {MEMBER_OTHERS("use"), {0}};
    json_t *rules;
    TRY(json_get_object(columns, column->name.data, &rules));
    REQUIRE(column_name_is_valid(column->name), INVALID, "policy.column.name");
    TRY(refuse_unenforced(rules, false));
    TRY(document_read(arena, rules, members, column));
    return read_uses(rules, &column->uses);
}

static fallible read_columns(struct arena *arena, const json_t *content, struct policy *policy)
{
    json_t *columns;
    struct text *names;
    TRY(json_get_object(content, "columns", &columns));
    TRY(document_within(
        arena, document_member_names(arena, columns, 1, POLICY_COLUMNS_MAX, &names, &policy->column_count),
        "columns"));
    TRY(ARENA_ARRAY(arena, struct policy_column, policy->column_count, &policy->columns));
    for (size_t i = 0; i < policy->column_count; i++) {
        policy->columns[i].name = names[i];
        TRY(document_within(arena, read_column(arena, columns, &policy->columns[i]), "columns.%.*s",
                            TEXT_ARGS(names[i])));
    }
    return OK;
}

static fallible read_output(struct arena *arena, const json_t *content, struct policy *policy)
{
    static const struct document_member members[] = {
        MEMBER_WITHIN(policy, COUNT, max_rows, 1, POLICY_MAX_ROWS_MAX), MEMBER_OTHERS("min_entities"), {0}};
    json_t *output;
    TRY(json_get_object(content, "output", &output));
    TRY(document_within(arena, refuse_unenforced(output, false), "output"));
    TRY(document_within(arena, document_read(arena, output, members, policy), "output"));
    return policy_entity_read(arena, content, output, &policy->entity);
}

static fallible read_valid(const json_t *content, struct policy *policy)
{
    if (!json_has(content, "valid")) {
        return OK;
    }
    json_t *pair;
    size_t count;
    TRY(document_get_array(content, "valid", 2, 2, &pair, &count));
    struct text from;
    struct text until;
    bool good = result_is_ok(json_text(json_array_get(pair, 0), &from)) &&
                result_is_ok(json_text(json_array_get(pair, 1), &until)) &&
                result_is_ok(decode_time(from, &policy->valid_from)) &&
                result_is_ok(decode_time(until, &policy->valid_until)) &&
                policy->valid_from < policy->valid_until;
    REQUIRE_AT(good, INVALID, "policy.valid", "valid");
    policy->has_valid = true;
    return OK;
}

/* With the names of what is not enforced, for `complete` refuses those in words of its own. */
static const struct document_member policy_members[] = {
    MEMBER_OTHERS("type", "mode", "entity", "columns", "output", "valid", "join", "functions", "queriers",
                  "receivers", "dp", "limits", "templates"),
    MEMBER(policy, DATASET, dataset),
    MEMBER(policy, NAME, owner),
    {.name = "data", .form = DOCUMENT_DIGEST, .at = offsetof(struct policy, data), .optional = true},
    {0},
};

static fallible complete(struct arena *arena, void *record)
{
    struct policy *policy = record;
    const json_t *content = policy->document.content;
    struct text mode;
    const struct policy_mode_row *row;
    TRY(json_get_text(content, "mode", &mode));
    TRY(policy_mode_find(mode, &row));
    policy->mode = row->mode;
    TRY(refuse_unenforced(content, true));
    TRY(document_check_owner(policy->dataset, policy->owner));
    policy->has_data = json_has(content, "data");
    TRY(read_columns(arena, content, policy));
    TRY(read_output(arena, content, policy));
    TRY(read_valid(content, policy));
    TRY(row->check(policy));
    REQUIRE_AT(policy_entity_is_none(&policy->entity) ||
                   policy_permits_column(policy, policy->entity.column) == VERDICT_ALLOW,
               INVALID, "policy.entity.column_unlisted", "entity.column");
    return OK;
}

const struct document_kind policy_kind = {
    POLICY_TYP, "dataset-policy/1", NULL, policy_members, sizeof(struct policy), complete, NULL,
};

fallible policy_parse(struct arena *arena, struct bytes untrusted_bytes, struct policy *out)
{
    return document_parse(arena, untrusted_bytes, &policy_kind, out);
}

fallible policy_parse_payload(struct arena *arena, struct bytes untrusted_payload, struct policy *out)
{
    return document_parse_payload(arena, untrusted_payload, &policy_kind, out);
}

static fallible build_columns(const struct policy *policy, json_t *object)
{
    json_t *columns;
    TRY(document_set_object(object, "columns", &columns));
    for (size_t i = 0; i < policy->column_count; i++) {
        const struct policy_column *column = &policy->columns[i];
        scoped_arena arena;
        arena_init(&arena, 4096);
        const char *name;
        TRY(arena_cstring(&arena, column->name, &name));
        json_t *rules;
        json_t *uses;
        TRY(document_set_object(columns, name, &rules));
        TRY(document_set_array(rules, "use", &uses));
        for (unsigned use = 1; use <= column->uses; use <<= 1) {
            if ((column->uses & use) != 0) {
                const char *use_name = policy_use_name((enum policy_use)use);
                REQUIRE(use_name != NULL, UNSUPPORTED, "policy.use.unsupported");
                TRY(json_add_text(uses, text_of(use_name)));
            }
        }
    }
    return OK;
}

static fallible build_valid(const struct policy *policy, json_t *object)
{
    if (!policy->has_valid) {
        return OK;
    }
    json_t *valid;
    TRY(document_set_array(object, "valid", &valid));
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text text;
    TRY(encode_time(&arena, policy->valid_from, &text));
    TRY(json_add_text(valid, text));
    TRY(encode_time(&arena, policy->valid_until, &text));
    return json_add_text(valid, text);
}

fallible policy_build(const struct policy *policy, json_t **out)
{
    const struct policy_mode_row *row = policy_mode_of(policy->mode);
    REQUIRE(row != NULL, UNSUPPORTED, "policy.mode.unsupported");
    scoped_json *object = NULL;
    TRY(document_begin("dataset-policy/1", &object));
    TRY(json_set_text(object, "dataset", policy->dataset));
    TRY(json_set_text(object, "owner", policy->owner));
    if (policy->has_data) {
        TRY(document_set_digest(object, "data", &policy->data));
    }
    TRY(json_set_text(object, "mode", text_of(row->name)));
    TRY(build_columns(policy, object));
    json_t *output;
    TRY(document_set_object(object, "output", &output));
    TRY(json_set_i64(output, "max_rows", (int64_t)policy->max_rows));
    TRY(policy_entity_build(&policy->entity, object, output));
    TRY(build_valid(policy, object));
    *out = json_incref(object);
    return OK;
}

fallible policy_verify(const struct policy *policy, const struct key *owner_key)
{
    return document_verify_only(&policy->document, owner_key);
}

enum verdict policy_permits_column(const struct policy *policy, struct text column)
{
    const struct policy_mode_row *row = policy_mode_of(policy->mode);
    for (size_t i = 0; row != NULL && i < policy->column_count; i++) {
        if (text_equal(policy->columns[i].name, column)) {
            return row->permits_column(policy, &policy->columns[i]);
        }
    }
    return VERDICT_DENY;
}

fallible policy_check_time(const struct policy *policy, int64_t unix_seconds)
{
    bool within =
        !policy->has_valid || (unix_seconds >= policy->valid_from && unix_seconds < policy->valid_until);
    REQUIRE(within, EXPIRED, "policy.validity");
    return OK;
}
