#include "crypto/adapter.h"
#include "crypto/aead.h"
#include "crypto/key.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>

static void context_free(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}
#define scoped_context defer(context_free) EVP_PKEY_CTX

static fallible prepare(const struct key *key, enum key_oaep oaep, bool encrypting, EVP_PKEY_CTX **out)
{
    REQUIRE(key->pkey != NULL && key->kind == KEY_RSA, INVALID, "key.kind");
    REQUIRE(encrypting || key->is_private, INVALID, "key.not_private");
    const EVP_MD *hash = oaep == KEY_OAEP_SHA1     ? EVP_sha1()
                         : oaep == KEY_OAEP_SHA256 ? EVP_sha256()
                                                   : EVP_sha384();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    REQUIRE(context != NULL, NO_MEMORY, "key.memory");
    *out = context; /* the caller frees it in any case */
    int started = encrypting ? EVP_PKEY_encrypt_init(context) : EVP_PKEY_decrypt_init(context);
    /* OpenSSL's mask generation has a default of its own, so both are said. */
    bool set = started == 1 && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_oaep_md(context, hash) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash) == 1;
    REQUIRE(set, INTERNAL, "key.prepare");
    return OK;
}

fallible key_oaep_encrypt(const struct key *key, enum key_oaep oaep, const struct secret *plaintext,
                          struct buffer *out)
{
    LEAVE_NO_ERROR_QUEUE;
    scoped_context *context = NULL;
    TRY(prepare(key, oaep, true, &context));
    uint8_t made[KEY_RSA_BITS_MAX / 8];
    size_t size = sizeof made;
    REQUIRE(plaintext->size > 0, INVALID, "key.oaep.size");
    REQUIRE(EVP_PKEY_encrypt(context, made, &size, plaintext->data, plaintext->size) == 1, INVALID,
            "key.oaep.size");
    return buffer_add(out, (struct bytes){made, size});
}

fallible key_oaep_decrypt(const struct key *key, enum key_oaep oaep, struct bytes untrusted_ciphertext,
                          struct secret *out)
{
    LEAVE_NO_ERROR_QUEUE;
    scoped_context *context = NULL;
    TRY(prepare(key, oaep, false, &context));
    size_t size = (size_t)EVP_PKEY_get_size(key->pkey);
    REQUIRE(untrusted_ciphertext.size == size, UNTRUSTED, "key.oaep");
    scoped_secret secret = {0};
    TRY(secret_new(size, &secret));
    int done =
        EVP_PKEY_decrypt(context, secret.data, &size, untrusted_ciphertext.data, untrusted_ciphertext.size);
    REQUIRE(done == 1, UNTRUSTED, "key.oaep");
    secret_shorten(&secret, size);
    *out = (struct secret){0};
    secret_move(&secret, out);
    return OK;
}

fallible key_rsa_aes_wrap(const struct world *world, const struct key *key, enum key_oaep oaep,
                          const struct secret *material, struct buffer *out)
{
    scoped_secret fresh = {0};
    TRY(secret_random(world, AEAD_KEY_BYTES, &fresh));
    size_t before = out->size;
    struct result result = key_oaep_encrypt(key, oaep, &fresh, out);
    if (result_is_ok(result)) {
        result = keywrap_pad_seal(&fresh, material, out);
    }
    if (!result_is_ok(result)) {
        out->size = before;
    }
    return result;
}

fallible key_rsa_aes_unwrap(const struct key *key, enum key_oaep oaep, struct bytes untrusted_wrapped,
                            struct secret *out)
{
    REQUIRE(key->pkey != NULL && key->kind == KEY_RSA, INVALID, "key.kind");
    size_t size = (size_t)EVP_PKEY_get_size(key->pkey);
    REQUIRE(untrusted_wrapped.size > size, UNTRUSTED, "key.rsa_aes");
    scoped_secret fresh = {0};
    TRY(key_oaep_decrypt(key, oaep, bytes_slice(untrusted_wrapped, 0, size), &fresh));
    REQUIRE(fresh.size == AEAD_KEY_BYTES, UNTRUSTED, "key.rsa_aes");
    return keywrap_pad_open(&fresh, bytes_slice(untrusted_wrapped, size, SIZE_MAX), out);
}

fallible key_agree(const struct key *private_key, const struct key *public_key, struct secret *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(private_key->kind == KEY_EC_P256 && public_key->kind == KEY_EC_P256, INVALID, "key.kind");
    REQUIRE(private_key->is_private, INVALID, "key.not_private");
    scoped_context *context = EVP_PKEY_CTX_new_from_pkey(NULL, private_key->pkey, NULL);
    REQUIRE(context != NULL, NO_MEMORY, "key.memory");
    scoped_secret secret = {0};
    TRY(secret_new(32, &secret));
    size_t size = 32;
    bool done = EVP_PKEY_derive_init(context) == 1 &&
                EVP_PKEY_derive_set_peer_ex(context, public_key->pkey, 1) == 1 &&
                EVP_PKEY_derive(context, secret.data, &size) == 1 && size == 32;
    REQUIRE(done, INVALID, "key.agree");
    *out = (struct secret){0};
    secret_move(&secret, out);
    return OK;
}
