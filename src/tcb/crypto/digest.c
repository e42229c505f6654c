#include "crypto/digest.h"

#include "base/encode.h"
#include "crypto/adapter.h"
#include "crypto/secret.h"

/* The calls of OpenSSL that hash without allocating: a digest never fails, not even without memory. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct hasher), "a hasher holds OpenSSL's state");

enum { HKDF_SIZE_MAX = 255 * DIGEST_BYTES, HKDF_INFO_MAX = 1024 };

void error_queue_clear(const int *unused)
{
    (void)unused;
    ERR_clear_error();
}

struct digest digest_of(struct bytes bytes)
{
    struct digest digest;
    SHA256_CTX state;
    ASSERT(SHA256_Init(&state) == 1 && SHA256_Update(&state, bytes.data, bytes.size) == 1 &&
           SHA256_Final(digest.octets, &state) == 1);
    return digest;
}

struct digest384 digest384_of(struct bytes bytes)
{
    struct digest384 digest;
    SHA512_CTX state;
    ASSERT(SHA384_Init(&state) == 1 && SHA384_Update(&state, bytes.data, bytes.size) == 1 &&
           SHA384_Final(digest.octets, &state) == 1);
    return digest;
}

bool digest_equal(const struct digest *left, const struct digest *right)
{
    return CRYPTO_memcmp(left->octets, right->octets, DIGEST_BYTES) == 0;
}

fallible digest_to_text(struct arena *arena, const struct digest *digest, struct text *out)
{
    struct text hex;
    TRY(encode_hex(arena, digest_view(digest), &hex));
    return arena_printf(arena, out, "sha256:%.*s", TEXT_ARGS(hex));
}

json_t *digest_to_json(const struct digest *digest)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text text;
    return result_is_ok(digest_to_text(&arena, digest, &text)) ? json_stringn(text.data, text.size) : NULL;
}

fallible digest_from_text(struct text untrusted_text, struct digest *out)
{
    struct text prefix = TEXT("sha256:");
    REQUIRE(text_starts_with(untrusted_text, prefix), INVALID, "digest.form");
    struct text hex = {untrusted_text.data + prefix.size, untrusted_text.size - prefix.size};
    REQUIRE(hex.size == (size_t)2 * DIGEST_BYTES, INVALID, "digest.form");
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct bytes octets;
    REQUIRE(result_is_ok(decode_hex(&arena, hex, &octets)), INVALID, "digest.form");
    memcpy(out->octets, octets.data, DIGEST_BYTES);
    return OK;
}

fallible hasher_init(struct hasher *hasher)
{
    REQUIRE(SHA256_Init((SHA256_CTX *)hasher->state) == 1, INTERNAL, "digest.hasher");
    return OK;
}

fallible hasher_add(struct hasher *hasher, struct bytes bytes)
{
    REQUIRE(SHA256_Update((SHA256_CTX *)hasher->state, bytes.data, bytes.size) == 1, INTERNAL,
            "digest.hasher");
    return OK;
}

fallible hasher_finish(struct hasher *hasher, struct digest *out)
{
    struct digest digest;
    REQUIRE(SHA256_Final(digest.octets, (SHA256_CTX *)hasher->state) == 1, INTERNAL, "digest.hasher");
    *out = digest;
    return OK;
}

void hasher_release(struct hasher *hasher)
{
    wipe(hasher, sizeof *hasher);
}

fallible digest_hmac(const struct secret *key, struct bytes bytes, struct digest *out)
{
    LEAVE_NO_ERROR_QUEUE;
    static const uint8_t nothing[1];
    const uint8_t *data = key->size > 0 ? key->data : nothing;
    struct digest digest;
    size_t size = 0;
    const uint8_t *made = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, data, key->size, bytes.data,
                                    bytes.size, digest.octets, DIGEST_BYTES, &size);
    REQUIRE(made != NULL && size == DIGEST_BYTES, INTERNAL, "digest.hmac");
    *out = digest;
    return OK;
}

/* Runs a key derivation function of OpenSSL by name. Its parameters are not changed: the casts only fit an
 * interface that serves both directions. */
static fallible derive(const char *name, const char *salt_name, struct bytes salt, const struct secret *key,
                       struct bytes info, size_t size, struct secret *out)
{
    LEAVE_NO_ERROR_QUEUE;
    static const uint8_t nothing[1];
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf);
    REQUIRE(context != NULL, NO_MEMORY, "digest.kdf");
    const void *salt_data = salt.size > 0 ? salt.data : nothing;
    const void *info_data = info.size > 0 ? info.data : nothing;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key->data, key->size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info_data, info.size),
        OSSL_PARAM_construct_octet_string(salt_name, (void *)(uintptr_t)salt_data, salt.size),
        OSSL_PARAM_construct_end(),
    };
    scoped_secret secret = {0};
    struct result result = secret_new(size, &secret);
    if (result_is_ok(result) && EVP_KDF_derive(context, secret.data, size, parameters) != 1) {
        result = FAIL(INTERNAL, "digest.kdf");
    }
    EVP_KDF_CTX_free(context);
    TRY(result);
    *out = (struct secret){0};
    secret_move(&secret, out);
    return OK;
}

fallible digest_hkdf(const struct secret *key, struct bytes salt, struct bytes info, size_t size,
                     struct secret *out)
{
    REQUIRE(key->size > 0, INVALID, "digest.hkdf.key");
    REQUIRE(size > 0 && size <= HKDF_SIZE_MAX, LIMIT, "digest.hkdf.size");
    REQUIRE(info.size <= HKDF_INFO_MAX, LIMIT, "digest.hkdf.info");
    return derive("HKDF", OSSL_KDF_PARAM_SALT, salt, key, info, size, out);
}

fallible digest_concat_kdf(const struct secret *shared, struct bytes other_info, size_t size,
                           struct secret *out)
{
    REQUIRE(shared->size > 0, INVALID, "digest.concat_kdf.key");
    REQUIRE(size > 0 && size <= DIGEST_BYTES, LIMIT, "digest.concat_kdf.size");
    static const uint8_t counter[] = {0, 0, 0, 1};
    scoped_hasher hasher;
    struct digest made;
    TRY(hasher_init(&hasher));
    TRY(hasher_add(&hasher, BYTES_OF(counter)));
    TRY(hasher_add(&hasher, secret_view(shared)));
    TRY(hasher_add(&hasher, other_info));
    TRY(hasher_finish(&hasher, &made));
    struct result result = secret_from((struct bytes){made.octets, size}, out);
    wipe(&made, sizeof made);
    return result;
}
