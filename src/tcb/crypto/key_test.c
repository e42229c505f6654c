#include "crypto/key.h"
#include "crypto/test_support.h"

enum { ARENA_BYTES = 1024 * 1024 };

/* Generating RSA keys is slow, so the tests share one of each size. */
struct keys {
    struct key p256;
    struct key p384;
    struct key rsa;
    struct key other;
};

static int make_keys(void **state)
{
    struct keys *keys = calloc(1, sizeof *keys);
    assert_non_null(keys);
    assert_ok(key_generate(KEY_EC_P256, 0, &keys->p256));
    assert_ok(key_generate(KEY_EC_P384, 0, &keys->p384));
    assert_ok(key_generate(KEY_RSA, 2048, &keys->rsa));
    assert_ok(key_generate(KEY_EC_P256, 0, &keys->other));
    *state = keys;
    return 0;
}

static int drop_keys(void **state)
{
    struct keys *keys = *state;
    key_release(&keys->p256);
    key_release(&keys->p384);
    key_release(&keys->rsa);
    key_release(&keys->other);
    free(keys);
    return 0;
}

static void public_half(const struct key *key, struct key *out)
{
    scoped_json *jwk = NULL;
    assert_ok(key_to_jwk(key, &jwk));
    assert_ok(key_from_jwk(jwk, out));
}

static bool count_down(void *self)
{
    int *left = self;
    return (*left)-- > 0;
}

static void generation_ends_when_it_is_told_to(void **state)
{
    (void)state;
    scoped_key key = {0};
    for (int asked = 0; asked < 3; asked++) {
        int left = asked;
        assert_why(key_generate_while(2048, count_down, &left, &key), UNAVAILABLE,
                   "key.generate.interrupted");
        assert_true(left < 0);
        assert_null(key.pkey);
    }
    int left = 1 << 30;
    assert_ok(key_generate_while(2048, count_down, &left, &key));
    assert_int_equal(key.kind, KEY_RSA);
    assert_true(key.is_private && left < 1 << 30);
}

static void generation_knows_our_kinds_only(void **state)
{
    (void)state;
    scoped_key key = {0};
    assert_why(key_generate(KEY_RSA, 1024, &key), INVALID, "key.rsa.size");
    assert_why(key_generate(KEY_RSA, 0, &key), INVALID, "key.rsa.size");
    assert_why(key_generate(KEY_EC_P256, 2048, &key), INVALID, "key.rsa.size");
    assert_why(key_generate(KEY_NONE, 0, &key), INVALID, "key.kind");
    assert_null(key.pkey);
}

static void empty_keys_do_nothing(void **state)
{
    (void)state;
    scoped_key empty = {0};
    scoped_key out = {0};
    scoped_json *jwk = NULL;
    scoped_buffer buffer;
    buffer_init(&buffer, 4096);
    struct digest digest;
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    scoped_secret secret = {0};
    assert_why(key_share(&empty, &out), INVALID, "key.empty");
    assert_why(key_to_jwk(&empty, &jwk), INVALID, "key.empty");
    assert_why(key_to_spki(&empty, &buffer), INVALID, "key.empty");
    assert_why(key_pin(&empty, &digest), INVALID, "key.empty");
    assert_why(key_thumbprint(&empty, &digest), INVALID, "key.empty");
    assert_why(key_to_pkcs8(&empty, &secret), INVALID, "key.not_private");
    assert_why(key_sign(&empty, KEY_ES256, (struct bytes){0}, signature, &size), INVALID, "key.algorithm");
    assert_why(key_verify(&empty, KEY_ES256, (struct bytes){0}, (struct bytes){0}), INVALID, "key.algorithm");
    assert_why(key_oaep_decrypt(&empty, KEY_OAEP_SHA1, (struct bytes){0}, &secret), INVALID, "key.kind");
    assert_why(key_rsa_aes_unwrap(&empty, KEY_OAEP_SHA1, (struct bytes){0}, &secret), INVALID, "key.kind");
    assert_why(key_agree(&empty, &empty, &secret), INVALID, "key.kind");
    assert_int_equal(key_rsa_bits(&empty), 0);
}

#define RFC7638_N                                                                                            \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZ"  \
    "CiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8K"   \
    "JZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_x"   \
    "BniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

