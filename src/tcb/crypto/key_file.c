#include "crypto/adapter.h"
#include "crypto/key.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

enum {
    PRIVATE_SIZE_MAX = 64 * 1024,
    /* As strong as N=2^17 p=1 by OWASP's table, in 16 MiB: OpenSSL refuses to use more than 32. */
    SCRYPT_N = 1 << 14,
    SCRYPT_R = 8,
    SCRYPT_P = 5,
    SALT_BYTES = 16,
};

static void info_free(PKCS8_PRIV_KEY_INFO **info)
{
    PKCS8_PRIV_KEY_INFO_free(*info);
}
#define scoped_info defer(info_free) PKCS8_PRIV_KEY_INFO

static void envelope_free(X509_SIG **envelope)
{
    X509_SIG_free(*envelope);
}
#define scoped_envelope defer(envelope_free) X509_SIG

static void bio_free(BIO **bio)
{
    BIO_free_all(*bio);
}
#define scoped_bio defer(bio_free) BIO

static fallible info_of(const struct key *key, PKCS8_PRIV_KEY_INFO **out)
{
    REQUIRE(key->pkey != NULL && key->is_private, INVALID, "key.not_private");
    *out = EVP_PKEY2PKCS8(key->pkey);
    REQUIRE(*out != NULL, INTERNAL, "key.pkcs8");
    return OK;
}

static fallible key_from_info(const PKCS8_PRIV_KEY_INFO *info, struct key *out)
{
    scoped_key key = {0};
    TRY(key_adopt(EVP_PKCS82PKEY(info), true, &key));
    if (key.kind != KEY_RSA) {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key.pkey, NULL);
        bool halves_fit = context != NULL && EVP_PKEY_pairwise_check(context) == 1;
        EVP_PKEY_CTX_free(context);
        REQUIRE(halves_fit, INVALID, "key.pkcs8.pair");
    }
    *out = (struct key){0};
    key_move(&key, out);
    return OK;
}

fallible key_to_pkcs8(const struct key *key, struct secret *out)
{
    LEAVE_NO_ERROR_QUEUE;
    scoped_info *info = NULL;
    TRY(info_of(key, &info));
    uint8_t *der = NULL;
    int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    REQUIRE(size > 0, INTERNAL, "key.pkcs8");
    struct result result = secret_from((struct bytes){der, (size_t)size}, out);
    OPENSSL_clear_free(der, (size_t)size);
    return result;
}

fallible key_from_pkcs8(const struct secret *pkcs8, struct key *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(pkcs8->size > 0 && pkcs8->size <= PRIVATE_SIZE_MAX, INVALID, "key.pkcs8.form");
    const uint8_t *at = pkcs8->data;
    scoped_info *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)pkcs8->size);
    REQUIRE(info != NULL && at == pkcs8->data + pkcs8->size, INVALID, "key.pkcs8.form");
    return key_from_info(info, out);
}

static fallible take_bio(BIO *bio, struct buffer *out)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    REQUIRE(size > 0, INTERNAL, "key.pem");
    return buffer_add(out, (struct bytes){(const uint8_t *)data, (size_t)size});
}

static fallible encrypt(const PKCS8_PRIV_KEY_INFO *info, const struct secret *passphrase, X509_SIG **out)
{
    X509_ALGOR *algorithm =
        PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, SALT_BYTES, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
    REQUIRE(algorithm != NULL, INTERNAL, "key.pem.scrypt");
    X509_SIG *envelope = PKCS8_set0_pbe((const char *)passphrase->data, (int)passphrase->size,
                                        (PKCS8_PRIV_KEY_INFO *)(uintptr_t)info, algorithm);
    if (envelope == NULL) {
        X509_ALGOR_free(algorithm);
        return FAIL(INTERNAL, "key.pem.encrypt");
    }
    *out = envelope;
    return OK;
}

fallible key_to_encrypted_pem(const struct key *key, const struct secret *passphrase, struct buffer *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(passphrase->size > 0 && passphrase->size <= 1024, INVALID, "key.passphrase.size");
    scoped_info *info = NULL;
    TRY(info_of(key, &info));
    scoped_envelope *envelope = NULL;
    TRY(encrypt(info, passphrase, &envelope));
    scoped_bio *bio = BIO_new(BIO_s_mem());
    REQUIRE(bio != NULL && PEM_write_bio_PKCS8(bio, envelope) == 1, INTERNAL, "key.pem");
    return take_bio(bio, out);
}

/* The DER inside the one PEM block with the given label. */
static fallible read_pem(struct bytes pem, const char *label, struct secret *out)
{
    REQUIRE(pem.size > 0 && pem.size <= PRIVATE_SIZE_MAX, INVALID, "key.pem.form");
    scoped_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    REQUIRE(bio != NULL, NO_MEMORY, "key.pem");
    char *name = NULL;
    char *header = NULL;
    uint8_t *data = NULL;
    long size = 0;
    REQUIRE(PEM_read_bio(bio, &name, &header, &data, &size) == 1, INVALID, "key.pem.form");
    bool fits = strcmp(name, label) == 0 && header[0] == 0 && size > 0;
    struct result result =
        fits ? secret_from((struct bytes){data, (size_t)size}, out) : FAIL(INVALID, "key.pem.label");
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, (size_t)size);
    return result;
}

fallible key_from_encrypted_pem(struct bytes pem, const struct secret *passphrase, struct key *out)
{
    LEAVE_NO_ERROR_QUEUE;
    scoped_secret der = {0};
    TRY(read_pem(pem, "ENCRYPTED PRIVATE KEY", &der));
    const uint8_t *at = der.data;
    scoped_envelope *envelope = d2i_X509_SIG(NULL, &at, (long)der.size);
    REQUIRE(envelope != NULL && at == der.data + der.size, INVALID, "key.pem.form");
    REQUIRE(passphrase->size > 0 && passphrase->size <= 1024, UNAUTHENTICATED, "key.passphrase");
    scoped_info *info = PKCS8_decrypt(envelope, (const char *)passphrase->data, (int)passphrase->size);
    REQUIRE(info != NULL, UNAUTHENTICATED, "key.passphrase");
    return key_from_info(info, out);
}

fallible key_to_pem(const struct key *key, struct buffer *out)
{
    LEAVE_NO_ERROR_QUEUE;
    scoped_info *info = NULL;
    TRY(info_of(key, &info));
    scoped_bio *bio = BIO_new(BIO_s_secmem());
    REQUIRE(bio != NULL && PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info) == 1, INTERNAL, "key.pem");
    return take_bio(bio, out);
}

fallible key_from_pem(struct bytes pem, struct key *out)
{
    LEAVE_NO_ERROR_QUEUE;
    scoped_secret der = {0};
    TRY(read_pem(pem, "PRIVATE KEY", &der));
    return key_from_pkcs8(&der, out);
}
