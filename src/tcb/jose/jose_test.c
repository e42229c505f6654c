#include "crypto/test_support.h"
#include "jose/jws.h"
#include "jose/jwt.h"

enum { ARENA_BYTES = 4 * 1024 * 1024 };

#define TYP "truce-test+jws"
/* RFC 7518 appendix C: Alice's and Bob's. */
#define ALICE "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"
#define BOB "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"

struct fixture {
    struct arena arena;
    struct key alice;
    struct key bob;
    struct key rsa;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    arena_init(&fixture->arena, ARENA_BYTES);
    fixture->alice = key_of_scalar(&fixture->arena, ALICE);
    fixture->bob = key_of_scalar(&fixture->arena, BOB);
    assert_ok(key_generate(KEY_RSA, 2048, &fixture->rsa));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    key_release(&fixture->alice);
    key_release(&fixture->bob);
    key_release(&fixture->rsa);
    arena_release(&fixture->arena);
    free(fixture);
    return 0;
}

static json_t *json_of(const char *text)
{
    json_t *value = NULL;
    assert_ok(json_decode(bytes_of_text(text_of(text)), &value));
    return value;
}

static const char *base64url_of(struct arena *arena, const char *text)
{
    struct text encoded;
    const char *cstring;
    assert_ok(encode_base64url(arena, bytes_of_text(text_of(text)), &encoded));
    assert_ok(arena_cstring(arena, encoded, &cstring));
    return cstring;
}

/* --- JWS ------------------------------------------------------------------------------------------ */

static void sign_document(struct fixture *fixture, struct buffer *out)
{
    scoped_json *payload = json_of("{\"b\":1,\"a\":\"text\"}");
    scoped_json *header = json_of("{\"grant\":\"sha256:00\"}");
    assert_ok(jws_sign(payload, TYP, header, &fixture->alice, out));
}

static const char *const grant_member[] = {"grant", NULL};

static void two_parties_sign_one_payload(void **state)
{
    struct fixture *fixture = *state;
    scoped_buffer one;
    scoped_buffer two;
    buffer_init(&one, 65536);
    buffer_init(&two, 65536);
    sign_document(fixture, &one);
    scoped_jws first = {0};
    assert_ok(jws_parse(&fixture->arena, buffer_view(&one), TYP, grant_member, &first));
    assert_true(bytes_equal(first.payload, bytes_of_text(TEXT("{\"a\":\"text\",\"b\":1}"))));
    assert_ok(jws_verify(&first, 0, &fixture->alice));
    size_t index = 9;
    assert_why(jws_find(&first, &fixture->bob, &index), NOT_FOUND, "jws.no_signature_by_key");
    assert_why(jws_add_signature(&fixture->arena, &first, TYP, NULL, &fixture->alice, &two), CONFLICT,
               "jws.signed_already");
    assert_why(jws_add_signature(&fixture->arena, &first, "other+jws", NULL, &fixture->bob, &two), INVALID,
               "jws.typ");
    assert_ok(jws_add_signature(&fixture->arena, &first, TYP, NULL, &fixture->bob, &two));
    scoped_jws both = {0};
    assert_ok(jws_parse(&fixture->arena, buffer_view(&two), TYP, grant_member, &both));
    assert_int_equal(both.signature_count, 2);
    assert_true(digest_equal(&first.digest, &both.digest));
    assert_ok(jws_find(&both, &fixture->bob, &index));
    assert_int_equal(index, 1);
    assert_ok(jws_verify(&both, 0, &fixture->alice));
    assert_ok(jws_verify(&both, 1, &fixture->bob));
    assert_why(jws_verify(&both, 0, &fixture->bob), UNTRUSTED, "jws.signature");
    assert_why(jws_verify(&both, 2, &fixture->bob), INVALID, "jws.index");
    assert_true(json_has(both.signatures[0].header, "grant"));
    assert_false(json_has(both.signatures[1].header, "grant"));
}

