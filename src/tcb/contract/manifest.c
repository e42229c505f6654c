#include "contract/manifest.h"

#include "privacy/result_frame.h"

#include <stdlib.h>

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
    static const struct document_member members[] = {
        MEMBER(manifest_column, TEXT, name),
        MEMBER_OTHERS("type"),
        MEMBER_WITHIN(manifest_column, OCTETS, element, 1, MANIFEST_ELEMENT_BYTES_MAX),
        {0}};
    struct manifest *manifest = self;
    struct manifest_column *column = &manifest->columns[index];
    struct text type;
    size_t first;
    TRY(document_read(arena, row, members, column));
    REQUIRE_AT(column_name_is_valid(column->name), INVALID, "column.name", "name");
    TRY(json_get_text(row, "type", &type));
    TRY(document_within(arena, column_type_parse(type, &column->type), "type"));
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
    TRY(document_get_rows(arena, row, "chunks", 0, MANIFEST_GROUPS_MAX, sizeof *column->chunks, read_chunk,
                          &place, (void **)&column->chunks, &count));
    REQUIRE_AT(count == part->group_count, INVALID, "manifest.chunks.count", "chunks");
    return OK;
}

/* The metadata sections follow the data one after the other. */
static fallible read_part_column(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {MEMBER_OTHERS("chunks", "meta"), {0}};
    const struct manifest_part *part = self;
    struct manifest_part_column *column = &part->columns[index];
    json_t *meta;
    TRY(document_read(arena, row, members, column));
    TRY(read_chunks(arena, row, part, column));
    TRY(json_get_array(row, "meta", &meta));
    TRY(document_within(arena, read_range(meta, &column->meta), "meta"));
    TRY(document_within(arena, require_within(&column->meta, part->data_end, part->plain_size), "meta"));
    uint64_t meta_from = index == 0 ? part->data_end : column[-1].meta.offset + column[-1].meta.size;
    REQUIRE_AT(column->meta.offset == meta_from, INVALID, "manifest.range.order", "meta");
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

static fallible read_part(struct arena *arena, const json_t *row, void *self, size_t index)
{
    static const struct document_member members[] = {
        MEMBER_WITHIN(manifest_part, COUNT, number, 0, MANIFEST_PARTS_MAX),
        MEMBER_WITHIN(manifest_part, COUNT, plain_size, 0, MANIFEST_BYTES_MAX),
        MEMBER_WITHIN(manifest_part, COUNT, size, 0, 2 * MANIFEST_BYTES_MAX),
        MEMBER(manifest_part, DIGEST, root),
        MEMBER_WITHIN(manifest_part, COUNT, rows, 0, MANIFEST_ROWS_MAX),
        MEMBER_WITHIN(manifest_part, COUNT, data_end, MANIFEST_MAGIC_BYTES, MANIFEST_BYTES_MAX),
        MEMBER_ROWS(manifest_part, "groups", group_rows, group_count, 0, MANIFEST_GROUPS_MAX, read_group),
        MEMBER_ROWS(manifest_part, "columns", columns, column_count, 1, MANIFEST_COLUMNS_MAX,
                    read_part_column),
        {0}};
    const struct manifest *manifest = self;
    struct manifest_part *part = &manifest->parts[index];
    TRY(document_read(arena, row, members, part));
    REQUIRE_AT(part->number == index, INVALID, "json.member.out_of_range", "number");
    REQUIRE_AT(part->size == manifest_sealed_size(part->plain_size), INVALID, "manifest.part.size", "size");
    part->segment_count = manifest_segments_of(part->plain_size);
    uint64_t rows = 0;
    for (size_t i = 0; i < part->group_count; i++) {
        rows += part->group_rows[i];
    }
    REQUIRE_AT(rows == part->rows, INVALID, "manifest.rows", "rows");
    REQUIRE_AT(part->column_count == manifest->column_count, INVALID, "manifest.columns.count", "columns");
    const struct manifest_range *last = &part->columns[part->column_count - 1].meta;
    REQUIRE_AT(last->offset + last->size == part->plain_size, INVALID, "manifest.meta.end", "plain_size");
    return refuse_overlap(arena, part, part->column_count);
}

static const struct document_member manifest_members[] = {
    MEMBER_OTHERS("type"),
    MEMBER(manifest, DATASET, dataset),
    MEMBER(manifest, NAME, owner),
    MEMBER_WITHIN(manifest, COUNT, version, 1, INT32_MAX),
    MEMBER(manifest, TIME, created),
    MEMBER(manifest, HASH, key_commitment),
    MEMBER(manifest, DIGEST, policy),
    MEMBER(manifest, DIGEST, data),
    MEMBER_WITHIN(manifest, COUNT, rows, 0, MANIFEST_ROWS_MAX),
    MEMBER_ROWS(manifest, "columns", columns, column_count, 1, MANIFEST_COLUMNS_MAX, read_column),
    MEMBER_ROWS(manifest, "parts", parts, part_count, 1, MANIFEST_PARTS_MAX, read_part),
    {0},
};

static fallible complete(struct arena *arena, void *record)
{
    const struct manifest *manifest = record;
    uint64_t rows = 0;
    struct digest data;
    TRY(document_check_owner(manifest->dataset, manifest->owner));
    for (size_t i = 0; i < manifest->part_count; i++) {
        rows += manifest->parts[i].rows;
    }
    REQUIRE_AT(rows == manifest->rows, INVALID, "manifest.rows", "rows");
    TRY(manifest_data_root(arena, manifest->parts, manifest->part_count, &data));
    REQUIRE_AT(digest_equal(&data, &manifest->data), INVALID, "manifest.data", "data");
    return OK;
}

const struct document_kind manifest_kind = {
    MANIFEST_TYP, "manifest/1", NULL, manifest_members, sizeof(struct manifest), complete, NULL,
};

fallible manifest_parse(struct arena *arena, struct bytes untrusted_bytes, struct manifest *out)
{
    return document_parse(arena, untrusted_bytes, &manifest_kind, out);
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

fallible manifest_schema_digest(struct arena *arena, const struct manifest *manifest, struct digest *out)
{
    scoped_json *schema = json_array();
    struct text text;
    for (size_t i = 0; i < manifest->column_count; i++) {
        struct column column = {manifest->columns[i].name, manifest->columns[i].type};
        TRY(column_schema_build(&column, 1, schema));
    }
    TRY(json_encode_text(arena, schema, &text));
    *out = digest_of(bytes_of_text(text));
    return OK;
}
