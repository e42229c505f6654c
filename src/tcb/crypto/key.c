#include "crypto/key.h"

#include "crypto/adapter.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum { COORDINATE_BYTES_MAX = 48, MODULUS_BYTES_MAX = KEY_RSA_BITS_MAX / 8, EXPONENT_SMALLEST = 65537 };

static void bignum_free(BIGNUM **number)
{
    BN_free(*number);
}
#define scoped_bignum defer(bignum_free) BIGNUM

static size_t coordinate_bytes(enum key_kind kind)
{
    return kind == KEY_EC_P384 ? 48 : 32;
}

void key_release(struct key *key)
{
    EVP_PKEY_free(key->pkey);
    *key = (struct key){0};
}

void key_move(struct key *from, struct key *to)
{
    ASSERT(to->pkey == NULL);
    *to = *from;
    *from = (struct key){0};
}

fallible key_share(const struct key *key, struct key *out)
{
    REQUIRE(key->pkey != NULL, INVALID, "key.empty");
    REQUIRE(EVP_PKEY_up_ref(key->pkey) == 1, INTERNAL, "key.share");
    *out = *key;
    return OK;
}

unsigned key_rsa_bits(const struct key *key)
{
    return key->kind == KEY_RSA ? (unsigned)EVP_PKEY_get_bits(key->pkey) : 0;
}

static fallible check_ec(EVP_PKEY *pkey, enum key_kind *out)
{
    char group[32] = "";
    int explicit_curve = 0;
    REQUIRE(EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1, UNSUPPORTED, "key.curve");
    enum key_kind kind = strcmp(group, "prime256v1") == 0  ? KEY_EC_P256
                         : strcmp(group, "secp384r1") == 0 ? KEY_EC_P384
                                                           : KEY_NONE;
    REQUIRE(kind != KEY_NONE, UNSUPPORTED, "key.curve");
    (void)EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_curve);
    REQUIRE(explicit_curve == 0, UNSUPPORTED, "key.curve");
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool on_curve = context != NULL && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    REQUIRE(on_curve, INVALID, "key.point");
    /* One key has one encoding, whatever form it came in. */
    REQUIRE(
        EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed") == 1,
        INTERNAL, "key.point_form");
    *out = kind;
    return OK;
}

static fallible check_rsa(EVP_PKEY *pkey, enum key_kind *out)
{
    int bits = EVP_PKEY_get_bits(pkey);
    REQUIRE(bits >= KEY_RSA_BITS_MIN && bits <= KEY_RSA_BITS_MAX, UNSUPPORTED, "key.rsa.size");
    scoped_bignum *n = NULL;
    scoped_bignum *e = NULL;
    REQUIRE(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
                EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1,
            INVALID, "key.rsa.form");
    REQUIRE(BN_is_odd(n), INVALID, "key.rsa.modulus");
    bool large_enough = BN_num_bits(e) > 17 || (BN_num_bits(e) == 17 && BN_get_word(e) >= EXPONENT_SMALLEST);
    REQUIRE(BN_is_odd(e) && large_enough && BN_num_bits(e) <= 64, INVALID, "key.rsa.exponent");
    *out = KEY_RSA;
    return OK;
}

static fallible check(EVP_PKEY *pkey, enum key_kind *out)
{
    if (EVP_PKEY_is_a(pkey, "EC")) {
        return check_ec(pkey, out);
    }
    REQUIRE(EVP_PKEY_is_a(pkey, "RSA"), UNSUPPORTED, "key.kind");
    return check_rsa(pkey, out);
}

fallible key_adopt(EVP_PKEY *pkey, bool is_private, struct key *out)
{
    LEAVE_NO_ERROR_QUEUE;
    scoped_key key = {.pkey = pkey, .is_private = is_private};
    REQUIRE(pkey != NULL, INVALID, "key.form");
    TRY(check(pkey, &key.kind));
    *out = (struct key){0};
    key_move(&key, out);
    return OK;
}

