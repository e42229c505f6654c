#include "crypto/adapter.h"
#include "crypto/aead.h"

#include <openssl/evp.h>

enum { BLOCK = 8, WRAPPED_SIZE_MAX = SECRET_SIZE_MAX };

static fallible transform(const EVP_CIPHER *cipher, bool wrapping, const struct secret *kek,
                          struct bytes input, uint8_t *out, size_t *out_size)
{
    LEAVE_NO_ERROR_QUEUE;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    REQUIRE(context != NULL, NO_MEMORY, "keywrap.context");
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    int size = 0;
    int rest = 0;
    bool done = EVP_CipherInit_ex2(context, cipher, kek->data, NULL, wrapping ? 1 : 0, NULL) == 1 &&
                EVP_CipherUpdate(context, out, &size, input.data, (int)input.size) == 1 && size > 0 &&
                EVP_CipherFinal_ex(context, out + size, &rest) == 1 && rest == 0;
    EVP_CIPHER_CTX_free(context);
    REQUIRE(done || !wrapping, INTERNAL, "keywrap.seal");
    REQUIRE(done, UNTRUSTED, "keywrap.integrity");
    *out_size = (size_t)size;
    return OK;
}

static fallible wrap(const EVP_CIPHER *cipher, const struct secret *kek, const struct secret *key,
                     struct buffer *out)
{
    REQUIRE(kek->size == AEAD_KEY_BYTES, INVALID, "keywrap.key_size");
    size_t before = out->size;
    size_t room = (key->size + BLOCK - 1) / BLOCK * BLOCK + BLOCK;
    uint8_t *wrapped;
    TRY(buffer_extend(out, room, &wrapped));
    size_t size = 0;
    struct result result = transform(cipher, true, kek, secret_view(key), wrapped, &size);
    out->size = result_is_ok(result) ? before + size : before;
    return result;
}

static fallible unwrap(const EVP_CIPHER *cipher, const struct secret *kek, struct bytes wrapped,
                       struct secret *out)
{
    REQUIRE(kek->size == AEAD_KEY_BYTES, INVALID, "keywrap.key_size");
    REQUIRE(wrapped.size <= WRAPPED_SIZE_MAX, LIMIT, "keywrap.size");
    scoped_secret secret = {0};
    TRY(secret_new(wrapped.size, &secret));
    size_t size = 0;
    TRY(transform(cipher, false, kek, wrapped, secret.data, &size));
    secret_shorten(&secret, size);
    *out = (struct secret){0};
    secret_move(&secret, out);
    return OK;
}

fallible keywrap_seal(const struct secret *kek, const struct secret *key, struct buffer *out)
{
    REQUIRE(key->size >= 2 * BLOCK && key->size % BLOCK == 0, INVALID, "keywrap.size");
    return wrap(EVP_aes_256_wrap(), kek, key, out);
}

fallible keywrap_open(const struct secret *kek, struct bytes untrusted_wrapped, struct secret *out)
{
    bool fits = untrusted_wrapped.size >= 3 * BLOCK && untrusted_wrapped.size % BLOCK == 0;
    REQUIRE(fits, UNTRUSTED, "keywrap.integrity");
    return unwrap(EVP_aes_256_wrap(), kek, untrusted_wrapped, out);
}

fallible keywrap_pad_seal(const struct secret *kek, const struct secret *key, struct buffer *out)
{
    REQUIRE(key->size > 0, INVALID, "keywrap.size");
    return wrap(EVP_aes_256_wrap_pad(), kek, key, out);
}

fallible keywrap_pad_open(const struct secret *kek, struct bytes untrusted_wrapped, struct secret *out)
{
    bool fits = untrusted_wrapped.size >= 2 * BLOCK && untrusted_wrapped.size % BLOCK == 0;
    REQUIRE(fits, UNTRUSTED, "keywrap.integrity");
    return unwrap(EVP_aes_256_wrap_pad(), kek, untrusted_wrapped, out);
}
