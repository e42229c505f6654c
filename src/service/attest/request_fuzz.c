#include "service/attest/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 4 * 1024 * 1024);
    scoped_json *json = NULL;
    scoped_attest_request request = {0};
    if (result_is_ok(json_decode((struct bytes){data, size}, &json)) &&
        result_is_ok(attest_request_parse(&arena, json, &request))) {
        ASSERT(request.evidence.certificate_count > 0 && text_is(request.evidence.family, "sim"));
    }
    return 0;
}
