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

static fallible read_column(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const char *const column_members[] = {"name", "type", "element", NULL};
    struct manifest *manifest = self;
    struct manifest_column *column = &manifest->columns[index];
    struct text type;
    size_t first;
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
    TRY(manifest_find_column(manifest, column->name, &first));
    REQUIRE(first == index, INVALID, "column.duplicate");
    return OK;
}

static fallible read_group(struct arena *arena, const json_t *value, void *self, size_t index)
{
    (void)arena;
    json_int_t rows = json_is_integer(value) ? json_integer_value(value) : 0;
    REQUIRE(rows >= 1 && (uint64_t)rows <= MANIFEST_ROWS_MAX, INVALID, "manifest.group.rows");
    ((struct manifest_part *)self)->group_rows[index] = (uint64_t)rows;
    return OK;
}

static fallible read_groups(struct arena *arena, const json_t *row, struct manifest_part *part)
{
    uint64_t rows = 0;
    TRY(DOCUMENT_ROWS(arena, row, "groups", 0, MANIFEST_GROUPS_MAX, read_group, part, &part->group_rows,
                      &part->group_count));
    for (size_t i = 0; i < part->group_count; i++) {
        rows += part->group_rows[i];
    }
    if (rows != part->rows) {
        return FAIL_AT(INVALID, "manifest.rows", "rows");
    }
    return OK;
}

/* A column of a part while it is read. */
struct part_column {
    const struct manifest_part *part;
    struct manifest_part_column *column;
};

static fallible read_chunk(struct arena *arena, const json_t *value, void *self, size_t index)
{
    (void)arena;
    const struct part_column *place = self;
    struct manifest_range *chunk = &place->column->chunks[index];
    TRY(read_range(value, chunk));
    TRY(require_within(chunk, MANIFEST_MAGIC_BYTES, place->part->data_end));
    REQUIRE(index == 0 || chunk->offset >= chunk[-1].offset, INVALID, "manifest.range.order");
    return OK;
}

static fallible read_chunks(struct arena *arena, const json_t *row, const struct manifest_part *part,
                            struct manifest_part_column *column)
{
    size_t count;
    struct part_column place = {part, column};
    TRY(DOCUMENT_ROWS(arena, row, "chunks", 0, MANIFEST_GROUPS_MAX, read_chunk, &place, &column->chunks,
                      &count));
    if (count != part->group_count) {
        return FAIL_AT(INVALID, "manifest.chunks.count", "chunks");
    }
    return OK;
}

/* The metadata sections follow the data one after the other. */
static fallible read_part_column(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const char *const column_members[] = {"chunks", "meta", NULL};
    const struct manifest_part *part = self;
    struct manifest_part_column *column = &part->columns[index];
    json_t *meta;
    TRY(json_only(arena, row, column_members));
    TRY(read_chunks(arena, row, part, column));
    TRY(json_get_array(row, "meta", &meta));
    TRY(document_within(arena, read_range(meta, &column->meta), "meta"));
    TRY(document_within(arena, require_within(&column->meta, part->data_end, part->plain_size), "meta"));
    uint64_t meta_from = index == 0 ? part->data_end : column[-1].meta.offset + column[-1].meta.size;
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

static fallible read_part_columns(struct arena *arena, const json_t *row, size_t column_count,
                                  struct manifest_part *part)
{
    size_t count;
    TRY(DOCUMENT_ROWS(arena, row, "columns", 1, MANIFEST_COLUMNS_MAX, read_part_column, part, &part->columns,
                      &count));
    if (count != column_count) {
        return FAIL_AT(INVALID, "manifest.columns.count", "columns");
    }
    const struct manifest_range *last = &part->columns[count - 1].meta;
    if (last->offset + last->size != part->plain_size) {
        return FAIL_AT(INVALID, "manifest.meta.end", "plain_size");
    }
    return refuse_overlap(arena, part, column_count);
}

static fallible read_part(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const char *const part_members[] = {"number",   "size",   "plain_size", "root", "rows",
                                               "data_end", "groups", "columns",    NULL};
    const struct manifest *manifest = self;
    struct manifest_part *part = &manifest->parts[index];
    TRY(json_only(arena, row, part_members));
    TRY(document_get_count(row, "number", index, index, &part->number));
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
    return read_part_columns(arena, row, manifest->column_count, part);
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
    TRY(DOCUMENT_ROWS(arena, content, "columns", 1, MANIFEST_COLUMNS_MAX, read_column, manifest,
                      &manifest->columns, &manifest->column_count));
    TRY(DOCUMENT_ROWS(arena, content, "parts", 1, MANIFEST_PARTS_MAX, read_part, manifest, &manifest->parts,
                      &manifest->part_count));
    uint64_t rows = 0;
    for (size_t i = 0; i < manifest->part_count; i++) {
        rows += manifest->parts[i].rows;
    }
    if (rows != manifest->rows) {
        return FAIL_AT(INVALID, "manifest.rows", "rows");
    }
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
