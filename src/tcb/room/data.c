#include "room/data.h"

#include "seal/part.h"

#include <stdlib.h>
#include <sys/mman.h>

static int compare_index(const void *left, const void *right)
{
    size_t a = *(const size_t *)left;
    size_t b = *(const size_t *)right;
    return a < b ? -1 : a > b;
}

static fallible plan_part(struct arena *arena, const struct data_table *table, size_t index,
                          struct data_part *part)
{
    const struct manifest *manifest = table->manifest;
    struct manifest_range *all;
    size_t all_count;
    part->part = &manifest->parts[index];
    TRY(manifest_ranges(arena, manifest, index, table->columns, table->column_count, MANIFEST_PAGES,
                        &part->granted, &part->granted_count));
    TRY(manifest_ranges(arena, manifest, index, table->columns, table->column_count, MANIFEST_PAGES_AND_META,
                        &all, &all_count));
    /* Segment 0 carries the stream's header, so it is always pulled. */
    struct manifest_range *with_header;
    TRY(ARENA_ARRAY(arena, struct manifest_range, all_count + 1, &with_header));
    bool starts_inside = all_count > 0 && all[0].offset == 0;
    size_t shift = starts_inside ? 0 : 1;
    with_header[0] = (struct manifest_range){0, 1};
    if (all_count > 0) {
        memcpy(with_header + shift, all, all_count * sizeof *all);
    }
    return manifest_segments(arena, part->part, with_header, all_count + shift, &part->segments,
                             &part->segment_count);
}

fallible data_add_table(struct arena *arena, struct data *data, struct text name,
                        const struct manifest *manifest, const struct text columns[], size_t column_count)
{
    struct data_table table = {.name = name, .manifest = manifest, .column_count = column_count};
    TRY(ARENA_ARRAY(arena, size_t, column_count, &table.columns));
    for (size_t i = 0; i < column_count; i++) {
        TRY(manifest_find_column(manifest, columns[i], &table.columns[i]));
    }
    qsort(table.columns, column_count, sizeof *table.columns, compare_index);
    TRY(ARENA_ARRAY(arena, struct data_part, manifest->part_count, &table.parts));
    for (size_t i = 0; i < manifest->part_count; i++) {
        TRY(plan_part(arena, &table, i, &table.parts[i]));
    }
    table.part_count = manifest->part_count;
    struct data_table *tables;
    TRY(ARENA_ARRAY(arena, struct data_table, data->table_count + 1, &tables));
    if (data->table_count > 0) {
        memcpy(tables, data->tables, data->table_count * sizeof *tables);
    }
    tables[data->table_count] = table;
    data->tables = tables;
    data->table_count++;
    return OK;
}

static void part_release(struct data_part *part)
{
    stream_key_release(&part->key);
    buffer_release(&part->footer);
    if (part->ciphertext != NULL) {
        munmap(part->ciphertext, part->ciphertext_mapped);
        part->ciphertext = NULL;
    }
}

void data_release(struct data *data)
{
    for (size_t t = 0; t < data->table_count; t++) {
        for (size_t p = 0; p < data->tables[t].part_count; p++) {
            part_release(&data->tables[t].parts[p]);
        }
    }
    *data = (struct data){0};
}

fallible data_part_take_leaves(struct arena *arena, struct data *data, struct data_part *part,
                               struct bytes untrusted_leaves)
{
    TRY(part_take_leaves(arena, untrusted_leaves, part->part->plain_size, &part->part->root, &part->leaves));
    uint64_t size = (uint64_t)part->segment_count * STREAM_SEGMENT_BYTES;
    REQUIRE(size <= data->memory_max - data->memory_used, LIMIT, "data.memory");
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(mapped != MAP_FAILED, NO_MEMORY, "data.memory");
    part->ciphertext = mapped;
    part->ciphertext_mapped = size;
    data->memory_used += size;
    return OK;
}

