#include "crypto/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key that is read has one JWK, and reading that gives the same key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_json *jwk = NULL;
    scoped_key key = {0};
    if (!result_is_ok(json_decode((struct bytes){data, size}, &jwk)) ||
        !result_is_ok(key_from_jwk(jwk, &key))) {
        return 0;
    }
    scoped_json *again = NULL;
    scoped_key same = {0};
    struct digest one;
    struct digest other;
    ASSERT(result_is_ok(key_to_jwk(&key, &again)) && result_is_ok(key_from_jwk(again, &same)));
    ASSERT(result_is_ok(key_pin(&key, &one)) && result_is_ok(key_pin(&same, &other)));
    ASSERT(digest_equal(&one, &other));
    return 0;
}
