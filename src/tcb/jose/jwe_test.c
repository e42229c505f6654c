#include "crypto/test_support.h"
#include "jose/jwe.h"
#include "jose/jws.h"

enum { ARENA_BYTES = 4 * 1024 * 1024 };

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

#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define JWE_TYP "truce-test+jwe"

static void encrypt(struct fixture *fixture, struct bytes plaintext, struct buffer *out)
{
    struct world world = world_of_system();
    struct key recipients[2] = {fixture->alice, fixture->bob};
    assert_ok(jwe_encrypt(&world, JWE_TYP, plaintext, recipients, 2, out));
}

static void every_recipient_opens(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t large[100000] = {1, 2, 3};
    const struct bytes rows[] = {{0}, bytes_of_text(TEXT("x")), BYTES_OF(large)};
    for (size_t i = 0; i < 3; i++) {
        scoped_buffer document;
        buffer_init(&document, 1024 * 1024);
        encrypt(fixture, rows[i], &document);
        const struct key *keys[] = {&fixture->alice, &fixture->bob};
        for (size_t at = 0; at < 2; at++) {
            scoped_buffer out;
            buffer_init(&out, 1024 * 1024);
            assert_ok(buffer_add_text(&out, TEXT("before")));
            assert_ok(jwe_decrypt(&fixture->arena, buffer_view(&document), JWE_TYP, keys[at], &out));
            assert_true(bytes_equal(bytes_slice(buffer_view(&out), 6, SIZE_MAX), rows[i]));
            struct text kids[JWE_RECIPIENTS_MAX];
            struct text kid;
            size_t count = 0;
            assert_ok(jwe_recipients(&fixture->arena, buffer_view(&document), kids, &count));
            assert_int_equal(count, 2);
            assert_ok(jws_kid(&fixture->arena, keys[at], &kid));
            assert_true(text_equal(kids[at], kid));
        }
        scoped_buffer out;
        buffer_init(&out, 1024 * 1024);
        scoped_key other = {0};
        assert_ok(key_generate(KEY_EC_P256, 0, &other));
        assert_why(jwe_decrypt(&fixture->arena, buffer_view(&document), JWE_TYP, &other, &out), DENIED,
                   "jwe.not_a_recipient");
        assert_why(jwe_decrypt(&fixture->arena, buffer_view(&document), "other+jwe", &fixture->alice, &out),
                   INVALID, "jwe.typ");
        assert_int_equal(out.size, 0);
    }
}

/* A document that another implementation (jwcrypto) made for Bob. */
static const char foreign_document[] =
    "{\"ciphertext\":\"I70Ql_gGsNS5jUnpeCo\",\"iv\":\"1b0I77RVVJS4YC9w\",\"protected\":\"eyJlbmMiOiJBMjU"
    "2R0NNIiwidHlwIjoidHJ1Y2UtdGVzdCtqd2UifQ\",\"tag\":\"qkJggWouNMxG6xaAIa4x7g\",\"recipients\":[{\""
    "header\":{\"alg\":\"ECDH-ES+A256KW\",\"epk\":{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":"
    "\"LIK9uuQ6eHxv0Uo9PoT"
    "Wuky7En7hmXLsubIGeUlsg_o\",\"y\":\"I_lepmdVchv-cf52bIEDud2-qcHckMQKmTt3-1x4BmU\"},\"kid\":\"Vy57"
    "XrArUrW0NbpI12tEzDHABxMwrTh6HHXRenSpnCo\"},\"encrypted_key\":\"6dXyJHFyjvxwA2VABftugLUOk8rpM"
    "bqrcdZtnKJP3QRJDDSQGY-YHA\"}]}";

