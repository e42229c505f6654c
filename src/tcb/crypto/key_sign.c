#include "crypto/adapter.h"
#include "crypto/key.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

enum { PART_BYTES_MAX = 48, DER_BYTES_MAX = 128 };

/* SEC 2 §2.4.2: the order of P-256, and half of it rounded down. */
static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
static const uint8_t half_order[32] = {0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b,
                                       0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8};

struct algorithm_row {
    enum key_kind kind;
    bool pss;
    size_t digest_bytes;
    size_t part_bytes; /* of r and of s; 0 for RSA */
};

static const struct algorithm_row rows[] = {
    [KEY_ES256] = {KEY_EC_P256, false, 32, 32},
    [KEY_ES384] = {KEY_EC_P384, false, 48, 48},
    [KEY_RS256] = {KEY_RSA, false, 32, 0},
    [KEY_PS256] = {KEY_RSA, true, 32, 0},
};

static const struct algorithm_row *row_of(enum key_algorithm algorithm)
{
    bool known =
        algorithm == KEY_ES256 || algorithm == KEY_ES384 || algorithm == KEY_RS256 || algorithm == KEY_PS256;
    return known ? &rows[algorithm] : NULL;
}

bool key_fits(const struct key *key, enum key_algorithm algorithm)
{
    const struct algorithm_row *row = row_of(algorithm);
    return row != NULL && key->pkey != NULL && key->kind == row->kind;
}

static const EVP_MD *hash_of(const struct algorithm_row *row)
{
    return row->digest_bytes == DIGEST384_BYTES ? EVP_sha384() : EVP_sha256();
}

static void context_free(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}
#define scoped_context defer(context_free) EVP_PKEY_CTX

static void pair_free(ECDSA_SIG **pair)
{
    ECDSA_SIG_free(*pair);
}
#define scoped_pair defer(pair_free) ECDSA_SIG

static fallible prepare(const struct key *key, const struct algorithm_row *row, bool signing,
                        EVP_PKEY_CTX **out)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    REQUIRE(context != NULL, NO_MEMORY, "key.memory");
    *out = context; /* the caller frees it in any case */
    int started = signing ? EVP_PKEY_sign_init(context) : EVP_PKEY_verify_init(context);
    REQUIRE(started == 1 && EVP_PKEY_CTX_set_signature_md(context, hash_of(row)) == 1, INTERNAL,
            "key.prepare");
    if (row->kind != KEY_RSA) {
        return OK;
    }
    int padding = row->pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
    REQUIRE(EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1, INTERNAL, "key.prepare");
    if (row->pss) {
        REQUIRE(EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1,
                INTERNAL, "key.prepare");
    }
    return OK;
}

/* s and n - s are both good for the same message; the lower one is ours. */
static void lower(uint8_t s[static 32])
{
    if (memcmp(s, half_order, sizeof half_order) <= 0) {
        return;
    }
    int borrow = 0;
    for (size_t i = sizeof order; i-- > 0;) {
        int difference = order[i] - s[i] - borrow;
        borrow = difference < 0;
        s[i] = (uint8_t)difference;
    }
}

static fallible raw_of_der(const struct algorithm_row *row, struct bytes der, uint8_t *out)
{
    const uint8_t *at = der.data;
    scoped_pair *pair = d2i_ECDSA_SIG(NULL, &at, (long)der.size);
    REQUIRE(pair != NULL, INTERNAL, "key.sign");
    int size = (int)row->part_bytes;
    REQUIRE(BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, size) == size &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + size, size) == size,
            INTERNAL, "key.sign");
    if (row->kind == KEY_EC_P256) {
        lower(out + size);
    }
    return OK;
}

