#include "jose/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing that the fuzzer invents is signed by this key. */
static const char key_text[] =
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const members[] = {"grant", NULL};
    scoped_arena arena;
    arena_init(&arena, 4 * size + 65536);
    scoped_jws jws = {0};
    if (!result_is_ok(jws_parse(&arena, (struct bytes){data, size}, "truce-test+jws", members, &jws))) {
        return 0;
    }
    ASSERT(jws.signature_count > 0 && json_is_object(jws.content));
    struct digest digest = digest_of(jws.payload);
    ASSERT(digest_equal(&digest, &jws.digest));
    scoped_json *jwk = NULL;
    scoped_key key = {0};
    ASSERT(result_is_ok(json_decode(bytes_of_text(text_of(key_text)), &jwk)));
    ASSERT(result_is_ok(key_from_jwk(jwk, &key)));
    for (size_t i = 0; i < jws.signature_count; i++) {
        ASSERT(jws_verify(&jws, i, &key).code == RESULT_UNTRUSTED);
    }
    return 0;
}