static void changed_documents_do_not_verify(void **state)
{
    struct fixture *fixture = *state;
    scoped_buffer text;
    buffer_init(&text, 65536);
    sign_document(fixture, &text);
    scoped_jws jws = {0};
    assert_ok(jws_parse(&fixture->arena, buffer_view(&text), TYP, grant_member, &jws));
    struct jws changed = jws;
    changed.payload_text = text_of(base64url_of(&fixture->arena, "{\"a\":\"text\",\"b\":2}"));
    assert_why(jws_verify(&changed, 0, &fixture->alice), UNTRUSTED, "jws.signature");
    changed = jws;
    changed.signatures[0].protected_text = text_of("e30");
    assert_why(jws_verify(&changed, 0, &fixture->alice), UNTRUSTED, "jws.signature");
    changed = jws;
    uint8_t signature[64];
    memcpy(signature, jws.signatures[0].signature.data, 64);
    signature[5] ^= 1;
    changed.signatures[0].signature = BYTES_OF(signature);
    assert_why(jws_verify(&changed, 0, &fixture->alice), UNTRUSTED, "jws.signature");
    signature[5] ^= 1;
    memset(signature + 32, 0xf0, 8);
    assert_why(jws_verify(&changed, 0, &fixture->alice), UNTRUSTED, "key.signature.high_s");
}

