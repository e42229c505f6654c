/* The first line is a token, the rest its JWKS: no pin is trusted, so none may pass. */
#include "attest/token.h"
#include "attest/x5c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 4 * 1024 * 1024);
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t head = end == NULL ? size : (size_t)(end - data);
    scoped_jwt_keys keys = {0};
    struct bytes rest = bytes_slice((struct bytes){data, size}, head + 1, size);
    if (!result_is_ok(x5c_keys_from_jwks(&arena, rest, &keys))) {
        jwt_keys_release(&keys);
        keys = (struct jwt_keys){0};
    }
    struct token_authority authority = {.issuer = TEXT("https://attest.example"), .key_count = 1};
    struct token_demand demand = {.unix_seconds = 1800000000};
    scoped_json *claims = NULL;
    ASSERT(!result_is_ok(token_verify(&arena, text_of_bytes((struct bytes){data, head}), &keys, &authority,
                                      &demand, &claims)));
    ASSERT(claims == NULL);
    return 0;
}