static void a_foreign_document_opens(void **state)
{
    struct fixture *fixture = *state;
    scoped_buffer out;
    buffer_init(&out, 4096);
    struct bytes document = bytes_of_text(text_of(foreign_document));
    assert_ok(jwe_decrypt(&fixture->arena, document, JWE_TYP, &fixture->bob, &out));
    assert_true(text_is(buffer_text(&out), "made elsewhere"));
    assert_why(jwe_decrypt(&fixture->arena, document, JWE_TYP, &fixture->alice, &out), DENIED,
               "jwe.not_a_recipient");
}

/* One member replaced by `value` (JSON). */
struct change {
    const char *member; /* of the document; of recipient 0 after "r:", of that one's header after "h:" */
    const char *value;
    enum result_code code;
    const char *why;
};

static json_t *target_of(json_t *document, const char **member)
{
    json_t *recipient = json_array_get(json_object_get(document, "recipients"), 0);
    if (strncmp(*member, "r:", 2) == 0) {
        *member += 2;
        return recipient;
    }
    if (strncmp(*member, "h:", 2) == 0) {
        *member += 2;
        return json_object_get(recipient, "header");
    }
    return document;
}

static void changed_jwe_does_not_open(void **state)
{
    struct fixture *fixture = *state;
    static const struct change rows[] = {
        {"aad", "\"AA\"", RESULT_INVALID, "json.member.unknown"},
        {"unprotected", "{}", RESULT_INVALID, "json.member.unknown"},
        {"protected", "\"e30\"", RESULT_INVALID, "json.member.missing"},
        {"protected", "7", RESULT_INVALID, "json.member.not_text"},
        /* {"enc":"A128GCM","typ":"truce-test+jwe"} */
        {"protected", "\"eyJlbmMiOiJBMTI4R0NNIiwidHlwIjoidHJ1Y2UtdGVzdCtqd2UifQ\"", RESULT_INVALID,
         "jwe.enc"},
        /* {"enc":"A256GCM","typ":"truce-test+jwe","zip":"DEF"} */
        {"protected", "\"eyJlbmMiOiJBMjU2R0NNIiwidHlwIjoidHJ1Y2UtdGVzdCtqd2UiLCJ6aXAiOiJERUYifQ\"",
         RESULT_INVALID, "json.member.unknown"},
        /* {"typ":"truce-test+jwe","enc":"A256GCM"}: the same, other octets */
        {"protected", "\"eyJ0eXAiOiJ0cnVjZS10ZXN0K2p3ZSIsImVuYyI6IkEyNTZHQ00ifQ\"", RESULT_UNTRUSTED,
         "jwe.content"},
        {"recipients", "[]", RESULT_INVALID, "jwe.recipients"},
        {"recipients", "{}", RESULT_INVALID, "json.member.not_array"},
        {"iv", "\"AAAAAAAAAAAAAAAA\"", RESULT_UNTRUSTED, "jwe.content"},
        {"iv", "\"AAAA\"", RESULT_INVALID, "jwe.iv.size"},
        {"tag", "\"AAAAAAAAAAAAAAAAAAAAAA\"", RESULT_UNTRUSTED, "jwe.content"},
        {"tag", "\"AAAA\"", RESULT_INVALID, "jwe.tag.size"},
        {"ciphertext", "\"AAAA\"", RESULT_UNTRUSTED, "jwe.content"},
        {"ciphertext", "\"\"", RESULT_UNTRUSTED, "jwe.content"},
        {"ciphertext", "\"AAA=\"", RESULT_INVALID, "base64.character"},
        {"r:encrypted_key", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", RESULT_UNTRUSTED,
         "jwe.content"},
        {"r:encrypted_key", "\"AAAA\"", RESULT_INVALID, "jwe.encrypted_key.size"},
        {"r:extra", "1", RESULT_INVALID, "json.member.unknown"},
        {"h:alg", "\"ECDH-ES\"", RESULT_INVALID, "jwe.alg"},
        {"h:alg", "\"dir\"", RESULT_INVALID, "jwe.alg"},
        {"h:apu", "\"AAAA\"", RESULT_INVALID, "json.member.unknown"},
        {"h:kid", "\"AAAA\"", RESULT_INVALID, "jwe.kid"},
        {"h:epk", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}", RESULT_UNTRUSTED,
         "jwe.content"},
        {"h:epk", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\"}", RESULT_INVALID,
         "key.point"},
        {"h:epk", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\",\"kid\":\"a\"}",
         RESULT_INVALID, "json.member.unknown"},
    };
    scoped_buffer document;
    buffer_init(&document, 65536);
    encrypt(fixture, bytes_of_text(TEXT("abc")), &document);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_json *tree = NULL;
        assert_ok(json_decode(buffer_view(&document), &tree));
        const char *member = rows[i].member;
        json_t *target = target_of(tree, &member);
        json_t *value = json_loads(rows[i].value, JSON_DECODE_ANY, NULL);
        assert_ok(json_set(target, member, value));
        struct text text;
        assert_ok(json_encode_text(&fixture->arena, tree, &text));
        scoped_buffer out;
        buffer_init(&out, 4096);
        assert_why_at(jwe_decrypt(&fixture->arena, bytes_of_text(text), JWE_TYP, &fixture->alice, &out),
                      rows[i].code, rows[i].why, rows[i].member, (int)i);
        assert_int_equal(out.size, 0);
    }
}

