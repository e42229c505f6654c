#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_json *value = NULL;
    if (!result_is_ok(json_decode((struct bytes){data, size}, &value))) {
        return 0;
    }
    scoped_buffer once;
    buffer_init(&once, JSON_SIZE_MAX);
    if (!result_is_ok(json_encode(value, &once))) {
        return 0;
    }
    scoped_json *again = NULL;
    scoped_buffer twice;
    buffer_init(&twice, JSON_SIZE_MAX);
    ASSERT(result_is_ok(json_decode(buffer_view(&once), &again)));
    ASSERT(result_is_ok(json_encode(again, &twice)));
    ASSERT(bytes_equal(buffer_view(&once), buffer_view(&twice)));
    return 0;
}
