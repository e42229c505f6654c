#include "contract/manifest.h"

#include <stdlib.h>

static const char *const members[] = {"type",   "dataset", "version", "owner",   "created", "key_commitment",
                                      "policy", "data",    "rows",    "columns", "parts",   NULL};

static fallible read_range(const json_t *pair, struct manifest_range *out)
{
    json_t *offset = json_array_get(pair, 0);
    json_t *size = json_array_get(pair, 1);
    bool numbers = json_array_size(pair) == 2 && json_is_integer(offset) && json_is_integer(size) &&
                   json_integer_value(offset) >= 0 && json_integer_value(size) >= 1;
    REQUIRE(numbers, INVALID, "manifest.range.form");
    *out = (struct manifest_range){(uint64_t)json_integer_value(offset), (uint64_t)json_integer_value(size)};
    REQUIRE(out->offset <= MANIFEST_BYTES_MAX && out->size <= MANIFEST_BYTES_MAX, INVALID,
            "manifest.range.outside");
    return OK;
}

static fallible require_within(const struct manifest_range *range, uint64_t from, uint64_t until)
{
    REQUIRE(range->offset >= from && range->offset + range->size <= until, INVALID, "manifest.range.outside");
    return OK;
}

static fallible read_column(struct arena *arena, const json_t *row, struct manifest_column *column)
{
    static const char *const column_members[] = {"name", "type", "element", NULL};
    struct text type;
    TRY(json_only(arena, row, column_members));
    TRY(json_get_text(row, "name", &column->name));
    if (!column_name_is_valid(column->name)) {
        return FAIL_AT(INVALID, "column.name", "name");
    }
    TRY(json_get_text(row, "type", &type));
    TRY(document_within(arena, column_type_parse(type, &column->type), "type"));
    TRY(json_get_base64url(arena, row, "element", &column->element));
    if (column->element.size < 1 || column->element.size > MANIFEST_ELEMENT_BYTES_MAX) {
        return FAIL_AT(INVALID, "manifest.element.size", "element");
    }
    return OK;
}

static fallible read_columns(struct arena *arena, struct manifest *manifest)
{
    json_t *array;
    TRY(document_get_array(manifest->document.content, "columns", 1, MANIFEST_COLUMNS_MAX, &array,
                           &manifest->column_count));
    TRY(ARENA_ARRAY(arena, struct manifest_column, manifest->column_count, &manifest->columns));
    for (size_t i = 0; i < manifest->column_count; i++) {
        struct manifest_column *column = &manifest->columns[i];
        TRY(document_within(arena, read_column(arena, json_array_get(array, i), column), "columns[%zu]", i));
        for (size_t j = 0; j < i; j++) {
            if (text_equal(manifest->columns[j].name, column->name)) {
                return FAIL_AT(INVALID, "column.duplicate", arena_where(arena, "columns[%zu]", i));
            }
        }
    }
    return OK;
}

static fallible read_groups(struct arena *arena, const json_t *row, struct manifest_part *part)
{
    json_t *array;
    TRY(document_get_array(row, "groups", 0, MANIFEST_GROUPS_MAX, &array, &part->group_count));
    TRY(ARENA_ARRAY(arena, uint64_t, part->group_count, &part->group_rows));
    uint64_t rows = 0;
    for (size_t i = 0; i < part->group_count; i++) {
        json_t *value = json_array_get(array, i);
        bool good = json_is_integer(value) && json_integer_value(value) >= 1 &&
                    (uint64_t)json_integer_value(value) <= MANIFEST_ROWS_MAX;
        if (!good) {
            return FAIL_AT(INVALID, "manifest.group.rows", arena_where(arena, "groups[%zu]", i));
        }
        part->group_rows[i] = (uint64_t)json_integer_value(value);
        rows += part->group_rows[i];
    }
    if (rows != part->rows) {
        return FAIL_AT(INVALID, "manifest.rows", "rows");
    }
    return OK;
}

