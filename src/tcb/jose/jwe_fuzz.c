#include "jose/jwe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A private key for tests (RFC 7518 appendix C, Bob), so that mutations reach behind the key agreement. */
static const uint8_t pkcs8[] = {
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04,
    0x20, 0x54, 0x49, 0x83, 0x66, 0x90, 0xd7, 0x5c, 0xaf, 0x29, 0xf0, 0xdf, 0x02, 0x9d, 0xcb, 0x31, 0xb3,
    0xdd, 0xb8, 0xab, 0xa9, 0xd2, 0xd5, 0x15, 0xc5, 0x01, 0x24, 0x91, 0xe8, 0x17, 0xd4, 0xa9, 0xdc};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 4 * size + 65536);
    struct bytes document = {data, size};
    struct text kids[JWE_RECIPIENTS_MAX];
    size_t count = 0;
    bool formed = result_is_ok(jwe_recipients(&arena, document, kids, &count));
    scoped_secret secret = {0};
    scoped_key key = {0};
    ASSERT(result_is_ok(secret_from(BYTES_OF(pkcs8), &secret)));
    ASSERT(result_is_ok(key_from_pkcs8(&secret, &key)));
    scoped_buffer plaintext;
    buffer_init(&plaintext, JSON_SIZE_MAX);
    struct result result = jwe_decrypt(&arena, document, "truce-test+jwe", &key, &plaintext);
    ASSERT(formed || result.code != RESULT_OK);
    ASSERT(result.code != RESULT_INTERNAL && (result.code == RESULT_OK || plaintext.size == 0));
    return 0;
}
