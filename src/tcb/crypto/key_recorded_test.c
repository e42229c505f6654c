/* Ciphertexts that Key Vault's own kind of service made. They are reference material beside the checkout;
 * without it this test says so and is skipped as a whole, because the test protocol has no other skip that
 * cmocka can say. */
#include "crypto/key.h"
#include "crypto/test_support.h"

enum { ARENA_BYTES = 1024 * 1024 };

static struct bytes released_ciphertext(struct arena *arena, const json_t *vector, const char **out_enc)
{
    struct text jws;
    struct text enc;
    assert_ok(json_get_text(vector, "jws", &jws));
    assert_ok(json_get_text(vector, "enc", &enc));
    assert_ok(arena_cstring(arena, enc, out_enc));
    const char *payload = memchr(jws.data, '.', jws.size);
    assert_non_null(payload);
    const char *end = memchr(payload + 1, '.', jws.size - (size_t)(payload + 1 - jws.data));
    assert_non_null(end);
    struct bytes octets;
    assert_ok(decode_base64url(arena, (struct text){payload + 1, (size_t)(end - payload - 1)}, &octets));
    scoped_json *content = NULL;
    assert_ok(json_decode(octets, &content));
    json_t *response;
    json_t *bundle;
    json_t *key;
    assert_ok(json_get_object(content, "response", &response));
    assert_ok(json_get_object(response, "key", &bundle));
    assert_ok(json_get_object(bundle, "key", &key));
    assert_ok(json_get_base64url(arena, key, "key_hsm", &octets));
    scoped_json *blob = NULL;
    assert_ok(json_decode(octets, &blob));
    assert_ok(json_get_base64url(arena, blob, "ciphertext", &octets));
    return octets;
}

static void recorded_releases_unwrap(void **state)
{
    const struct buffer *file = *state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_json *document = NULL;
    assert_ok(json_decode(buffer_view(file), &document));
    struct text hex;
    struct bytes der;
    assert_ok(json_get_text(document, "private_pkcs8_der_hex", &hex));
    assert_ok(decode_hex(&arena, hex, &der));
    scoped_secret pkcs8 = {0};
    assert_ok(secret_from(der, &pkcs8));
    scoped_key key = {0};
    assert_ok(key_from_pkcs8(&pkcs8, &key));
    json_t *vectors;
    assert_ok(json_get_array(document, "vectors", &vectors));
    assert_int_equal(json_array_size(vectors), 9);
    for (size_t i = 0; i < 9; i++) {
        const json_t *vector = json_array_get(vectors, i);
        const char *enc = NULL;
        struct bytes ciphertext = released_ciphertext(&arena, vector, &enc);
        enum key_oaep oaep = strcmp(enc, "CKM_RSA_AES_KEY_WRAP") == 0   ? KEY_OAEP_SHA1
                             : strcmp(enc, "RSA_AES_KEY_WRAP_256") == 0 ? KEY_OAEP_SHA256
                                                                        : KEY_OAEP_SHA384;
        scoped_secret opened = {0};
        assert_ok(key_rsa_aes_unwrap(&key, oaep, ciphertext, &opened));
        struct bytes want;
        assert_ok(json_get_base64url(&arena, vector, "plaintext", &want));
        assert_true(bytes_equal(secret_view(&opened), want));
        struct text type;
        assert_ok(json_get_text(vector, "kty", &type));
        if (!text_is(type, "oct")) {
            scoped_key released = {0};
            assert_ok(key_from_pkcs8(&opened, &released));
        }
    }
}

int main(void)
{
    scoped_buffer file;
    buffer_init(&file, ARENA_BYTES);
    read_shared("transcripts/skr-vectors.json", &file);
    if (file.size == 0) {
        printf("1..0 # SKIP no ../shared/transcripts/skr-vectors.json beside the checkout\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(recorded_releases_unwrap, &file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