static fallible der_of_raw(const struct algorithm_row *row, struct bytes raw,
                           uint8_t der[static DER_BYTES_MAX], size_t *out_size)
{
    BIGNUM *r = BN_bin2bn(raw.data, (int)row->part_bytes, NULL);
    BIGNUM *s = BN_bin2bn(raw.data + row->part_bytes, (int)row->part_bytes, NULL);
    scoped_pair *pair = ECDSA_SIG_new();
    if (r == NULL || s == NULL || pair == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return FAIL(NO_MEMORY, "key.memory");
    }
    uint8_t *at = der;
    int size = i2d_ECDSA_SIG(pair, NULL);
    REQUIRE(size > 0 && size <= DER_BYTES_MAX && i2d_ECDSA_SIG(pair, &at) == size, INTERNAL, "key.verify");
    *out_size = (size_t)size;
    return OK;
}

fallible key_sign_digest(const struct key *key, enum key_algorithm algorithm, struct bytes digest,
                         uint8_t out[static KEY_SIGNATURE_BYTES_MAX], size_t *out_size)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(key_fits(key, algorithm), INVALID, "key.algorithm");
    REQUIRE(key->is_private, INVALID, "key.not_private");
    const struct algorithm_row *row = row_of(algorithm);
    REQUIRE(digest.size == row->digest_bytes, INVALID, "key.digest_size");
    scoped_context *context = NULL;
    TRY(prepare(key, row, true, &context));
    uint8_t made[KEY_SIGNATURE_BYTES_MAX];
    size_t size = sizeof made;
    REQUIRE(EVP_PKEY_sign(context, made, &size, digest.data, digest.size) == 1, INTERNAL, "key.sign");
    if (row->kind != KEY_RSA) {
        uint8_t raw[2 * PART_BYTES_MAX];
        TRY(raw_of_der(row, (struct bytes){made, size}, raw));
        size = 2 * row->part_bytes;
        memcpy(made, raw, size);
    }
    memcpy(out, made, size);
    *out_size = size;
    return OK;
}

fallible key_verify_digest(const struct key *key, enum key_algorithm algorithm, struct bytes digest,
                           struct bytes untrusted_signature)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(key_fits(key, algorithm), INVALID, "key.algorithm");
    const struct algorithm_row *row = row_of(algorithm);
    REQUIRE(digest.size == row->digest_bytes, INVALID, "key.digest_size");
    size_t want = row->kind == KEY_RSA ? (size_t)EVP_PKEY_get_size(key->pkey) : 2 * row->part_bytes;
    REQUIRE(untrusted_signature.size == want, UNTRUSTED, "key.signature");
    struct bytes signature = untrusted_signature;
    uint8_t der[DER_BYTES_MAX];
    if (row->kind == KEY_EC_P256) {
        bool low = memcmp(signature.data + 32, half_order, sizeof half_order) <= 0;
        REQUIRE(low, UNTRUSTED, "key.signature.high_s");
    }
    if (row->kind != KEY_RSA) {
        size_t size = 0;
        TRY(der_of_raw(row, signature, der, &size));
        signature = (struct bytes){der, size};
    }
    scoped_context *context = NULL;
    TRY(prepare(key, row, false, &context));
    int verified = EVP_PKEY_verify(context, signature.data, signature.size, digest.data, digest.size);
    REQUIRE(verified == 1, UNTRUSTED, "key.signature");
    return OK;
}

static struct bytes hash(enum key_algorithm algorithm, struct bytes message, struct digest *small,
                         struct digest384 *large)
{
    if (algorithm == KEY_ES384) {
        *large = digest384_of(message);
        return BYTES_OF(large->octets);
    }
    *small = digest_of(message);
    return digest_view(small);
}

fallible key_sign(const struct key *key, enum key_algorithm algorithm, struct bytes message,
                  uint8_t out[static KEY_SIGNATURE_BYTES_MAX], size_t *out_size)
{
    struct digest small;
    struct digest384 large;
    return key_sign_digest(key, algorithm, hash(algorithm, message, &small, &large), out, out_size);
}

fallible key_verify(const struct key *key, enum key_algorithm algorithm, struct bytes message,
                    struct bytes untrusted_signature)
{
    struct digest small;
    struct digest384 large;
    return key_verify_digest(key, algorithm, hash(algorithm, message, &small, &large), untrusted_signature);
}
