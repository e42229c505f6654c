#include "host/workflow/content_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct content_range range;
    struct result result = content_range_parse((struct text){(const char *)data, size}, &range);
    if (result_is_ok(result)) {
        ASSERT(range.count > 0 && range.first < range.total && range.count <= range.total - range.first);
    }
    return 0;
}
