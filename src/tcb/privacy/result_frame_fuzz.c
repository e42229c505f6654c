#include "privacy/result_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    struct result_frame frame;
    struct bytes input = {data, size};
    if (result_is_ok(result_frame_parse(&arena, input, &frame))) {
        scoped_buffer again;
        buffer_init(&again, 16 * 1024 * 1024);
        ASSERT(result_is_ok(result_frame_write(&frame, &again)));
        ASSERT(bytes_equal(buffer_view(&again), input));
    }
    return 0;
}
