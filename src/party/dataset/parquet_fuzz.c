#include "party/dataset/parquet.h"
#include "seal/footer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is accepted has disjoint ranges inside the file, and its pieces make a footer that is accepted
 * again and says the same. */
static void compose_again(struct arena *arena, const struct parquet_file *file, uint64_t footer_offset)
{
    struct footer_column *columns;
    ASSERT(result_is_ok(ARENA_ARRAY(arena, struct footer_column, file->column_count, &columns)));
    for (size_t i = 0; i < file->column_count; i++) {
        scoped_buffer section;
        buffer_init(&section, FOOTER_BYTES_MAX);
        for (size_t group = 0; group < file->group_count; group++) {
            struct bytes octets = file->chunks[group * file->column_count + i].octets;
            if (octets.size > FOOTER_CHUNK_BYTES_MAX) {
                return;
            }
            ASSERT(result_is_ok(buffer_add_u32le(&section, (uint32_t)octets.size)));
            ASSERT(result_is_ok(buffer_add(&section, octets)));
        }
        ASSERT(result_is_ok(buffer_add_u32le(&section, 0)));
        ASSERT(result_is_ok(arena_copy(arena, buffer_view(&section), &columns[i].untrusted_metadata)));
        columns[i].element = file->columns[i].element;
        if (columns[i].element.size > FOOTER_ELEMENT_BYTES_MAX) {
            return;
        }
    }
    scoped_buffer footer;
    buffer_init(&footer, FOOTER_BYTES_MAX);
    ASSERT(result_is_ok(
        footer_compose(columns, file->column_count, file->group_rows, file->group_count, arena, &footer)));
    struct parquet_file again;
    ASSERT(result_is_ok(parquet_read(arena, (struct bytes){footer.data, footer.size - PARQUET_TAIL_BYTES},
                                     footer_offset, &again)));
    ASSERT(again.rows == file->rows && again.column_count == file->column_count);
    ASSERT(again.data_end == file->data_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { FOOTER_OFFSET = 1000000 };
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    struct bytes untrusted = {data, size};
    struct parquet_file file;
    if (result_is_ok(parquet_read(&arena, untrusted, FOOTER_OFFSET, &file))) {
        ASSERT(file.data_end <= FOOTER_OFFSET);
        compose_again(&arena, &file, FOOTER_OFFSET);
    }
    struct parquet_chunk_claim claim;
    (void)!result_is_ok(parquet_read_chunk(untrusted, &claim));
    return 0;
}