static void jws_forms_that_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct text kid_text;
    const char *kid;
    assert_ok(jws_kid(&fixture->arena, &fixture->alice, &kid_text));
    assert_ok(arena_cstring(&fixture->arena, kid_text, &kid));
    char signature[87];
    memset(signature, 'A', 86);
    signature[86] = 0;
    /* The header takes the kid; the document takes the header as base64url and a signature of the right size.
     */
    static const struct {
        const char *document;
        const char *header;
        enum result_code code;
        const char *why;
    } rows[] = {
        {"[]", NULL, RESULT_INVALID, "json.not_object"},
        {"{\"payload\":\"e30\",\"signatures\":[],\"x\":1}", NULL, RESULT_INVALID, "json.member.unknown"},
        {"{\"payload\":\"e30\",\"payload\":\"e30\",\"signatures\":[]}", NULL, RESULT_INVALID,
         "json.duplicate_member"},
        {"{\"signatures\":[]}", NULL, RESULT_INVALID, "json.member.missing"},
        {"{\"payload\":\"e30\"}", NULL, RESULT_INVALID, "json.member.missing"},
        {"{\"payload\":\"e30=\",\"signatures\":[]}", NULL, RESULT_INVALID, "base64.character"},
        {"{\"payload\":\"e31\",\"signatures\":[]}", NULL, RESULT_INVALID, "base64.spare_bits"},
        {"{\"payload\":\"W10\",\"signatures\":[]}", NULL, RESULT_INVALID, "json.not_object"},
        {"{\"payload\":\"e30\",\"signatures\":[]}", NULL, RESULT_INVALID, "jws.signatures.none"},
        {"{\"payload\":\"e30\",\"signatures\":[7]}", NULL, RESULT_INVALID, "json.not_object"},
        {"{\"payload\":\"e30\",\"signatures\":[{\"header\":{},\"protected\":\"%s\",\"signature\":\"%s\"}]}",
         "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "json.member.unknown"},
        {"{\"payload\":\"e30\",\"signatures\":[{\"protected\":\"%s\"}]}",
         "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "json.member.missing"},
        {NULL, "[]", RESULT_INVALID, "json.not_object"},
        {NULL, "{\"alg\":\"none\",\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "jws.alg"},
        {NULL, "{\"alg\":\"ES384\",\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "jws.alg"},
        {NULL, "{\"alg\":\"HS256\",\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "jws.alg"},
        {NULL, "{\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "json.member.missing"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"other+jws\"}", RESULT_INVALID, "jws.typ"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", RESULT_INVALID, "json.member.missing"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"AAAA\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "jws.kid"},
        {NULL, "{\"alg\":\"ES256\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "json.member.missing"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\",\"note\":1}", RESULT_INVALID,
         "json.member.unknown"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\",\"jwk\":{}}", RESULT_INVALID,
         "jws.header.forbidden"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\",\"jku\":\"x\"}", RESULT_INVALID,
         "jws.header.forbidden"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\",\"x5c\":[]}", RESULT_INVALID,
         "jws.header.forbidden"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\",\"x5u\":\"x\"}", RESULT_INVALID,
         "jws.header.forbidden"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\",\"crit\":[]}", RESULT_INVALID,
         "jws.header.forbidden"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\",\"b64\":false}", RESULT_INVALID,
         "jws.header.forbidden"},
        {"{\"payload\":\"e30\",\"signatures\":[{\"protected\":\"%s\",\"signature\":\"AAAA\"}]}",
         "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "jws.signature.size"},
        {"{\"payload\":\"e30\",\"signatures\":[{\"protected\":\"%1$s\",\"signature\":\"%2$s\"},"
         "{\"protected\":\"%1$s\",\"signature\":\"%2$s\"}]}",
         "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_INVALID, "jws.kid.twice"},
        {NULL, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"" TYP "\"}", RESULT_OK, "ok"},
    };
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char header[1024] = "";
        char document[4096];
        if (rows[i].header != NULL) {
            snprintf(header, sizeof header, rows[i].header, kid);
        }
        const char *form =
            rows[i].document != NULL
                ? rows[i].document
                : "{\"payload\":\"e30\",\"signatures\":[{\"protected\":\"%s\",\"signature\":\"%s\"}]}";
        snprintf(document, sizeof document, form, base64url_of(&fixture->arena, header), signature);
        scoped_jws jws = {0};
        assert_why_at(jws_parse(&fixture->arena, bytes_of_text(text_of(document)), TYP, NULL, &jws),
                      rows[i].code, rows[i].why, header, (int)i);
    }
#pragma GCC diagnostic pop
}

static void jws_limits_hold(void **state)
{
    struct fixture *fixture = *state;
    scoped_buffer text;
    buffer_init(&text, 1024 * 1024);
    assert_ok(buffer_add_text(&text, TEXT("{\"payload\":\"e30\",\"signatures\":[0")));
    for (int i = 0; i < JWS_SIGNATURES_MAX; i++) {
        assert_ok(buffer_add_text(&text, TEXT(",0")));
    }
    assert_ok(buffer_add_text(&text, TEXT("]}")));
    scoped_jws jws = {0};
    assert_why(jws_parse(&fixture->arena, buffer_view(&text), TYP, NULL, &jws), LIMIT,
               "jws.signatures.count");
    struct bytes huge = {text.data, JWS_SIZE_MAX + 1};
    assert_why(jws_parse(&fixture->arena, huge, TYP, NULL, &jws), LIMIT, "jws.size");
    scoped_arena small;
    arena_init(&small, 64);
    scoped_buffer signed_text;
    buffer_init(&signed_text, 65536);
    sign_document(fixture, &signed_text);
    assert_why(jws_parse(&small, buffer_view(&signed_text), TYP, grant_member, &jws), LIMIT, "arena.full");
    assert_int_equal(jws.signature_count, 0);
}

static void jws_signing_refuses_what_it_could_not_read(void **state)
{
    struct fixture *fixture = *state;
    scoped_buffer out;
    buffer_init(&out, 65536);
    scoped_json *payload = json_of("{}");
    scoped_json *array = json_of("[]");
    assert_why(jws_sign(array, TYP, NULL, &fixture->alice, &out), INVALID, "jws.payload.not_object");
    assert_why(jws_sign(payload, TYP, array, &fixture->alice, &out), INVALID, "jws.header.reserved");
    static const char *const reserved[] = {"{\"alg\":\"x\"}", "{\"kid\":\"x\"}", "{\"typ\":\"x\"}",
                                           "{\"jwk\":{}}", "{\"crit\":[]}"};
    for (size_t i = 0; i < 5; i++) {
        scoped_json *header = json_of(reserved[i]);
        assert_why(jws_sign(payload, TYP, header, &fixture->alice, &out), INVALID, "jws.header.reserved");
    }
    assert_why(jws_sign(payload, TYP, NULL, &fixture->rsa, &out), INVALID, "key.algorithm");
    scoped_json *jwk = NULL;
    scoped_key public_key = {0};
    assert_ok(key_to_jwk(&fixture->alice, &jwk));
    assert_ok(key_from_jwk(jwk, &public_key));
    assert_why(jws_sign(payload, TYP, NULL, &public_key, &out), INVALID, "key.not_private");
    scoped_json *real = json_of("{\"a\":0.5}");
    assert_why(jws_sign(real, TYP, NULL, &fixture->alice, &out), UNSUPPORTED, "json.real_number");
    assert_int_equal(out.size, 0);
}

/* --- JWT ------------------------------------------------------------------------------------------ */

static void make_keys(struct fixture *fixture, struct jwt_keys *out)
{
    scoped_json *set = json_of("{\"keys\":[]}");
    const struct key *all[] = {&fixture->alice, &fixture->bob, &fixture->rsa};
    const char *const kids[] = {"alice", "bob", "rsa"};
    for (size_t i = 0; i < 3; i++) {
        json_t *jwk = NULL;
        assert_ok(key_to_jwk(all[i], &jwk));
        assert_ok(json_set_text(jwk, "kid", text_of(kids[i])));
        assert_ok(json_add(json_object_get(set, "keys"), jwk));
    }
    struct text text;
    assert_ok(json_encode_text(&fixture->arena, set, &text));
    assert_ok(jwt_keys_from_jwks(&fixture->arena, bytes_of_text(text), out));
    assert_int_equal(out->count, 3);
}

static struct text make_token(struct fixture *fixture, const char *header_text, const char *claims_text,
                              const struct key *key, enum key_algorithm algorithm)
{
    scoped_json *header = json_of(header_text);
    scoped_json *claims = json_of(claims_text);
    scoped_buffer token;
    buffer_init(&token, JWT_SIZE_MAX);
    assert_ok(jwt_sign(header, claims, key, algorithm, &token));
    struct text text;
    assert_ok(arena_copy_text(&fixture->arena, buffer_text(&token), &text));
    return text;
}

static void tokens_verify_by_the_callers_keys(void **state)
{
    struct fixture *fixture = *state;
    scoped_jwt_keys keys = {0};
    make_keys(fixture, &keys);
    static const struct {
        const char *header;
        bool by_rsa;
        enum key_algorithm made;
        enum key_algorithm accepted;
        enum result_code code;
        const char *why;
    } rows[] = {
        {"{\"kid\":\"rsa\",\"typ\":\"JWT\"}", true, KEY_RS256, KEY_RS256, RESULT_OK, "ok"},
        {"{\"kid\":\"rsa\"}", true, KEY_PS256, KEY_PS256, RESULT_OK, "ok"},
        {"{\"kid\":\"alice\",\"x5c\":[\"AA\"],\"x5t\":\"AA\",\"jku\":\"https://x\",\"jwk\":{}}", false,
         KEY_ES256, KEY_ES256, RESULT_OK, "ok"},
        {"{\"kid\":\"rsa\"}", true, KEY_RS256, KEY_PS256, RESULT_UNTRUSTED, "jwt.algorithm"},
        {"{\"kid\":\"rsa\"}", true, KEY_RS256, KEY_ES256, RESULT_UNTRUSTED, "jwt.algorithm"},
        {"{\"kid\":\"rsa\"}", true, KEY_RS256, KEY_ALGORITHM_NONE, RESULT_UNTRUSTED, "jwt.algorithm"},
        {"{\"kid\":\"alice\"}", true, KEY_RS256, KEY_RS256, RESULT_UNTRUSTED, "jwt.algorithm"},
        {"{\"kid\":\"bob\"}", false, KEY_ES256, KEY_ES256, RESULT_UNTRUSTED, "jwt.signature"},
        {"{\"kid\":\"carol\"}", false, KEY_ES256, KEY_ES256, RESULT_UNTRUSTED, "jwt.key_unknown"},
        {"{\"kid\":\"\"}", false, KEY_ES256, KEY_ES256, RESULT_UNTRUSTED, "jwt.key_unknown"},
        {"{}", false, KEY_ES256, KEY_ES256, RESULT_UNTRUSTED, "jwt.key_unknown"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct key *key = rows[i].by_rsa ? &fixture->rsa : &fixture->alice;
        struct text token = make_token(fixture, rows[i].header, "{\"sub\":\"x\"}", key, rows[i].made);
        scoped_jwt jwt = {0};
        assert_ok(jwt_parse(&fixture->arena, token, &jwt));
        assert_why_at(jwt_verify(&jwt, &keys, rows[i].accepted), rows[i].code, rows[i].why, rows[i].header,
                      (int)i);
    }
    struct text token = make_token(fixture, "{}", "{\"sub\":\"x\"}", &fixture->alice, KEY_ES256);
    scoped_jwt jwt = {0};
    assert_ok(jwt_parse(&fixture->arena, token, &jwt));
    assert_ok(jwt_verify_by_key(&jwt, &fixture->alice, KEY_ES256));
    assert_why(jwt_verify_by_key(&jwt, &fixture->bob, KEY_ES256), UNTRUSTED, "jwt.signature");
    assert_why(jwt_verify_by_key(&jwt, &fixture->rsa, KEY_ES256), UNTRUSTED, "jwt.algorithm");
}

static void changed_tokens_do_not_verify(void **state)
{
    struct fixture *fixture = *state;
    struct text token = make_token(fixture, "{\"kid\":\"rsa\"}", "{\"sub\":\"x\"}", &fixture->rsa, KEY_RS256);
    uint8_t changed[2048];
    for (size_t i = 0; i < token.size; i++) {
        memcpy(changed, token.data, token.size);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        scoped_jwt jwt = {0};
        struct text text = {(const char *)changed, token.size};
        bool passed = result_is_ok(jwt_parse(&fixture->arena, text, &jwt)) &&
                      result_is_ok(jwt_verify_by_key(&jwt, &fixture->rsa, KEY_RS256));
        assert_false(passed);
    }
}

static void token_forms_that_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *token;
        const char *why;
    } rows[] = {
        {"", "jwt.form"},
        {"e30", "jwt.form"},
        {"e30.e30", "jwt.form"},
        {"e30.e30.AA.AA", "jwt.form"},
        {"e30.e30.AA", "json.member.missing"},
        {"W10.e30.AA", "json.not_object"},
        {"eyJhbGciOiJFUzI1NiJ9.W10.AA", "json.not_object"},
        {"eyJhbGciOiJFUzI1NiJ9.e30.A", "base64.length"},
        {"eyJhbGciOiJFUzI1NiJ9.e30.AB", "base64.spare_bits"},
        {"eyJhbGciOiJFUzI1NiJ9.e30=.AA", "base64.character"},
        {"eyJhbGciOiJFUzI1NiJ9.e31.AA", "base64.spare_bits"},
        {"eyJhbGciOjF9.e30.AA", "json.member.not_text"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_jwt jwt = {0};
        assert_why_at(jwt_parse(&fixture->arena, text_of(rows[i].token), &jwt), RESULT_INVALID, rows[i].why,
                      rows[i].token, (int)i);
    }
    static const struct {
        const char *header;
        const char *why;
    } headers[] = {
        {"{\"alg\":\"ES256\",\"crit\":[\"b64\"]}", "jwt.crit"},
        {"{\"alg\":\"ES256\",\"kid\":7}", "json.member.not_text"},
        {"{\"alg\":\"ES256\",\"alg\":\"none\"}", "json.duplicate_member"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct text token;
        const char *header = base64url_of(&fixture->arena, headers[i].header);
        assert_ok(arena_printf(&fixture->arena, &token, "%s.e30.AA", header));
        scoped_jwt jwt = {0};
        assert_why(jwt_parse(&fixture->arena, token, &jwt), INVALID, headers[i].why);
    }
    scoped_jwt jwt = {0};
    struct text huge = {"e30", JWT_SIZE_MAX + 1};
    assert_why(jwt_parse(&fixture->arena, huge, &jwt), LIMIT, "jwt.size");
    /* "alg":"none" with an empty signature has a form but is no algorithm of anybody's. */
    assert_ok(jwt_parse(&fixture->arena, TEXT("eyJhbGciOiJub25lIn0.e30."), &jwt));
    for (int algorithm = KEY_ALGORITHM_NONE; algorithm <= KEY_PS256; algorithm++) {
        assert_why(jwt_verify_by_key(&jwt, &fixture->alice, (enum key_algorithm)algorithm), UNTRUSTED,
                   "jwt.algorithm");
    }
}

static void token_times_are_judged_with_skew(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *claims;
        enum result_code code;
        const char *why;
    } rows[] = {
        {"{\"exp\":1001}", RESULT_OK, "ok"},
        {"{\"exp\":991}", RESULT_OK, "ok"},
        {"{\"exp\":990}", RESULT_EXPIRED, "jwt.expired"},
        {"{\"exp\":-9223372036854775808}", RESULT_EXPIRED, "jwt.expired"},
        {"{\"exp\":9223372036854775807}", RESULT_OK, "ok"},
        {"{}", RESULT_INVALID, "json.member.missing"},
        {"{\"exp\":\"1001\"}", RESULT_INVALID, "json.member.not_integer"},
        {"{\"exp\":2000,\"nbf\":1010,\"iat\":1010}", RESULT_OK, "ok"},
        {"{\"exp\":2000,\"nbf\":1011}", RESULT_UNTRUSTED, "jwt.not_yet_valid"},
        {"{\"exp\":2000,\"iat\":1011}", RESULT_UNTRUSTED, "jwt.not_yet_valid"},
        {"{\"exp\":2000,\"nbf\":\"1\"}", RESULT_INVALID, "json.member.not_integer"},
        {"{\"exp\":2000,\"iat\":null}", RESULT_INVALID, "json.member.not_integer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text token = make_token(fixture, "{}", rows[i].claims, &fixture->alice, KEY_ES256);
        scoped_jwt jwt = {0};
        assert_ok(jwt_parse(&fixture->arena, token, &jwt));
        assert_why_at(jwt_check_times(&jwt, 1000, 10), rows[i].code, rows[i].why, rows[i].claims, (int)i);
    }
}

#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

static void key_sets_keep_what_we_use(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text;
        size_t want_count;
        enum result_code code;
        const char *why;
    } rows[] = {
        {"{\"keys\":[]}", 0, RESULT_OK, "ok"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\",\"kid\":\"a\"}]}", 1,
         RESULT_OK, "ok"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}]}", 0, RESULT_OK,
         "ok"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y
         "\",\"kid\":\"a\",\"use\":\"enc\"}]}",
         0, RESULT_OK, "ok"},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X "\",\"kid\":\"a\"}]}", 0, RESULT_OK,
         "ok"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"kid\":\"a\"}]}", 0, RESULT_OK, "ok"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"x5c\":[\"AA\"],\"kid\":\"a\"}]}", 0, RESULT_OK, "ok"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\",\"kid\":\"a\"}]}", 0,
         RESULT_INVALID, "key.point"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y
         "\",\"kid\":\"a\",\"d\":\"AA\"}]}",
         0, RESULT_INVALID, "key.jwk.private_member"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\",\"kid\":7}]}", 0,
         RESULT_INVALID, "json.member.not_text"},
        {"{\"keys\":[7]}", 0, RESULT_INVALID, "jwt.keys.form"},
        {"{\"keys\":{}}", 0, RESULT_INVALID, "json.member.not_array"},
        {"[]", 0, RESULT_INVALID, "json.member.missing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_jwt_keys keys = {0};
        assert_why_at(jwt_keys_from_jwks(&fixture->arena, bytes_of_text(text_of(rows[i].text)), &keys),
                      rows[i].code, rows[i].why, rows[i].text, (int)i);
        assert_int_equal(keys.count, rows[i].want_count);
    }
    scoped_buffer text;
    buffer_init(&text, 65536);
    assert_ok(buffer_add_text(&text, TEXT("{\"keys\":[")));
    for (int i = 0; i <= JWT_KEYS_MAX; i++) {
        assert_ok(buffer_printf(
            &text, "%s{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\",\"kid\":\"%d\"}",
            i == 0 ? "" : ",", i));
    }
    assert_ok(buffer_add_text(&text, TEXT("]}")));
    scoped_jwt_keys keys = {0};
    assert_why(jwt_keys_from_jwks(&fixture->arena, buffer_view(&text), &keys), LIMIT, "jwt.keys.count");
    struct bytes huge = {text.data, JWT_SIZE_MAX + 1};
    assert_why(jwt_keys_from_jwks(&fixture->arena, huge, &keys), LIMIT, "jwt.keys.size");
}

static void jwt_signing_refuses_reserved_members(void **state)
{
    struct fixture *fixture = *state;
    scoped_json *claims = json_of("{}");
    scoped_json *algorithm = json_of("{\"alg\":\"none\"}");
    scoped_json *critical = json_of("{\"crit\":[]}");
    scoped_json *array = json_of("[]");
    scoped_buffer out;
    buffer_init(&out, 65536);
    assert_why(jwt_sign(algorithm, claims, &fixture->alice, KEY_ES256, &out), INVALID, "jwt.header.reserved");
    assert_why(jwt_sign(critical, claims, &fixture->alice, KEY_ES256, &out), INVALID, "jwt.header.reserved");
    assert_why(jwt_sign(array, claims, &fixture->alice, KEY_ES256, &out), INVALID, "jwt.header.reserved");
    assert_why(jwt_sign(NULL, array, &fixture->alice, KEY_ES256, &out), INVALID, "jwt.claims.not_object");
    assert_why(jwt_sign(NULL, claims, &fixture->alice, KEY_RS256, &out), INVALID, "key.algorithm");
    assert_int_equal(out.size, 0);
    assert_ok(jwt_sign(NULL, claims, &fixture->alice, KEY_ES256, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_parties_sign_one_payload),
        cmocka_unit_test(changed_documents_do_not_verify),
        cmocka_unit_test(jws_forms_that_are_refused),
        cmocka_unit_test(jws_limits_hold),
        cmocka_unit_test(jws_signing_refuses_what_it_could_not_read),
        cmocka_unit_test(tokens_verify_by_the_callers_keys),
        cmocka_unit_test(changed_tokens_do_not_verify),
        cmocka_unit_test(token_forms_that_are_refused),
        cmocka_unit_test(token_times_are_judged_with_skew),
        cmocka_unit_test(key_sets_keep_what_we_use),
        cmocka_unit_test(jwt_signing_refuses_reserved_members),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
