#include "seal/footer.h"

#include "seal/thrift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first octet splits the input into an element and a metadata section of up to three groups. What is
 * accepted must give a footer that is one Thrift struct. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct bytes all = {data + 2, size - 2};
    size_t split = data[0] < all.size ? data[0] : all.size;
    struct footer_column columns[1] = {{bytes_slice(all, 0, split), bytes_slice(all, split, SIZE_MAX)}};
    static const uint64_t rows[3] = {1, 2, 3};
    scoped_arena arena;
    arena_init(&arena, 4096);
    scoped_buffer out;
    buffer_init(&out, 1024 * 1024);
    if (!result_is_ok(footer_compose(columns, 1, rows, data[1] % 4, &arena, &out))) {
        return 0;
    }
    struct reader reader = reader_of(buffer_view(&out));
    ASSERT(result_is_ok(thrift_skip(&reader, THRIFT_STRUCT)));
    ASSERT(reader_left(&reader) == 8);
    return 0;
}
