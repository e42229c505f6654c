#include "party/dataset/publish.h"

#include "seal/part.h"

#include <stdlib.h>

static int compare_columns(const void *left, const void *right)
{
    return text_compare(((const struct policy_column *)left)->name,
                        ((const struct policy_column *)right)->name);
}

/* The names of the columns in the order of the data, for the rules' check and for "all columns". */
struct column_names {
    struct text *names;
    size_t count;
};

static bool has_name(const struct column_names *all, struct text name)
{
    for (size_t i = 0; i < all->count; i++) {
        if (text_equal(all->names[i], name)) {
            return true;
        }
    }
    return false;
}

static fallible list_columns(struct arena *arena, const struct dataset_rules *rules,
                             const struct column_names *all, struct policy *policy)
{
    const struct text *names = rules->readable_count > 0 ? rules->readable : all->names;
    policy->column_count = rules->readable_count > 0 ? rules->readable_count : all->count;
    TRY(ARENA_ARRAY(arena, struct policy_column, policy->column_count, &policy->columns));
    for (size_t i = 0; i < policy->column_count; i++) {
        if (!has_name(all, names[i])) {
            return FAIL_AT(INVALID, "dataset.rules.column", arena_where(arena, "%.*s", TEXT_ARGS(names[i])));
        }
        policy->columns[i] = (struct policy_column){names[i], POLICY_USE_APPROVED};
    }
    qsort(policy->columns, policy->column_count, sizeof *policy->columns, compare_columns);
    return OK;
}

static fallible make_policy(struct arena *arena, struct text dataset, const struct dataset_rules *rules,
                            const struct column_names *all, const struct digest *data, json_t **out)
{
    struct policy policy = {
        .dataset = dataset,
        .owner = document_dataset_owner(dataset),
        .has_data = !rules->is_refreshed,
        .data = *data,
        .mode = POLICY_MODE_APPROVED,
        .entity = rules->entity,
        .max_rows = rules->max_rows > 0 ? rules->max_rows : DATASET_MAX_ROWS_DEFAULT,
        .has_valid = rules->has_valid,
        .valid_from = rules->valid_from,
        .valid_until = rules->valid_until,
    };
    REQUIRE(policy.owner.size > 0, INVALID, "dataset.name");
    if (!policy_entity_is_none(&rules->entity) && !has_name(all, rules->entity.column)) {
        return FAIL_AT(INVALID, "dataset.rules.column",
                       arena_where(arena, "%.*s", TEXT_ARGS(rules->entity.column)));
    }
    TRY(list_columns(arena, rules, all, &policy));
    return policy_build(&policy, out);
}

static fallible check_policy(struct arena *arena, const json_t *payload)
{
    struct text text;
    scoped_policy policy = {0};
    TRY(json_encode_text(arena, payload, &text));
    return policy_parse_payload(arena, bytes_of_text(text), &policy);
}

fallible publish_check_rules(struct arena *arena, struct text dataset, const struct dataset_rules *rules,
                             const struct source *source)
{
    struct column_names all = {.count = source->column_count};
    TRY(ARENA_ARRAY(arena, struct text, all.count, &all.names));
    for (size_t i = 0; i < all.count; i++) {
        all.names[i] = source->columns[i].name;
    }
    static const struct digest no_data;
    scoped_json *payload = NULL;
    TRY(make_policy(arena, dataset, rules, &all, &no_data, &payload));
    return check_policy(arena, payload);
}

/* Signs `payload`, and gives its digest. */
static fallible sign(struct arena *arena, const json_t *payload, const char *typ, const struct key *key,
                     struct buffer *out, struct digest *out_digest)
{
    struct text text;
    TRY(json_encode_text(arena, payload, &text));
    *out_digest = digest_of(bytes_of_text(text));
    return jws_sign(payload, typ, NULL, key, out);
}

static fallible publish_policy(struct arena *arena, const struct publication *publication,
                               struct dataset_sealed *sealed)
{
    const struct dataset_seal_options *options = publication->options;
    const struct part_sealed *first = &publication->parts[0];
    struct column_names all = {.count = first->column_count};
    TRY(ARENA_ARRAY(arena, struct text, all.count, &all.names));
    for (size_t i = 0; i < all.count; i++) {
        all.names[i] = first->columns[i].name;
    }
    scoped_json *payload = NULL;
    scoped_buffer document;
    scoped_policy again = {0};
    buffer_init(&document, JWS_SIZE_MAX);
    TRY(make_policy(arena, options->dataset, &options->rules, &all, &sealed->data, &payload));
    TRY(sign(arena, payload, POLICY_TYP, options->signing_key, &document, &sealed->policy));
    TRY(policy_parse(arena, buffer_view(&document), &again));
    return folder_write(publication->folder, DATASET_POLICY_FILE, FOLDER_PUBLIC, buffer_view(&document));
}

static fallible collect_parts(struct arena *arena, const struct publication *publication,
                              struct manifest *manifest, struct dataset_sealed *sealed)
{
    manifest->part_count = publication->part_count;
    TRY(ARENA_ARRAY(arena, struct manifest_part, manifest->part_count, &manifest->parts));
    for (size_t i = 0; i < manifest->part_count; i++) {
        manifest->parts[i] = publication->parts[i].part;
        manifest->rows += publication->parts[i].part.rows;
        sealed->size += publication->parts[i].part.size;
    }
    return OK;
}

static fallible publish_manifest(struct arena *arena, const struct publication *publication,
                                 struct manifest *manifest, struct dataset_sealed *sealed)
{
    const struct dataset_seal_options *options = publication->options;
    manifest->dataset = options->dataset;
    manifest->version = options->version;
    manifest->owner = document_dataset_owner(options->dataset);
    manifest->created = world_now(options->world);
    manifest->policy = sealed->policy;
    manifest->columns = publication->parts[0].columns;
    manifest->column_count = publication->parts[0].column_count;
    TRY(part_key_commitment(arena, publication->data_key, options->dataset, options->version,
                            &manifest->key_commitment));
    scoped_json *payload = NULL;
    scoped_buffer document;
    scoped_manifest again = {0};
    buffer_init(&document, JWS_SIZE_MAX);
    TRY(manifest_build(manifest, &payload));
    TRY(sign(arena, payload, MANIFEST_TYP, options->signing_key, &document, &sealed->manifest));
    TRY(manifest_parse(arena, buffer_view(&document), &again));
    return folder_write(publication->folder, DATASET_MANIFEST_FILE, FOLDER_PUBLIC, buffer_view(&document));
}

fallible publish(struct arena *arena, const struct publication *publication, struct dataset_sealed *out)
{
    struct manifest manifest = {0};
    TRY(collect_parts(arena, publication, &manifest, out));
    TRY(manifest_data_root(arena, manifest.parts, manifest.part_count, &out->data));
    TRY(publish_policy(arena, publication, out));
    return publish_manifest(arena, publication, &manifest, out);
}