/* RFC 7638 §3.1. */
static void thumbprint_of_rfc7638(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_key key = {0};
    assert_ok(key_of_jwk_text("{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\",\"alg\":\"RS256\","
                              "\"kid\":\"2011-04-29\"}",
                              &key));
    struct digest digest;
    assert_ok(key_thumbprint(&key, &digest));
    struct bytes want = from_base64url(&arena, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_true(bytes_equal(digest_view(&digest), want));
    assert_int_equal(key_rsa_bits(&key), 2048);
    assert_false(key.is_private);
}

#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

static void jwk_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum result_code code;
        const char *why;
    } refused[] = {
        {"[]", RESULT_INVALID, "json.member.missing"},
        {"{\"kty\":\"oct\"}", RESULT_UNSUPPORTED, "key.kind"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}", RESULT_UNSUPPORTED, "key.kind"},
        {"{\"kty\":\"oct\",\"k\":\"AA\"}", RESULT_INVALID, "key.jwk.private_member"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\",\"d\":\"AA\"}", RESULT_INVALID,
         "key.jwk.private_member"},
        {"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"" X "\",\"y\":\"" Y "\"}", RESULT_UNSUPPORTED,
         "key.curve"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\"}", RESULT_INVALID, "json.member.missing"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":7}", RESULT_INVALID,
         "json.member.not_text"},
        {"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\"}", RESULT_INVALID,
         "key.jwk.coordinate_size"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"AA\"}", RESULT_INVALID,
         "key.jwk.coordinate_size"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\"}", RESULT_INVALID, "key.point"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "=\",\"y\":\"" Y "\"}", RESULT_INVALID,
         "base64.character"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV\",\"y\":\"" Y
         "\"}",
         RESULT_INVALID, "base64.spare_bits"},
        {"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\"}", RESULT_INVALID, "json.member.missing"},
        {"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"Aw\"}", RESULT_INVALID, "key.rsa.exponent"},
        {"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAC\"}", RESULT_INVALID, "key.rsa.exponent"},
        {"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAAAAAAAAAB\"}", RESULT_INVALID,
         "key.rsa.exponent"},
        {"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AAEAAQ\"}", RESULT_INVALID,
         "key.jwk.leading_zero"},
        {"{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"\"}", RESULT_INVALID, "key.jwk.leading_zero"},
        {"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", RESULT_UNSUPPORTED, "key.rsa.size"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        scoped_key key = {0};
        assert_why_at(key_of_jwk_text(refused[i].text, &key), refused[i].code, refused[i].why,
                      refused[i].text, __LINE__);
        assert_null(key.pkey);
    }
}

static void rsa_numbers_are_checked(void **state)
{
    (void)state;
    scoped_json *jwk = NULL;
    assert_ok(json_decode(bytes_of_text(TEXT("{\"kty\":\"RSA\",\"e\":\"AQAB\"}")), &jwk));
    static uint8_t n[513] = {0x80};
    scoped_key key = {0};
    assert_ok(json_set_base64url(jwk, "n", (struct bytes){n, 256}));
    assert_why(key_from_jwk(jwk, &key), INVALID, "key.rsa.modulus");
    n[255] = 1;
    assert_ok(json_set_base64url(jwk, "n", (struct bytes){n, 255}));
    assert_why(key_from_jwk(jwk, &key), UNSUPPORTED, "key.rsa.size");
    n[512] = 1;
    assert_ok(json_set_base64url(jwk, "n", BYTES_OF(n)));
    assert_why(key_from_jwk(jwk, &key), UNSUPPORTED, "key.rsa.size");
    assert_ok(json_set_base64url(jwk, "n", (struct bytes){n, 256}));
    assert_ok(key_from_jwk(jwk, &key));
}

static void public_keys_round_trip(void **state)
{
    struct keys *keys = *state;
    struct key *rows[] = {&keys->p256, &keys->p384, &keys->rsa};
    for (size_t i = 0; i < 3; i++) {
        scoped_key by_jwk = {0};
        public_half(rows[i], &by_jwk);
        assert_false(by_jwk.is_private);
        assert_int_equal(by_jwk.kind, rows[i]->kind);
        scoped_buffer spki;
        buffer_init(&spki, 4096);
        assert_ok(key_to_spki(&by_jwk, &spki));
        scoped_key by_spki = {0};
        assert_ok(key_from_spki(buffer_view(&spki), &by_spki));
        struct digest pin;
        struct digest same;
        assert_ok(key_pin(rows[i], &pin));
        assert_ok(key_pin(&by_spki, &same));
        assert_true(digest_equal(&pin, &same));
        assert_ok(key_thumbprint(rows[i], &pin));
        assert_ok(key_thumbprint(&by_spki, &same));
        assert_true(digest_equal(&pin, &same));
        scoped_secret secret = {0};
        assert_why(key_to_pkcs8(&by_jwk, &secret), INVALID, "key.not_private");
        assert_ok(buffer_add_byte(&spki, 0));
        scoped_key refused = {0};
        assert_why(key_from_spki(buffer_view(&spki), &refused), INVALID, "key.spki.form");
        assert_why(key_from_spki(bytes_slice(buffer_view(&spki), 0, spki.size - 2), &refused), INVALID,
                   "key.spki.form");
    }
}

