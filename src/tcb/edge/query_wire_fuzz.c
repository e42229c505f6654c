#include "edge/query_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The room decodes what a subverted child sends: whatever decodes must encode to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = reader_of((struct bytes){data, size});
    scoped_buffer again;
    buffer_init(&again, size);
    struct cell cell;
    while (reader_left(&reader) > 0 && result_is_ok(query_cell_decode(&reader, &cell))) {
        ASSERT(result_is_ok(query_cell_encode(&again, &cell)));
    }
    ASSERT(bytes_equal(buffer_view(&again), bytes_slice((struct bytes){data, size}, 0, reader.at)));
    struct query_read read;
    if (result_is_ok(query_read_decode((struct bytes){data, size}, &read))) {
        uint8_t octets[QUERY_READ_BYTES];
        query_read_encode(&read, octets);
        ASSERT(memcmp(octets, data, sizeof octets) == 0);
    }
    return 0;
}
