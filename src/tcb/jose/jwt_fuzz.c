#include "jose/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line is a token, the rest a key set. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 8 * size + 65536);
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t token_size = end == NULL ? size : (size_t)(end - data);
    struct bytes rest = bytes_slice((struct bytes){data, size}, token_size + 1, SIZE_MAX);
    scoped_jwt_keys keys = {0};
    bool has_keys = result_is_ok(jwt_keys_from_jwks(&arena, rest, &keys));
    scoped_jwt jwt = {0};
    if (!result_is_ok(jwt_parse(&arena, (struct text){(const char *)data, token_size}, &jwt))) {
        return 0;
    }
    struct result times = jwt_check_times(&jwt, 1800000000, 60);
    struct result signature = jwt_verify(&jwt, &keys, KEY_RS256);
    ASSERT(times.code != RESULT_INTERNAL && signature.code != RESULT_INTERNAL);
    ASSERT(has_keys || signature.code != RESULT_OK);
    return 0;
}