static fallible read_chunks(struct arena *arena, const json_t *row, const struct manifest_part *part,
                            struct manifest_part_column *column)
{
    json_t *array;
    size_t count;
    TRY(document_get_array(row, "chunks", 0, MANIFEST_GROUPS_MAX, &array, &count));
    if (count != part->group_count) {
        return FAIL_AT(INVALID, "manifest.chunks.count", "chunks");
    }
    TRY(ARENA_ARRAY(arena, struct manifest_range, count, &column->chunks));
    for (size_t i = 0; i < count; i++) {
        struct manifest_range *chunk = &column->chunks[i];
        TRY(document_within(arena, read_range(json_array_get(array, i), chunk), "chunks[%zu]", i));
        TRY(document_within(arena, require_within(chunk, MANIFEST_MAGIC_BYTES, part->data_end), "chunks[%zu]",
                            i));
        if (i > 0 && chunk->offset < chunk[-1].offset) {
            return FAIL_AT(INVALID, "manifest.range.order", arena_where(arena, "chunks[%zu]", i));
        }
    }
    return OK;
}

static fallible read_part_column(struct arena *arena, const json_t *row, const struct manifest_part *part,
                                 uint64_t meta_from, struct manifest_part_column *column)
{
    static const char *const column_members[] = {"chunks", "meta", NULL};
    TRY(json_only(arena, row, column_members));
    TRY(read_chunks(arena, row, part, column));
    json_t *meta;
    TRY(json_get_array(row, "meta", &meta));
    TRY(document_within(arena, read_range(meta, &column->meta), "meta"));
    TRY(document_within(arena, require_within(&column->meta, part->data_end, part->plain_size), "meta"));
    if (column->meta.offset != meta_from) {
        return FAIL_AT(INVALID, "manifest.range.order", "meta");
    }
    return OK;
}

static int compare_offsets(const void *left, const void *right)
{
    uint64_t a = ((const struct manifest_range *)left)->offset;
    uint64_t b = ((const struct manifest_range *)right)->offset;
    return a < b ? -1 : a > b;
}

static fallible refuse_overlap(struct arena *arena, const struct manifest_part *part, size_t column_count)
{
    size_t count = column_count * part->group_count;
    if (count == 0) {
        return OK;
    }
    struct manifest_range *all;
    TRY(ARENA_ARRAY(arena, struct manifest_range, count, &all));
    for (size_t i = 0; i < column_count; i++) {
        memcpy(all + i * part->group_count, part->columns[i].chunks, part->group_count * sizeof *all);
    }
    qsort(all, count, sizeof *all, compare_offsets);
    for (size_t i = 1; i < count; i++) {
        REQUIRE(all[i - 1].offset + all[i - 1].size <= all[i].offset, INVALID, "manifest.range.overlap");
    }
    return OK;
}

/* The metadata sections follow the data one after the other, to the end of the plaintext. */
static fallible read_part_columns(struct arena *arena, const json_t *row, size_t column_count,
                                  struct manifest_part *part)
{
    json_t *array;
    size_t count;
    TRY(document_get_array(row, "columns", 1, MANIFEST_COLUMNS_MAX, &array, &count));
    if (count != column_count) {
        return FAIL_AT(INVALID, "manifest.columns.count", "columns");
    }
    TRY(ARENA_ARRAY(arena, struct manifest_part_column, count, &part->columns));
    uint64_t meta_from = part->data_end;
    for (size_t i = 0; i < count; i++) {
        struct manifest_part_column *column = &part->columns[i];
        TRY(document_within(arena, read_part_column(arena, json_array_get(array, i), part, meta_from, column),
                            "columns[%zu]", i));
        meta_from += column->meta.size;
    }
    if (meta_from != part->plain_size) {
        return FAIL_AT(INVALID, "manifest.meta.end", "plain_size");
    }
    return refuse_overlap(arena, part, column_count);
}