fallible key_generate(enum key_kind kind, unsigned rsa_bits, struct key *out)
{
    LEAVE_NO_ERROR_QUEUE;
    EVP_PKEY *made;
    if (kind == KEY_RSA) {
        REQUIRE(rsa_bits == 2048 || rsa_bits == 3072 || rsa_bits == 4096, INVALID, "key.rsa.size");
        made = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits);
    } else {
        REQUIRE(kind == KEY_EC_P256 || kind == KEY_EC_P384, INVALID, "key.kind");
        REQUIRE(rsa_bits == 0, INVALID, "key.rsa.size");
        made = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind == KEY_EC_P256 ? "P-256" : "P-384");
    }
    REQUIRE(made != NULL, INTERNAL, "key.generate");
    return key_adopt(made, true, out);
}

/* --- JWK --------------------------------------------------------------------------------------- */

/* A number of the key as base64url in `size` octets, or in as few as it needs where `size` is 0. */
static fallible set_number(json_t *jwk, const char *name, const EVP_PKEY *pkey, const char *parameter,
                           size_t size)
{
    scoped_bignum *number = NULL;
    REQUIRE(EVP_PKEY_get_bn_param(pkey, parameter, &number) == 1, INTERNAL, "key.jwk.number");
    uint8_t octets[MODULUS_BYTES_MAX];
    size_t need = size > 0 ? size : (size_t)BN_num_bytes(number);
    REQUIRE(need <= sizeof octets && BN_bn2binpad(number, octets, (int)need) == (int)need, INTERNAL,
            "key.jwk.number");
    return json_set_base64url(jwk, name, (struct bytes){octets, need});
}

fallible key_to_jwk(const struct key *key, json_t **out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(key->pkey != NULL, INVALID, "key.empty");
    scoped_json *jwk = json_object();
    if (key->kind == KEY_RSA) {
        TRY(json_set_text(jwk, "kty", TEXT("RSA")));
        TRY(set_number(jwk, "n", key->pkey, OSSL_PKEY_PARAM_RSA_N, 0));
        TRY(set_number(jwk, "e", key->pkey, OSSL_PKEY_PARAM_RSA_E, 0));
    } else {
        size_t size = coordinate_bytes(key->kind);
        TRY(json_set_text(jwk, "kty", TEXT("EC")));
        TRY(json_set_text(jwk, "crv", key->kind == KEY_EC_P256 ? TEXT("P-256") : TEXT("P-384")));
        TRY(set_number(jwk, "x", key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, size));
        TRY(set_number(jwk, "y", key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, size));
    }
    *out = json_incref(jwk);
    return OK;
}

/* A public key of the named type from its parameters. */
static fallible key_from_parameters(const char *type, OSSL_PARAM parameters[], struct key *out)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    bool done = context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
                EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) == 1;
    EVP_PKEY_CTX_free(context);
    if (!done) {
        EVP_PKEY_free(pkey);
        return FAIL(INVALID, "key.point");
    }
    return key_adopt(pkey, false, out);
}

static fallible ec_from_jwk(struct arena *arena, const json_t *jwk, struct key *out)
{
    struct text curve;
    TRY(json_get_text(jwk, "crv", &curve));
    bool p256 = text_is(curve, "P-256");
    REQUIRE(p256 || text_is(curve, "P-384"), UNSUPPORTED, "key.curve");
    size_t size = coordinate_bytes(p256 ? KEY_EC_P256 : KEY_EC_P384);
    struct bytes x;
    struct bytes y;
    TRY(json_get_base64url(arena, jwk, "x", &x));
    TRY(json_get_base64url(arena, jwk, "y", &y));
    REQUIRE(x.size == size && y.size == size, INVALID, "key.jwk.coordinate_size");
    uint8_t point[1 + 2 * COORDINATE_BYTES_MAX] = {4};
    memcpy(point + 1, x.data, size);
    memcpy(point + 1 + size, y.data, size);
    char group[] = "P-256";
    memcpy(group, curve.data, curve.size);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size),
        OSSL_PARAM_construct_end()};
    return key_from_parameters("EC", parameters, out);
}

