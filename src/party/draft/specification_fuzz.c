#include "party/draft/specification.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    struct specification read = {0};
    if (result_is_ok(
            specification_read(&arena, (struct bytes){data, size}, "/nonexistent", 1795467600, &read))) {
        ASSERT(read.party_count >= 1 && read.query_count >= 1 && read.dataset_count >= 1);
        ASSERT(read.party_count <= 32 && read.query_count <= 64);
    }
    return 0;
}