static struct stream_segment segment_of(const struct data_part *part, uint64_t number)
{
    struct stream_segment segment;
    struct result result = stream_segment_at(part->part->plain_size, number, &segment);
    ASSERT(result_is_ok(result)); /* the manifest's parser has checked the sizes */
    return segment;
}

void data_part_next(const struct data_part *part, uint64_t *out_first, uint64_t *out_count, size_t *out_size)
{
    *out_first = 0;
    *out_count = 0;
    *out_size = 0;
    for (size_t i = part->kept_count; i < part->segment_count && *out_count < DATA_SEGMENTS_PER_PULL_MAX;
         i++) {
        if (*out_count == 0) {
            *out_first = part->segments[i];
        }
        if (part->segments[i] != *out_first + *out_count) {
            break;
        }
        *out_size += segment_of(part, part->segments[i]).size;
        (*out_count)++;
    }
}

fallible data_part_keep(struct data_part *part, struct bytes untrusted_segments)
{
    uint64_t first;
    uint64_t count;
    size_t size;
    data_part_next(part, &first, &count, &size);
    REQUIRE(untrusted_segments.size == size, UNTRUSTED, "data.segments.size");
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct stream_segment segment = segment_of(part, first + i);
        uint8_t *place = part->ciphertext + (part->kept_count + i) * STREAM_SEGMENT_BYTES;
        memcpy(place, untrusted_segments.data + at, segment.size);
        TRY(part_check_segment(&part->leaves[first + i], (struct bytes){place, segment.size}));
        at += segment.size;
    }
    part->kept_count += count;
    return OK;
}