/* A number of a JWK as OpenSSL takes it: in the machine's own order of octets. */
static fallible rsa_number(struct arena *arena, const json_t *jwk, const char *name, const char *parameter,
                           OSSL_PARAM *out)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lowest octet comes first");
    struct bytes octets;
    TRY(json_get_base64url(arena, jwk, name, &octets));
    REQUIRE(octets.size > 0 && octets.data[0] != 0, INVALID, "key.jwk.leading_zero");
    REQUIRE(octets.size <= MODULUS_BYTES_MAX, UNSUPPORTED, "key.rsa.size");
    uint8_t *native;
    TRY(ARENA_ARRAY(arena, uint8_t, octets.size, &native));
    for (size_t i = 0; i < octets.size; i++) {
        native[octets.size - 1 - i] = octets.data[i];
    }
    *out = OSSL_PARAM_construct_BN(parameter, native, octets.size);
    return OK;
}

static fallible rsa_from_jwk(struct arena *arena, const json_t *jwk, struct key *out)
{
    OSSL_PARAM parameters[3] = {[2] = OSSL_PARAM_construct_end()};
    TRY(rsa_number(arena, jwk, "n", OSSL_PKEY_PARAM_RSA_N, &parameters[0]));
    TRY(rsa_number(arena, jwk, "e", OSSL_PKEY_PARAM_RSA_E, &parameters[1]));
    return key_from_parameters("RSA", parameters, out);
}

fallible key_from_jwk(const json_t *untrusted_jwk, struct key *out)
{
    LEAVE_NO_ERROR_QUEUE;
    static const char *const secrets[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        REQUIRE_AT(!json_has(untrusted_jwk, secrets[i]), INVALID, "key.jwk.private_member", secrets[i]);
    }
    struct text type;
    TRY(json_get_text(untrusted_jwk, "kty", &type));
    scoped_arena arena;
    arena_init(&arena, 16 * 1024);
    if (text_is(type, "EC")) {
        return ec_from_jwk(&arena, untrusted_jwk, out);
    }
    REQUIRE(text_is(type, "RSA"), UNSUPPORTED, "key.kind");
    return rsa_from_jwk(&arena, untrusted_jwk, out);
}

/* --- SubjectPublicKeyInfo, pin, thumbprint ------------------------------------------------------- */

fallible key_to_spki(const struct key *key, struct buffer *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(key->pkey != NULL, INVALID, "key.empty");
    uint8_t *der = NULL;
    int size = i2d_PUBKEY(key->pkey, &der);
    REQUIRE(size > 0, INTERNAL, "key.spki");
    struct result result = buffer_add(out, (struct bytes){der, (size_t)size});
    OPENSSL_free(der);
    return result;
}

fallible key_from_spki(struct bytes untrusted_der, struct key *out)
{
    LEAVE_NO_ERROR_QUEUE;
    enum { SPKI_SIZE_MAX = 4096 };
    REQUIRE(untrusted_der.size > 0 && untrusted_der.size <= SPKI_SIZE_MAX, INVALID, "key.spki.form");
    const uint8_t *at = untrusted_der.data;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)untrusted_der.size);
    REQUIRE(pkey != NULL, INVALID, "key.spki.form");
    scoped_key key = {0};
    TRY(key_adopt(pkey, false, &key));
    scoped_buffer again;
    buffer_init(&again, SPKI_SIZE_MAX);
    TRY(key_to_spki(&key, &again));
    REQUIRE(bytes_equal(buffer_view(&again), untrusted_der), INVALID, "key.spki.form");
    *out = (struct key){0};
    key_move(&key, out);
    return OK;
}

fallible key_pin(const struct key *key, struct digest *out)
{
    scoped_buffer spki;
    buffer_init(&spki, 4096);
    TRY(key_to_spki(key, &spki));
    *out = digest_of(buffer_view(&spki));
    return OK;
}

fallible key_thumbprint(const struct key *key, struct digest *out)
{
    scoped_json *jwk = NULL;
    TRY(key_to_jwk(key, &jwk));
    scoped_buffer text;
    buffer_init(&text, 4096);
    TRY(json_encode(jwk, &text)); /* sorted and without white space: the form of RFC 7638 §3 */
    *out = digest_of(buffer_view(&text));
    return OK;
}