static void jwe_recipients_are_distinct_p256_keys(void **state)
{
    struct fixture *fixture = *state;
    struct world world = world_of_system();
    scoped_buffer out;
    buffer_init(&out, 65536);
    struct key twice[2] = {fixture->alice, fixture->alice};
    struct key many[JWE_RECIPIENTS_MAX + 1] = {fixture->alice};
    assert_why(jwe_encrypt(&world, JWE_TYP, (struct bytes){0}, twice, 2, &out), INVALID, "jwe.recipients");
    assert_why(jwe_encrypt(&world, JWE_TYP, (struct bytes){0}, &fixture->rsa, 1, &out), INVALID,
               "jwe.recipients");
    assert_why(jwe_encrypt(&world, JWE_TYP, (struct bytes){0}, twice, 0, &out), INVALID, "jwe.recipients");
    assert_why(jwe_encrypt(&world, JWE_TYP, (struct bytes){0}, many, JWE_RECIPIENTS_MAX + 1, &out), INVALID,
               "jwe.recipients");
    struct bytes huge = {(const uint8_t *)"", JWE_PLAINTEXT_MAX + 1};
    assert_why(jwe_encrypt(&world, JWE_TYP, huge, twice, 1, &out), LIMIT, "jwe.size");
    assert_int_equal(out.size, 0);

    encrypt(fixture, bytes_of_text(TEXT("abc")), &out);
    scoped_json *tree = NULL;
    assert_ok(json_decode(buffer_view(&out), &tree));
    json_t *entries = json_object_get(tree, "recipients");
    assert_ok(json_add(entries, json_incref(json_array_get(entries, 0))));
    struct text text;
    struct text kids[JWE_RECIPIENTS_MAX];
    size_t count = 77;
    assert_ok(json_encode_text(&fixture->arena, tree, &text));
    assert_why(jwe_recipients(&fixture->arena, bytes_of_text(text), kids, &count), INVALID, "jwe.kid.twice");
    for (int i = 0; i < JWE_RECIPIENTS_MAX; i++) {
        assert_ok(json_add(entries, json_incref(json_array_get(entries, 0))));
    }
    assert_ok(json_encode_text(&fixture->arena, tree, &text));
    assert_why(jwe_recipients(&fixture->arena, bytes_of_text(text), kids, &count), LIMIT,
               "jwe.recipients.count");
    assert_why(jwe_recipients(&fixture->arena, bytes_of_text(TEXT("[]")), kids, &count), INVALID,
               "json.not_object");
    assert_int_equal(count, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recipient_opens),
        cmocka_unit_test(a_foreign_document_opens),
        cmocka_unit_test(changed_jwe_does_not_open),
        cmocka_unit_test(jwe_recipients_are_distinct_p256_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