/* The place of a segment's ciphertext, or NULL when no granted column touches it. */
static const uint8_t *find_segment(const struct data_part *part, uint64_t number)
{
    size_t low = 0;
    size_t high = part->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->segments[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < part->segment_count && part->segments[low] == number;
    return found ? part->ciphertext + low * STREAM_SEGMENT_BYTES : NULL;
}

static fallible reader_open_part(struct data_reader *reader, const struct data_part *part)
{
    if (reader->part == part) {
        return OK;
    }
    if (reader->part != NULL) {
        stream_close(&reader->stream);
        reader->part = NULL;
    }
    reader->has_segment = false;
    TRY(stream_open_for_opening(&part->key, &reader->stream));
    reader->part = part;
    return OK;
}

static fallible reader_open_segment(struct data_reader *reader, uint64_t number)
{
    if (reader->has_segment && reader->segment == number) {
        return OK;
    }
    const struct data_part *part = reader->part;
    const uint8_t *ciphertext = find_segment(part, number);
    ASSERT(ciphertext != NULL); /* callers ask only for granted ranges, whose segments have been pulled */
    reader->has_segment = false;
    struct bytes sealed = {ciphertext, segment_of(part, number).size};
    TRY(stream_open_segment(&reader->stream, part->part->plain_size, number, sealed, reader->plain));
    reader->segment = number;
    reader->has_segment = true;
    return OK;
}

void data_reader_release(struct data_reader *reader)
{
    if (reader->part != NULL) {
        stream_close(&reader->stream);
    }
    wipe(reader, sizeof *reader);
}

/* Plaintext [offset, offset + size) of the part, which must be covered by pulled segments. */
static fallible read_plain(struct data_reader *reader, uint64_t offset, size_t size, uint8_t *out)
{
    size_t done = 0;
    while (done < size) {
        uint64_t number = stream_segment_holding(offset + done);
        TRY(reader_open_segment(reader, number));
        struct stream_segment segment = segment_of(reader->part, number);
        size_t inside = (size_t)(offset + done - segment.plain_offset);
        size_t left = segment.plain_size - inside;
        size_t step = left < size - done ? left : size - done;
        memcpy(out + done, reader->plain + inside, step);
        done += step;
    }
    return OK;
}

fallible data_part_ready(struct arena *arena, const struct data_table *table, struct data_part *part,
                         const struct secret *data_key)
{
    ASSERT(part->kept_count == part->segment_count && part->segments[0] == 0);
    const struct manifest *manifest = table->manifest;
    struct bytes associated;
    TRY(part_associated_data(arena, manifest->dataset, manifest->version, part->part->number, &associated));
    struct bytes header = {part->ciphertext, STREAM_HEADER_BYTES};
    TRY(stream_key_of(data_key, associated, header, &part->key));

    struct data_reader *reader;
    TRY(ARENA_NEW(arena, struct data_reader, &reader));
    TRY(reader_open_part(reader, part));
    struct footer_column *columns;
    TRY(ARENA_ARRAY(arena, struct footer_column, table->column_count, &columns));
    struct result result = OK;
    for (size_t i = 0; i < table->column_count && result_is_ok(result); i++) {
        struct manifest_range meta = part->part->columns[table->columns[i]].meta;
        uint8_t *section = NULL;
        result = ARENA_ARRAY(arena, uint8_t, meta.size, &section);
        if (result_is_ok(result)) {
            result = read_plain(reader, meta.offset, meta.size, section);
        }
        columns[i].element = manifest->columns[table->columns[i]].element;
        columns[i].untrusted_metadata = (struct bytes){section, meta.size};
    }
    data_reader_release(reader);
    TRY(result);
    buffer_init(&part->footer, FOOTER_BYTES_MAX);
    return footer_compose(columns, table->column_count, part->part->group_rows, part->part->group_count,
                          arena, &part->footer);
}

uint64_t data_part_file_size(const struct data_part *part)
{
    return part->part->data_end + part->footer.size;
}

/* The first granted range that ends after `offset`. */
static size_t first_range_after(const struct data_part *part, uint64_t offset)
{
    size_t low = 0;
    size_t high = part->granted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->granted[middle].offset + part->granted[middle].size <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The magic at the start of every Parquet file is public. */
static void copy_magic(uint64_t offset, size_t size, uint8_t *out)
{
    static const uint8_t magic[MANIFEST_MAGIC_BYTES] = {'P', 'A', 'R', '1'};
    for (uint64_t at = offset; at < sizeof magic && at < offset + size; at++) {
        out[at - offset] = magic[at];
    }
}

static fallible read_granted(const struct data_part *part, struct data_reader *reader, uint64_t offset,
                             size_t size, uint8_t *out)
{
    uint64_t end = offset + size;
    for (size_t i = first_range_after(part, offset); i < part->granted_count && part->granted[i].offset < end;
         i++) {
        uint64_t from = part->granted[i].offset > offset ? part->granted[i].offset : offset;
        uint64_t range_end = part->granted[i].offset + part->granted[i].size;
        uint64_t to = range_end < end ? range_end : end;
        TRY(read_plain(reader, from, (size_t)(to - from), out + (from - offset)));
    }
    return OK;
}

fallible data_read(const struct data_part *part, struct data_reader *reader, uint64_t offset, size_t size,
                   uint8_t *out, size_t *out_size)
{
    uint64_t file_size = data_part_file_size(part);
    if (offset >= file_size) {
        *out_size = 0;
        return OK;
    }
    size_t given = size < file_size - offset ? size : (size_t)(file_size - offset);
    memset(out, 0, given);
    uint64_t data_end = part->part->data_end;
    if (offset < data_end) {
        size_t in_data = given < data_end - offset ? given : (size_t)(data_end - offset);
        TRY(reader_open_part(reader, part));
        copy_magic(offset, in_data, out);
        TRY(read_granted(part, reader, offset, in_data, out));
    }
    if (offset + given > data_end) {
        uint64_t from = offset > data_end ? offset : data_end;
        memcpy(out + (from - offset), part->footer.data + (from - data_end), (size_t)(offset + given - from));
    }
    *out_size = given;
    return OK;
}