static fallible read_part(struct arena *arena, const json_t *row, size_t number, size_t column_count,
                          struct manifest_part *part)
{
    static const char *const part_members[] = {"number",   "size",   "plain_size", "root", "rows",
                                               "data_end", "groups", "columns",    NULL};
    TRY(json_only(arena, row, part_members));
    TRY(document_get_count(row, "number", number, number, &part->number));
    TRY(json_get_u64(row, "plain_size", MANIFEST_BYTES_MAX, &part->plain_size));
    TRY(json_get_u64(row, "size", 2 * MANIFEST_BYTES_MAX, &part->size));
    if (part->size != manifest_sealed_size(part->plain_size)) {
        return FAIL_AT(INVALID, "manifest.part.size", "size");
    }
    part->segment_count = manifest_segments_of(part->plain_size);
    TRY(document_get_digest(row, "root", &part->root));
    TRY(json_get_u64(row, "rows", MANIFEST_ROWS_MAX, &part->rows));
    TRY(document_get_count(row, "data_end", MANIFEST_MAGIC_BYTES, part->plain_size, &part->data_end));
    TRY(read_groups(arena, row, part));
    return read_part_columns(arena, row, column_count, part);
}

static fallible read_parts(struct arena *arena, struct manifest *manifest)
{
    json_t *array;
    TRY(document_get_array(manifest->document.content, "parts", 1, MANIFEST_PARTS_MAX, &array,
                           &manifest->part_count));
    TRY(ARENA_ARRAY(arena, struct manifest_part, manifest->part_count, &manifest->parts));
    uint64_t rows = 0;
    for (size_t i = 0; i < manifest->part_count; i++) {
        TRY(document_within(
            arena, read_part(arena, json_array_get(array, i), i, manifest->column_count, &manifest->parts[i]),
            "parts[%zu]", i));
        rows += manifest->parts[i].rows;
    }
    if (rows != manifest->rows) {
        return FAIL_AT(INVALID, "manifest.rows", "rows");
    }
    return OK;
}

static fallible read_manifest(struct arena *arena, struct manifest *manifest)
{
    const json_t *content = manifest->document.content;
    struct bytes commitment;
    TRY(document_get_owned(content, &manifest->dataset, &manifest->owner));
    TRY(document_get_count(content, "version", 1, INT32_MAX, &manifest->version));
    TRY(json_get_time(content, "created", &manifest->created));
    TRY(document_get_fixed(arena, content, "key_commitment", DIGEST_BYTES, &commitment));
    memcpy(manifest->key_commitment.octets, commitment.data, DIGEST_BYTES);
    TRY(document_get_digest(content, "policy", &manifest->policy));
    TRY(document_get_digest(content, "data", &manifest->data));
    TRY(json_get_u64(content, "rows", MANIFEST_ROWS_MAX, &manifest->rows));
    TRY(read_columns(arena, manifest));
    TRY(read_parts(arena, manifest));
    struct digest data;
    TRY(manifest_data_root(arena, manifest->parts, manifest->part_count, &data));
    if (!digest_equal(&data, &manifest->data)) {
        return FAIL_AT(INVALID, "manifest.data", "data");
    }
    return OK;
}

fallible manifest_parse(struct arena *arena, struct bytes untrusted_bytes, struct manifest *out)
{
    scoped_manifest manifest = {0};
    TRY(document_parse(arena, untrusted_bytes, MANIFEST_TYP, NULL, "manifest/1", members,
                       &manifest.document));
    TRY(read_manifest(arena, &manifest));
    *out = manifest;
    manifest = (struct manifest){0};
    return OK;
}

void manifest_release(struct manifest *manifest)
{
    jws_release(&manifest->document);
    *manifest = (struct manifest){0};
}

fallible manifest_verify(const struct manifest *manifest, const struct key *owner_key)
{
    return document_verify_only(&manifest->document, owner_key);
}

fallible manifest_find_column(const struct manifest *manifest, struct text name, size_t *out_index)
{
    for (size_t i = 0; i < manifest->column_count; i++) {
        if (text_equal(manifest->columns[i].name, name)) {
            *out_index = i;
            return OK;
        }
    }
    return FAIL(NOT_FOUND, "manifest.column.unknown");
}
