#include "base/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One value has one text: whatever decodes encodes back to the same characters. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 16 * size + 4096);
    struct text text = {(const char *)data, size};
    struct bytes bytes;
    struct text again;
    if (result_is_ok(decode_base64url(&arena, text, &bytes))) {
        ASSERT(result_is_ok(encode_base64url(&arena, bytes, &again)) && text_equal(text, again));
    }
    if (result_is_ok(decode_hex(&arena, text, &bytes))) {
        ASSERT(result_is_ok(encode_hex(&arena, bytes, &again)) && text_equal(text, again));
    }
    int64_t seconds;
    if (result_is_ok(decode_time(text, &seconds))) {
        ASSERT(result_is_ok(encode_time(&arena, seconds, &again)) && text_equal(text, again));
    }
    return 0;
}
