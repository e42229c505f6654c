#include "contract/manifest.h"

static fallible add_pair(json_t *array, const struct manifest_range *range)
{
    scoped_json *pair = json_array();
    TRY(json_add(pair, json_integer((json_int_t)range->offset)));
    TRY(json_add(pair, json_integer((json_int_t)range->size)));
    return json_add(array, json_incref(pair));
}

static fallible build_columns(const struct manifest *manifest, json_t *object)
{
    json_t *columns;
    TRY(document_set_array(object, "columns", &columns));
    for (size_t i = 0; i < manifest->column_count; i++) {
        const struct manifest_column *column = &manifest->columns[i];
        scoped_arena arena;
        arena_init(&arena, 1024);
        json_t *row;
        struct text type;
        TRY(column_type_to_text(&arena, column->type, &type));
        TRY(document_add_object(columns, &row));
        TRY(json_set_text(row, "name", column->name));
        TRY(json_set_text(row, "type", type));
        TRY(json_set_base64url(row, "element", column->element));
    }
    return OK;
}

static fallible build_part_columns(const struct manifest_part *part, size_t column_count, json_t *row)
{
    json_t *columns;
    TRY(document_set_array(row, "columns", &columns));
    for (size_t i = 0; i < column_count; i++) {
        const struct manifest_part_column *column = &part->columns[i];
        json_t *object;
        json_t *chunks;
        TRY(document_add_object(columns, &object));
        TRY(document_set_array(object, "chunks", &chunks));
        for (size_t g = 0; g < part->group_count; g++) {
            TRY(add_pair(chunks, &column->chunks[g]));
        }
        scoped_json *meta = json_array();
        TRY(json_add(meta, json_integer((json_int_t)column->meta.offset)));
        TRY(json_add(meta, json_integer((json_int_t)column->meta.size)));
        TRY(json_set(object, "meta", json_incref(meta)));
    }
    return OK;
}

static fallible build_part(const struct manifest_part *part, size_t column_count, json_t *parts)
{
    json_t *row;
    json_t *groups;
    TRY(document_add_object(parts, &row));
    TRY(json_set_i64(row, "number", (int64_t)part->number));
    TRY(json_set_i64(row, "size", (int64_t)part->size));
    TRY(json_set_i64(row, "plain_size", (int64_t)part->plain_size));
    TRY(document_set_digest(row, "root", &part->root));
    TRY(json_set_i64(row, "rows", (int64_t)part->rows));
    TRY(json_set_i64(row, "data_end", (int64_t)part->data_end));
    TRY(document_set_array(row, "groups", &groups));
    for (size_t g = 0; g < part->group_count; g++) {
        TRY(json_add(groups, json_integer((json_int_t)part->group_rows[g])));
    }
    return build_part_columns(part, column_count, row);
}

fallible manifest_build(const struct manifest *manifest, json_t **out)
{
    scoped_arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    scoped_json *object = NULL;
    struct digest data;
    json_t *parts;
    TRY(manifest_data_root(&arena, manifest->parts, manifest->part_count, &data));
    TRY(document_begin("manifest/1", &object));
    TRY(json_set_text(object, "dataset", manifest->dataset));
    TRY(json_set_text(object, "owner", manifest->owner));
    TRY(json_set_i64(object, "version", (int64_t)manifest->version));
    TRY(json_set_time(object, "created", manifest->created));
    TRY(json_set_base64url(object, "key_commitment", digest_view(&manifest->key_commitment)));
    TRY(document_set_digest(object, "policy", &manifest->policy));
    TRY(document_set_digest(object, "data", &data));
    TRY(json_set_i64(object, "rows", (int64_t)manifest->rows));
    TRY(build_columns(manifest, object));
    TRY(document_set_array(object, "parts", &parts));
    for (size_t i = 0; i < manifest->part_count; i++) {
        TRY(build_part(&manifest->parts[i], manifest->column_count, parts));
    }
    *out = json_incref(object);
    return OK;
}
