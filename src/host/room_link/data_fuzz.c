#include "host/room_link/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int segments = 0; segments < 2; segments++) {
        scoped_data_request request = {0};
        struct result result = data_request_parse((struct bytes){data, size}, segments == 1, &request);
        if (result_is_ok(result)) {
            ASSERT(text_is_name(request.dataset.owner) && text_is_name(request.dataset.name));
            ASSERT(request.part <= STORAGE_PART_MAX && request.count <= DATA_SEGMENTS_MAX);
            ASSERT((request.count > 0) == (segments == 1));
        }
    }
    return 0;
}
