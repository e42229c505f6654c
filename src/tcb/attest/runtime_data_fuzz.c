#include "attest/runtime_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    struct bytes octets = {data, size}, again;
    scoped_json *json = NULL;
    scoped_key key = {0};
    struct text kid;
    if (result_is_ok(json_decode(octets, &json)) && result_is_ok(runtime_wrapping_key(json, &key, &kid))) {
        ASSERT(key_rsa_bits(&key) >= 2048);
    }
    scoped_runtime_data runtime_data = {0};
    if (!result_is_ok(runtime_data_parse(&arena, octets, &runtime_data))) {
        return 0;
    }
    ASSERT(result_is_ok(runtime_data_build(&arena, &runtime_data, &again)));
    ASSERT(bytes_equal(octets, again));
    return 0;
}
