#include "party/dataset/part_sealer.h"

#include "party/dataset/parquet.h"
#include "party/dataset/part_writer.h"
#include "seal/footer.h"
#include "seal/part.h"

#include <unistd.h>

/* Passes a stream on except for its last octets. */
struct splitter {
    struct part_writer *writer;
    struct buffer held;
    uint64_t passed;
};

static fallible pass(struct splitter *splitter, size_t size)
{
    TRY(part_writer_add(splitter->writer, (struct bytes){splitter->held.data, size}));
    memmove(splitter->held.data, splitter->held.data + size, splitter->held.size - size);
    splitter->held.size -= size;
    splitter->passed += size;
    return OK;
}

static fallible splitter_add(void *self, struct bytes octets)
{
    struct splitter *splitter = self;
    while (octets.size > 0) {
        struct bytes piece = bytes_slice(octets, 0, PART_TAIL_BYTES_MAX);
        TRY(buffer_add(&splitter->held, piece));
        octets = bytes_slice(octets, piece.size, SIZE_MAX);
        if (splitter->held.size >= 2 * (size_t)PART_TAIL_BYTES_MAX) {
            TRY(pass(splitter, splitter->held.size - PART_TAIL_BYTES_MAX));
        }
    }
    return OK;
}

static void splitter_release(struct splitter *splitter)
{
    if (splitter->held.data != NULL) {
        wipe(splitter->held.data, splitter->held.capacity);
    }
    buffer_release(&splitter->held);
}
#define scoped_splitter defer(splitter_release) struct splitter

/* Takes the footer apart and passes the rest of the data on. */
static fallible finish_data(struct arena *arena, struct splitter *splitter, struct parquet_file *out)
{
    struct bytes held = buffer_view(&splitter->held);
    REQUIRE(held.size > PARQUET_TAIL_BYTES, INVALID, "parquet.magic");
    uint64_t footer_size;
    size_t tail = held.size - PARQUET_TAIL_BYTES;
    TRY(parquet_footer_size(bytes_slice(held, tail, PARQUET_TAIL_BYTES), &footer_size));
    REQUIRE(footer_size <= tail, INVALID, "parquet.footer.size");
    /* The octets move when the data is passed on, so the footer is copied to the arena. */
    struct bytes footer;
    TRY(arena_copy(arena, bytes_slice(held, tail - footer_size, footer_size), &footer));
    TRY(parquet_read(arena, footer, splitter->passed + tail - footer_size, out));
    REQUIRE(out->data_end >= splitter->passed, LIMIT, "dataset.part.tail");
    return pass(splitter, (size_t)(out->data_end - splitter->passed));
}

static fallible take_columns(struct arena *arena, const struct parquet_file *file, struct part_sealed *sealed)
{
    TRY(ARENA_ARRAY(arena, struct manifest_column, file->column_count, &sealed->columns));
    for (size_t i = 0; i < file->column_count; i++) {
        const struct parquet_column *column = &file->columns[i];
        sealed->columns[i] = (struct manifest_column){column->name, column->type, column->element};
    }
    sealed->column_count = file->column_count;
    return OK;
}

static fallible take_ranges(struct arena *arena, const struct parquet_file *file, struct manifest_part *part)
{
    TRY(ARENA_ARRAY(arena, struct manifest_part_column, file->column_count, &part->columns));
    for (size_t i = 0; i < file->column_count; i++) {
        TRY(ARENA_ARRAY(arena, struct manifest_range, file->group_count, &part->columns[i].chunks));
        for (size_t group = 0; group < file->group_count; group++) {
            const struct parquet_chunk *chunk = &file->chunks[group * file->column_count + i];
            part->columns[i].chunks[group] = (struct manifest_range){chunk->offset, chunk->size};
        }
    }
    part->group_rows = file->group_rows;
    part->group_count = file->group_count;
    part->rows = file->rows;
    part->data_end = file->data_end;
    return OK;
}

/* Writes one metadata section per column behind the data. */
static fallible add_sections(const struct parquet_file *file, struct part_writer *writer,
                             struct manifest_part *part)
{
    uint64_t offset = file->data_end;
    for (size_t i = 0; i < file->column_count; i++) {
        scoped_buffer section;
        buffer_init(&section, FOOTER_BYTES_MAX);
        for (size_t group = 0; group < file->group_count; group++) {
            struct bytes octets = file->chunks[group * file->column_count + i].octets;
            REQUIRE(octets.size <= FOOTER_CHUNK_BYTES_MAX, LIMIT, "dataset.part.metadata");
            TRY(buffer_add_u32le(&section, (uint32_t)octets.size));
            TRY(buffer_add(&section, octets));
        }
        TRY(buffer_add_u32le(&section, 0));
        TRY(part_writer_add(writer, buffer_view(&section)));
        part->columns[i].meta = (struct manifest_range){offset, section.size};
        offset += section.size;
    }
    return OK;
}

static fallible write_plaintext(struct arena *arena, const struct part_order *order,
                                const struct source *source, struct part_writer *writer,
                                struct part_sealed *sealed)
{
    scoped_splitter splitter = {.writer = writer};
    buffer_init(&splitter.held, 3 * (size_t)PART_TAIL_BYTES_MAX);
    struct source_sink sink = {&splitter, splitter_add};
    struct parquet_file file;
    TRY(source->part(source->self, order->rows, &sink, &sealed->seen));
    TRY(finish_data(arena, &splitter, &file));
    REQUIRE(file.rows == order->rows.count && sealed->seen.rows == file.rows, CONFLICT,
            "dataset.source.changed");
    TRY(take_columns(arena, &file, sealed));
    TRY(take_ranges(arena, &file, &sealed->part));
    return add_sections(&file, writer, &sealed->part);
}

static fallible write_sealed(struct arena *arena, const struct part_order *order, const struct source *source,
                             int descriptor, struct part_sealed *sealed, struct bytes *out_leaves)
{
    struct bytes associated;
    struct part_written written;
    scoped_stream_key key = {0};
    scoped_part_writer *writer = NULL;
    TRY(part_associated_data(arena, order->dataset, order->version, order->number, &associated));
    TRY(stream_key_new(order->world, order->data_key, associated, &key));
    TRY(part_writer_open(&key, descriptor, order->threads, &writer));
    TRY(write_plaintext(arena, order, source, writer, sealed));
    TRY(part_writer_finish(writer, arena, &written));
    sealed->part.number = order->number;
    sealed->part.size = written.size;
    sealed->part.plain_size = written.plain_size;
    sealed->part.segment_count = written.leaf_count;
    *out_leaves = (struct bytes){(const uint8_t *)written.leaves, written.leaf_count * DIGEST_BYTES};
    return merkle_root(arena, written.leaves, written.leaf_count, &sealed->part.root);
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
    }
}

fallible part_seal(struct arena *arena, const struct part_order *order, const struct source *source,
                   struct part_sealed *out)
{
    char name[FOLDER_NAME_BYTES];
    struct part_sealed sealed = {0};
    struct bytes leaves;
    defer(close_descriptor) int descriptor = -1;
    folder_part_name(order->number, "sealed", name);
    TRY(folder_begin(order->folder, name, FOLDER_PUBLIC, &descriptor));
    TRY(write_sealed(arena, order, source, descriptor, &sealed, &leaves));
    TRY(folder_commit(order->folder, name, descriptor));
    folder_part_name(order->number, "leaves", name);
    TRY(folder_write(order->folder, name, FOLDER_PUBLIC, leaves));
    *out = sealed;
    return OK;
}
