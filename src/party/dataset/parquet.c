#include "party/dataset/parquet.h"

#include "base/reader.h"
#include "party/dataset/parquet_schema.h"
#include "party/dataset/thrift_struct.h"

#include <stdlib.h>

/* Field ids of parquet.thrift. */
enum { FILE_SCHEMA = 2, FILE_ROWS = 3, FILE_GROUPS = 4, FILE_ENCRYPTION = 8, FILE_SIGNING_KEY = 9 };
enum { GROUP_COLUMNS = 1, GROUP_ROWS = 3 };
enum { CHUNK_FILE_PATH = 1, CHUNK_FILE_OFFSET = 2, CHUNK_META = 3, CHUNK_CRYPTO = 8, CHUNK_ENCRYPTED = 9 };
enum {
    META_TYPE = 1,
    META_ENCODINGS = 2,
    META_PATH = 3,
    META_CODEC = 4,
    META_VALUES = 5,
    META_PLAIN_SIZE = 6,
    META_SIZE = 7,
    META_DATA_PAGE = 9,
    META_DICTIONARY_PAGE = 11,
    META_STATISTICS = 12,
    META_ENCODING_STATISTICS = 13,
};

fallible parquet_footer_size(struct bytes untrusted_tail, uint64_t *out)
{
    struct reader reader = reader_of(untrusted_tail);
    uint32_t size;
    struct bytes magic;
    REQUIRE(untrusted_tail.size == PARQUET_TAIL_BYTES, INVALID, "parquet.magic");
    TRY(reader_u32le(&reader, &size));
    TRY(reader_take(&reader, PARQUET_MAGIC_BYTES, &magic));
    REQUIRE(!text_is(text_of_bytes(magic), "PARE"), UNSUPPORTED, "parquet.encrypted");
    REQUIRE(text_is(text_of_bytes(magic), "PAR1"), INVALID, "parquet.magic");
    REQUIRE(size <= PARQUET_FOOTER_BYTES_MAX, LIMIT, "parquet.footer.size");
    *out = size;
    return OK;
}

static fallible take_path(const struct thrift_struct *meta, struct text *out)
{
    struct reader list;
    uint32_t count;
    struct bytes name;
    TRY(thrift_struct_list(meta, META_PATH, THRIFT_BINARY, &list, &count));
    REQUIRE(count == 1, UNSUPPORTED, "parquet.nested");
    TRY(thrift_take_binary(&list, &name));
    *out = text_of_bytes(name);
    return OK;
}

static fallible take_claim(const struct thrift_struct *meta, struct parquet_chunk_claim *out)
{
    struct parquet_chunk_claim claim = {0};
    TRY(take_path(meta, &claim.column));
    TRY(thrift_struct_size(meta, META_VALUES, &claim.values));
    TRY(thrift_struct_size(meta, META_SIZE, &claim.size));
    TRY(thrift_struct_size(meta, META_DATA_PAGE, &claim.offset));
    if (thrift_struct_has(meta, META_DICTIONARY_PAGE)) {
        uint64_t dictionary;
        TRY(thrift_struct_size(meta, META_DICTIONARY_PAGE, &dictionary));
        /* Some writers say 0 where there is no dictionary. */
        if (dictionary > 0 && dictionary < claim.offset) {
            claim.offset = dictionary;
        }
    }
    *out = claim;
    return OK;
}

static fallible take_meta(const struct thrift_struct *chunk, struct thrift_struct *out)
{
    REQUIRE(!thrift_struct_has(chunk, CHUNK_CRYPTO) && !thrift_struct_has(chunk, CHUNK_ENCRYPTED),
            UNSUPPORTED, "parquet.encrypted");
    REQUIRE(!thrift_struct_has(chunk, CHUNK_FILE_PATH), UNSUPPORTED, "parquet.chunk.elsewhere");
    return thrift_struct_inner(chunk, CHUNK_META, out);
}

fallible parquet_read_chunk(struct bytes untrusted_chunk, struct parquet_chunk_claim *out)
{
    struct reader reader = reader_of(untrusted_chunk);
    struct thrift_struct chunk, meta;
    struct parquet_chunk_claim claim;
    TRY(thrift_struct_take(&reader, &chunk));
    TRY(reader_end(&reader));
    TRY(take_meta(&chunk, &meta));
    TRY(take_claim(&meta, &claim));
    *out = claim;
    return OK;
}

static fallible normalise_chunk(struct arena *arena, const struct thrift_struct *meta, struct bytes *out)
{
    static const int16_t kept[] = {META_TYPE,
                                   META_ENCODINGS,
                                   META_PATH,
                                   META_CODEC,
                                   META_VALUES,
                                   META_PLAIN_SIZE,
                                   META_SIZE,
                                   META_DATA_PAGE,
                                   META_DICTIONARY_PAGE,
                                   META_STATISTICS,
                                   META_ENCODING_STATISTICS};
    scoped_buffer buffer;
    buffer_init(&buffer, PARQUET_FOOTER_BYTES_MAX);
    struct thrift_field last = {0};
    TRY(thrift_put_field(&buffer, &last, CHUNK_FILE_OFFSET, THRIFT_I64));
    TRY(thrift_put_i64(&buffer, 0));
    TRY(thrift_put_field(&buffer, &last, CHUNK_META, THRIFT_STRUCT));
    TRY(thrift_struct_put(meta, kept, sizeof kept / sizeof *kept, &buffer));
    TRY(thrift_put_stop(&buffer));
    return arena_copy(arena, buffer_view(&buffer), out);
}