/* A compressed point, P-521, Ed25519 and RSA-PSS as SubjectPublicKeyInfo. */
static void spki_has_one_form(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    static const struct {
        const char *hex;
        enum result_code code;
        const char *why;
    } refused[] = {
        {"", RESULT_INVALID, "key.spki.form"},
        {"3039301306072a8648ce3d020106082a8648ce3d030107032200037fcdce2770f6c45d4183cbee6fdb4b7b580733357be9e"
         "f13ba"
         "cf6e3c7bd15445",
         RESULT_INVALID, "key.spki.form"},
        {"302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
         RESULT_UNSUPPORTED, "key.kind"},
        {"3056301006072a8648ce3d020106052b8104000a0342000479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f"
         "2815b"
         "16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
         RESULT_UNSUPPORTED, "key.curve"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        scoped_key key = {0};
        assert_why_at(key_from_spki(from_hex(&arena, refused[i].hex), &key), refused[i].code, refused[i].why,
                      refused[i].hex, __LINE__);
    }
}

static void private_keys_round_trip(void **state)
{
    struct keys *keys = *state;
    struct key *rows[] = {&keys->p256, &keys->p384, &keys->rsa};
    for (size_t i = 0; i < 3; i++) {
        struct digest pin;
        struct digest same;
        assert_ok(key_pin(rows[i], &pin));
        scoped_secret pkcs8 = {0};
        assert_ok(key_to_pkcs8(rows[i], &pkcs8));
        scoped_key again = {0};
        assert_ok(key_from_pkcs8(&pkcs8, &again));
        assert_true(again.is_private);
        assert_ok(key_pin(&again, &same));
        assert_true(digest_equal(&pin, &same));
        scoped_buffer pem;
        buffer_init(&pem, 16384);
        assert_ok(key_to_pem(rows[i], &pem));
        assert_true(text_starts_with(buffer_text(&pem), TEXT("-----BEGIN PRIVATE KEY-----\n")));
        scoped_key from_pem = {0};
        assert_ok(key_from_pem(buffer_view(&pem), &from_pem));
        assert_ok(key_pin(&from_pem, &same));
        assert_true(digest_equal(&pin, &same));
        scoped_secret cut = {0};
        assert_ok(secret_from(bytes_slice(secret_view(&pkcs8), 0, pkcs8.size - 1), &cut));
        scoped_key refused = {0};
        assert_why(key_from_pkcs8(&cut, &refused), INVALID, "key.pkcs8.form");
        scoped_secret longer = {0};
        assert_ok(secret_new(pkcs8.size + 1, &longer));
        memcpy(longer.data, pkcs8.data, pkcs8.size);
        assert_why(key_from_pkcs8(&longer, &refused), INVALID, "key.pkcs8.form");
    }
    scoped_secret empty = {0};
    scoped_key refused = {0};
    assert_why(key_from_pkcs8(&empty, &refused), INVALID, "key.pkcs8.form");
}

/* The public half stored beside a private key belongs to another one. */
static void halves_that_do_not_fit_are_refused(void **state)
{
    struct keys *keys = *state;
    scoped_secret one = {0};
    scoped_secret other = {0};
    assert_ok(key_to_pkcs8(&keys->p256, &one));
    assert_ok(key_to_pkcs8(&keys->other, &other));
    assert_int_equal(one.size, other.size);
    memcpy(one.data + one.size - 64, other.data + one.size - 64, 64);
    scoped_key key = {0};
    assert_why(key_from_pkcs8(&one, &key), INVALID, "key.pkcs8.pair");
}

static void a_file_needs_its_passphrase(void **state)
{
    struct keys *keys = *state;
    scoped_secret right = {0};
    scoped_secret wrong = {0};
    scoped_secret empty = {0};
    assert_ok(secret_from(bytes_of_text(TEXT("correct horse")), &right));
    assert_ok(secret_from(bytes_of_text(TEXT("correct horsf")), &wrong));
    scoped_buffer pem;
    buffer_init(&pem, 16384);
    assert_why(key_to_encrypted_pem(&keys->p256, &empty, &pem), INVALID, "key.passphrase.size");
    assert_ok(key_to_encrypted_pem(&keys->p256, &right, &pem));
    assert_true(text_starts_with(buffer_text(&pem), TEXT("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")));
    scoped_key key = {0};
    assert_why(key_from_encrypted_pem(buffer_view(&pem), &wrong, &key), UNAUTHENTICATED, "key.passphrase");
    assert_why(key_from_encrypted_pem(buffer_view(&pem), &empty, &key), UNAUTHENTICATED, "key.passphrase");
    assert_why(key_from_pem(buffer_view(&pem), &key), INVALID, "key.pem.label");
    assert_ok(key_from_encrypted_pem(buffer_view(&pem), &right, &key));
    struct digest pin;
    struct digest same;
    assert_ok(key_pin(&keys->p256, &pin));
    assert_ok(key_pin(&key, &same));
    assert_true(digest_equal(&pin, &same));
    scoped_key refused = {0};
    struct bytes nonsense = bytes_of_text(TEXT("not a key"));
    assert_why(key_from_encrypted_pem(nonsense, &right, &refused), INVALID, "key.pem.form");
    assert_why(key_from_pem(nonsense, &refused), INVALID, "key.pem.form");
    assert_why(key_from_pem((struct bytes){0}, &refused), INVALID, "key.pem.form");
    scoped_key public_key = {0};
    public_half(&keys->p256, &public_key);
    assert_why(key_to_encrypted_pem(&public_key, &right, &pem), INVALID, "key.not_private");
    assert_why(key_to_pem(&public_key, &pem), INVALID, "key.not_private");
}

static void signatures_hold_and_break(void **state)
{
    struct keys *keys = *state;
    const struct {
        const struct key *key;
        enum key_algorithm algorithm;
        size_t want_size;
    } rows[] = {
        {&keys->p256, KEY_ES256, 64},
        {&keys->p384, KEY_ES384, 96},
        {&keys->rsa, KEY_RS256, 256},
        {&keys->rsa, KEY_PS256, 256},
    };
    struct bytes message = bytes_of_text(TEXT("message"));
    for (size_t i = 0; i < 4; i++) {
        uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
        size_t size = 0;
        assert_ok(key_sign(rows[i].key, rows[i].algorithm, message, signature, &size));
        assert_int_equal(size, rows[i].want_size);
        scoped_key public_key = {0};
        public_half(rows[i].key, &public_key);
        struct bytes view = {signature, size};
        assert_ok(key_verify(&public_key, rows[i].algorithm, message, view));
        assert_why(key_verify(&public_key, rows[i].algorithm, bytes_of_text(TEXT("massage")), view),
                   UNTRUSTED, "key.signature");
        assert_why(key_verify(&public_key, rows[i].algorithm, message, bytes_slice(view, 0, size - 1)),
                   UNTRUSTED, "key.signature");
        assert_why(key_verify(&public_key, rows[i].algorithm, message, (struct bytes){0}), UNTRUSTED,
                   "key.signature");
        for (size_t at = 0; at < size; at += 7) {
            signature[at] ^= 0x10;
            struct result result = key_verify(&public_key, rows[i].algorithm, message, view);
            assert_int_equal(result.code, RESULT_UNTRUSTED);
            signature[at] ^= 0x10;
        }
        uint8_t zeros[KEY_SIGNATURE_BYTES_MAX] = {0};
        assert_why(key_verify(&public_key, rows[i].algorithm, message, (struct bytes){zeros, size}),
                   UNTRUSTED, "key.signature");
        assert_why(key_sign(&public_key, rows[i].algorithm, message, zeros, &size), INVALID,
                   "key.not_private");
        for (size_t other = 0; other < 4; other++) {
            bool fits = rows[other].key->kind == rows[i].key->kind;
            assert_int_equal(key_fits(rows[i].key, rows[other].algorithm), fits);
            if (!fits) {
                assert_why(key_sign(rows[i].key, rows[other].algorithm, message, zeros, &size), INVALID,
                           "key.algorithm");
                assert_why(key_verify(&public_key, rows[other].algorithm, message, view), INVALID,
                           "key.algorithm");
            }
        }
        assert_why(key_sign(rows[i].key, (enum key_algorithm)9, message, zeros, &size), INVALID,
                   "key.algorithm");
        assert_why(key_sign_digest(rows[i].key, rows[i].algorithm, message, zeros, &size), INVALID,
                   "key.digest_size");
        assert_why(key_verify_digest(&public_key, rows[i].algorithm, message, view), INVALID,
                   "key.digest_size");
    }
    scoped_key other = {0};
    public_half(&keys->other, &other);
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    assert_ok(key_sign(&keys->p256, KEY_ES256, message, signature, &size));
    assert_why(key_verify(&other, KEY_ES256, message, (struct bytes){signature, size}), UNTRUSTED,
               "key.signature");
    struct digest digest = digest_of(message);
    assert_ok(
        key_verify_digest(&keys->p256, KEY_ES256, digest_view(&digest), (struct bytes){signature, size}));
}

static void our_signatures_are_low(void **state)
{
    struct keys *keys = *state;
    for (uint8_t i = 0; i < 32; i++) {
        uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
        size_t size = 0;
        assert_ok(key_sign(&keys->p256, KEY_ES256, (struct bytes){&i, 1}, signature, &size));
        assert_true(signature[32] < 0x80);
        assert_ok(key_verify(&keys->p256, KEY_ES256, (struct bytes){&i, 1}, (struct bytes){signature, size}));
    }
}

/* RFC 7515 appendix A.3. Its signature has a high s; order - s is the other one for the same message. */
static void the_high_s_of_rfc7515_is_refused(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_key key = {0};
    assert_ok(key_of_jwk_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}", &key));
    struct bytes message = bytes_of_text(
        TEXT("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
             "bS9pc19yb290Ijp0cnVlfQ"));
    struct bytes high = from_base64url(
        &arena, "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    assert_why(key_verify(&key, KEY_ES256, message, high), UNTRUSTED, "key.signature.high_s");
    struct bytes order = from_hex(&arena, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    uint8_t low[64];
    memcpy(low, high.data, 32);
    int borrow = 0;
    for (int i = 31; i >= 0; i--) {
        int value = order.data[i] - high.data[32 + i] - borrow;
        borrow = value < 0;
        low[32 + i] = (uint8_t)(value & 0xff);
    }
    assert_ok(key_verify(&key, KEY_ES256, message, BYTES_OF(low)));
}

/* RFC 7515 appendix A.2. */
static void rs256_of_rfc7515(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_key key = {0};
    assert_ok(key_of_jwk_text(
        "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
        "wWJcyQoTbji9k0l8W26mPddxHmf"
        "HQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0L"
        "OL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6"
        "_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}",
        &key));
    struct bytes message = bytes_of_text(
        TEXT("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
             "bS9pc19yb290Ijp0cnVlfQ"));
    struct bytes signature = from_base64url(
        &arena,
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
        "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1"
        "L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYE"
        "UipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw");
    assert_ok(key_verify(&key, KEY_RS256, message, signature));
    assert_why(key_verify(&key, KEY_PS256, message, signature), UNTRUSTED, "key.signature");
}

static void sharing_outlives_the_first_owner(void **state)
{
    (void)state;
    scoped_key second = {0};
    struct key first = {0};
    assert_ok(key_generate(KEY_EC_P256, 0, &first));
    assert_ok(key_share(&first, &second));
    key_release(&first);
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    assert_ok(key_sign(&second, KEY_ES256, (struct bytes){0}, signature, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generation_knows_our_kinds_only),
        cmocka_unit_test(generation_ends_when_it_is_told_to),
        cmocka_unit_test(empty_keys_do_nothing),
        cmocka_unit_test(thumbprint_of_rfc7638),
        cmocka_unit_test(jwk_is_strict),
        cmocka_unit_test(rsa_numbers_are_checked),
        cmocka_unit_test(public_keys_round_trip),
        cmocka_unit_test(spki_has_one_form),
        cmocka_unit_test(private_keys_round_trip),
        cmocka_unit_test(halves_that_do_not_fit_are_refused),
        cmocka_unit_test(a_file_needs_its_passphrase),
        cmocka_unit_test(signatures_hold_and_break),
        cmocka_unit_test(our_signatures_are_low),
        cmocka_unit_test(the_high_s_of_rfc7515_is_refused),
        cmocka_unit_test(rs256_of_rfc7515),
        cmocka_unit_test(sharing_outlives_the_first_owner),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