struct chunk_place {
    const struct parquet_column *column;
    uint64_t group_rows;
    uint64_t footer_offset;
};

static fallible take_chunk(struct arena *arena, struct reader *list, const struct chunk_place *place,
                           struct parquet_chunk *out)
{
    struct thrift_struct chunk, meta;
    struct parquet_chunk_claim claim;
    TRY(thrift_struct_take(list, &chunk));
    TRY(take_meta(&chunk, &meta));
    TRY(take_claim(&meta, &claim));
    REQUIRE(text_equal(claim.column, place->column->name), INVALID, "parquet.chunk.column");
    REQUIRE(claim.values == place->group_rows, INVALID, "parquet.chunk.values");
    REQUIRE(claim.size > 0 && claim.offset >= PARQUET_MAGIC_BYTES && claim.offset <= place->footer_offset &&
                claim.size <= place->footer_offset - claim.offset,
            INVALID, "parquet.chunk.range");
    *out = (struct parquet_chunk){.offset = claim.offset, .size = claim.size};
    return normalise_chunk(arena, &meta, &out->octets);
}

static fallible take_group(struct arena *arena, struct reader *list, uint64_t footer_offset, size_t index,
                           struct parquet_file *file)
{
    struct thrift_struct group;
    struct reader columns;
    uint32_t count;
    TRY(thrift_struct_take(list, &group));
    TRY(thrift_struct_size(&group, GROUP_ROWS, &file->group_rows[index]));
    REQUIRE(file->group_rows[index] > 0, INVALID, "parquet.rows");
    TRY(thrift_struct_list(&group, GROUP_COLUMNS, THRIFT_STRUCT, &columns, &count));
    REQUIRE(count == file->column_count, INVALID, "parquet.group.columns");
    for (size_t i = 0; i < count; i++) {
        struct chunk_place place = {&file->columns[i], file->group_rows[index], footer_offset};
        struct parquet_chunk *chunk = &file->chunks[index * count + i];
        TRY(take_chunk(arena, &columns, &place, chunk));
        REQUIRE(index == 0 || chunk->offset > chunk[-(ptrdiff_t)count].offset, INVALID,
                "parquet.chunk.order");
    }
    return OK;
}

static fallible take_groups(struct arena *arena, const struct thrift_struct *root, uint64_t footer_offset,
                            struct parquet_file *file)
{
    struct reader list;
    uint32_t count;
    TRY(thrift_struct_list(root, FILE_GROUPS, THRIFT_STRUCT, &list, &count));
    REQUIRE(count <= PARQUET_GROUPS_MAX, LIMIT, "parquet.groups");
    file->group_count = count;
    TRY(ARENA_ARRAY(arena, uint64_t, count, &file->group_rows));
    TRY(ARENA_ARRAY(arena, struct parquet_chunk, (size_t)count * file->column_count, &file->chunks));
    uint64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        TRY(take_group(arena, &list, footer_offset, i, file));
        rows += file->group_rows[i]; /* both below 2^63, so this does not wrap */
        REQUIRE(rows <= INT64_MAX, INVALID, "parquet.rows");
    }
    REQUIRE(rows == file->rows, INVALID, "parquet.rows");
    return OK;
}

static int compare_offsets(const void *left, const void *right)
{
    uint64_t a = (*(const struct parquet_chunk *const *)left)->offset;
    uint64_t b = (*(const struct parquet_chunk *const *)right)->offset;
    return (a > b) - (a < b);
}

/* One column's grant must not open octets of another. */
static fallible check_disjoint(struct arena *arena, struct parquet_file *file)
{
    size_t count = file->group_count * file->column_count;
    const struct parquet_chunk **sorted;
    TRY(ARENA_ARRAY(arena, const struct parquet_chunk *, count, &sorted));
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &file->chunks[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_offsets);
    uint64_t end = PARQUET_MAGIC_BYTES;
    for (size_t i = 0; i < count; i++) {
        REQUIRE(sorted[i]->offset >= end, INVALID, "parquet.chunk.overlap");
        end = sorted[i]->offset + sorted[i]->size;
    }
    file->data_end = end;
    return OK;
}

fallible parquet_read(struct arena *arena, struct bytes untrusted_footer, uint64_t footer_offset,
                      struct parquet_file *out)
{
    REQUIRE(footer_offset >= PARQUET_MAGIC_BYTES, INVALID, "parquet.footer.offset");
    REQUIRE(untrusted_footer.size <= PARQUET_FOOTER_BYTES_MAX, LIMIT, "parquet.footer.size");
    struct reader reader = reader_of(untrusted_footer);
    struct thrift_struct root;
    struct parquet_file file = {0};
    TRY(thrift_struct_take(&reader, &root));
    TRY(reader_end(&reader));
    REQUIRE(!thrift_struct_has(&root, FILE_ENCRYPTION) && !thrift_struct_has(&root, FILE_SIGNING_KEY),
            UNSUPPORTED, "parquet.encrypted");
    TRY(thrift_struct_size(&root, FILE_ROWS, &file.rows));
    struct reader elements;
    uint32_t element_count;
    TRY(thrift_struct_list(&root, FILE_SCHEMA, THRIFT_STRUCT, &elements, &element_count));
    TRY(parquet_take_schema(arena, &elements, element_count, &file.columns, &file.column_count));
    TRY(take_groups(arena, &root, footer_offset, &file));
    TRY(check_disjoint(arena, &file));
    *out = file;
    return OK;
}
