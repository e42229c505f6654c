#include "base/encode.h"
#include "crypto/test_support.h"
#include "jose/jwt.h"
#include "service/vault/record.h"
#include "service/vault/release_answer.h"
#include "service/vault/request.h"

#define POLICY_DATA                                                                                          \
    "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\",\"allOf\":["                             \
    "{\"claim\":\"x-ms-attestation-type\",\"equals\":\"sim\"},"                                              \
    "{\"claim\":\"x-ms-sevsnpvm-launchmeasurement\",\"equals\":\"ab\"},"                                     \
    "{\"claim\":\"x-truce-simulation-root\",\"equals\":\"sha256:cd\"}]}]}"

static json_t *policy_of(struct arena *arena, const char *text)
{
    struct text data;
    assert_ok(encode_base64url(arena, bytes_of_text(text_of(text)), &data));
    json_t *policy = json_object();
    assert_ok(json_set_text(policy, "data", data));
    return policy;
}

static json_t *parsed(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static void creations_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *want_why;
    } rows[] = {
        {"{\"kty\":\"RSA\"}", "ok"},
        {"{\"kty\":\"RSA\",\"key_size\":4096,\"tags\":null,\"key_ops\":null,\"attributes\":null}", "ok"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"attributes\":{\"created\":1,\"recoveryLevel\":\"x\"}}", "ok"},
        {"{\"kty\":\"RSA\",\"key_size\":2049}", "vault.kind.rsa_size"},
        {"{\"kty\":\"RSA\",\"key_size\":-2048}", "json.member.out_of_range"},
        {"{\"kty\":\"RSA\",\"public_exponent\":3}", "vault.kind.rsa_exponent"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256K\"}", "vault.kind.curve"},
        {"{\"kty\":\"oct\"}", "vault.kind.unsupported"},
        {"{\"kty\":1}", "json.member.not_text"},
        {"{\"kty\":\"RSA\",\"other\":1}", "json.member.unknown"},
        {"{\"kty\":\"RSA\",\"key_ops\":\"sign\"}", "vault.request.key_ops"},
        {"{\"kty\":\"RSA\",\"key_ops\":[\"import\"]}", "vault.request.key_ops"},
        {"{\"kty\":\"RSA\",\"tags\":[]}", "vault.request.tags"},
        {"{\"kty\":\"RSA\",\"attributes\":{\"exp\":\"soon\"}}", "json.member.not_integer"},
        {"{\"kty\":\"RSA\",\"attributes\":{\"exp\":5,\"nbf\":5}}", "vault.request.times"},
        {"{\"kty\":\"RSA\",\"attributes\":{\"enabled\":1}}", "json.member.not_boolean"},
        {"{\"kty\":\"RSA\",\"attributes\":{\"exportable\":true}}", "vault.policy.required"},
        {"{\"kty\":\"RSA\",\"release_policy\":{\"data\":\"!!\"}}", "base64.character"},
        {"{\"kty\":\"RSA\",\"release_policy\":{}}", "json.member.missing"},
        {"{\"kty\":\"RSA\",\"release_policy\":{\"data\":\"e30\",\"more\":1}}", "json.member.unknown"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_arena arena;
        arena_init(&arena, 1024 * 1024);
        scoped_json *body = parsed(rows[i].body);
        struct request_create create;
        assert_string_equal(request_create_read(&arena, body, &create).why, rows[i].want_why);
    }
}

static void policies_must_name_code(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    scoped_json *body = parsed("{\"kty\":\"RSA-HSM\",\"attributes\":{\"exportable\":true}}");
    struct request_create create;
    assert_ok(json_set(body, "release_policy", policy_of(&arena, POLICY_DATA)));
    assert_ok(request_create_read(&arena, body, &create));
    assert_true(create.is_hsm && create.has_policy && !create.policy.immutable);
    assert_true(text_is(create.policy.content_type, "application/json; charset=utf-8"));
    const char *weak = "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\",\"allOf\":["
                       "{\"claim\":\"x-ms-attestation-type\",\"equals\":\"sim\"}]}]}";
    assert_ok(json_set(body, "release_policy", policy_of(&arena, weak)));
    assert_why(request_create_read(&arena, body, &create), INVALID, "vault.policy.code_identity");
}

static void releases_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *want_why;
        enum key_oaep want_oaep;
    } rows[] = {
        {"{\"target\":\"t\"}", "ok", KEY_OAEP_SHA1},
        {"{\"target\":\"t\",\"enc\":\"CKM_RSA_AES_KEY_WRAP\",\"nonce\":\"\"}", "ok", KEY_OAEP_SHA1},
        {"{\"target\":\"t\",\"enc\":\"RSA_AES_KEY_WRAP_256\"}", "ok", KEY_OAEP_SHA256},
        {"{\"target\":\"t\",\"enc\":\"RSA_AES_KEY_WRAP_384\"}", "vault.request.enc", 0},
        {"{\"target\":\"\"}", "vault.request.target", 0},
        {"{\"target\":\"t\",\"x\":1}", "json.member.unknown", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_arena arena;
        arena_init(&arena, 65536);
        scoped_json *body = parsed(rows[i].body);
        struct request_release release = {0};
        struct result result = request_release_read(&arena, body, &release);
        assert_string_equal(result.why, rows[i].want_why);
        if (result_is_ok(result)) {
            assert_int_equal(release.oaep, rows[i].want_oaep);
        }
    }
}

static void names_have_one_form(void **state)
{
    (void)state;
    assert_true(request_name_is_valid(TEXT("Key-1")));
    assert_false(request_name_is_valid(TEXT("")));
    assert_false(request_name_is_valid(TEXT("a/b")));
    assert_false(request_name_is_valid(TEXT("a_b")));
    assert_true(request_version_is_valid(TEXT("0123456789abcdef0123456789abcdef")));
    assert_false(request_version_is_valid(TEXT("0123456789ABCDEF0123456789abcdef")));
    assert_false(request_version_is_valid(TEXT("0123456789abcdef")));
    scoped_arena arena;
    arena_init(&arena, 4096);
    struct text row;
    assert_ok(key_row_name(&arena, TEXT("Key-1"), TEXT("ab"), &row));
    assert_true(text_is(row, "key-1/ab"));
}

static void keys_have_their_times(void **state)
{
    (void)state;
    static const struct {
        bool enabled;
        int64_t not_before, expires, now;
        bool in_time;
        const char *want_why;
    } rows[] = {
        {true, 0, INT64_MAX, 100, true, "ok"},
        {true, 100, 200, 100, true, "ok"},
        {true, 101, 200, 100, true, "vault.key.not_yet_valid"},
        {true, 0, 100, 100, true, "vault.key.expired"},
        {true, 0, 100, 100, false, "ok"},
        {false, 0, INT64_MAX, 100, true, "vault.key.disabled"},
        {false, 0, INT64_MAX, 100, false, "vault.key.disabled"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key_record record = {
            .enabled = rows[i].enabled, .not_before = rows[i].not_before, .expires = rows[i].expires};
        assert_string_equal(key_record_check_usable(&record, rows[i].in_time, rows[i].now).why,
                            rows[i].want_why);
    }
    scoped_json *json = parsed("{\"key_ops\":[\"sign\"]}");
    struct key_record record = {.json = json};
    assert_ok(key_record_check_operation(&record, "sign"));
    assert_why(key_record_check_operation(&record, "wrapKey"), DENIED, "vault.key.operation");
    struct key_record none = {0};
    assert_why(key_record_read(json, &none), CORRUPT, "vault.record.form");
}

static void authority_files_have_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *want_why;
    } rows[] = {
        {"{\"type\":\"connection/authority/1\",\"issuer\":\"https://a/"
         "\",\"ca\":\"x\",\"policy_hash\":\"p\",\"keys\":["
         "\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"]}",
         "ok"},
        {"{\"type\":\"connection/authority/1\",\"issuer\":\"https://a\",\"ca\":\"x\"}", "ok"},
        {"{\"type\":\"connection/authority/2\",\"issuer\":\"https://a\",\"ca\":\"x\"}",
         "vault.authority_file.type"},
        {"{\"type\":\"connection/authority/1\",\"issuer\":\"http://a\",\"ca\":\"x\"}",
         "vault.authority_file.issuer"},
        {"{\"type\":\"connection/authority/1\",\"issuer\":\"a\",\"ca\":\"x\"}", "url.form"},
        {"{\"type\":\"connection/authority/1\",\"issuer\":\"https://a\",\"ca\":\"x\",\"keys\":[1]}",
         "json.not_text"},
        {"{\"type\":\"connection/authority/1\",\"issuer\":\"https://"
         "a\",\"ca\":\"x\",\"keys\":[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9]}",
         "vault.authority_file.keys"},
        {"{\"type\":\"connection/authority/1\",\"issuer\":\"https://a\"}", "json.member.missing"},
        {"[]", "json.not_object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_arena arena;
        arena_init(&arena, 65536);
        scoped_json *json = parsed(rows[i].file);
        struct authority_file file;
        assert_string_equal(authority_file_read(&arena, json, &file).why, rows[i].want_why);
    }
}

/* The answer opens with the wrapping key, verifies with the signer's, and says what was asked. */
static void a_release_answer_opens(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 4 * 1024 * 1024);
    struct world world = world_of_system();
    scoped_key wrapping_key = {0};
    scoped_key signing_key = {0};
    scoped_secret material = {0};
    scoped_json *bundle =
        parsed("{\"key\":{\"kty\":\"RSA\",\"key_ops\":[\"sign\"]},\"attributes\":{\"enabled\":true},"
               "\"release_policy\":{\"data\":\"e30\"}}");
    assert_ok(key_generate(KEY_RSA, 2048, &wrapping_key));
    assert_ok(key_generate(KEY_RSA, 2048, &signing_key));
    assert_ok(secret_from(bytes_of_text(TEXT("pretend this is PKCS#8")), &material));
    struct release_answer answer = {
        .api_version = TEXT("7.4"),
        .enc = TEXT("RSA_AES_KEY_WRAP_256"),
        .oaep = KEY_OAEP_SHA256,
        .kid = TEXT("https://v/k"),
        .nonce = TEXT("n"),
        .bundle = bundle,
        .wrapping_key = &wrapping_key,
        .wrapping_kid = TEXT("w"),
    };
    struct release_signer signer = {&signing_key, TEXT("s"), TEXT("bGVhZg=="), TEXT("Y2E="), TEXT("dA")};
    scoped_buffer token;
    buffer_init(&token, RELEASE_ANSWER_BYTES_MAX);
    assert_ok(release_answer_make(&world, &arena, &answer, &material, &signer, &token));
    scoped_jwt jwt = {0};
    assert_ok(jwt_parse(&arena, buffer_text(&token), &jwt));
    assert_ok(jwt_verify_by_key(&jwt, &signing_key, KEY_RS256));
    assert_true(text_is(jwt.kid, "s"));
    assert_int_equal(json_array_size(json_object_get(jwt.header, "x5c")), 2);
    const json_t *key =
        json_object_get(json_object_get(json_object_get(jwt.claims, "response"), "key"), "key");
    struct bytes transfer_octets;
    struct bytes ciphertext;
    scoped_json *transfer = NULL;
    scoped_secret opened = {0};
    assert_ok(json_get_base64url(&arena, key, "key_hsm", &transfer_octets));
    assert_ok(json_decode(transfer_octets, &transfer));
    assert_ok(json_get_base64url(&arena, transfer, "ciphertext", &ciphertext));
    assert_ok(key_rsa_aes_unwrap(&wrapping_key, KEY_OAEP_SHA256, ciphertext, &opened));
    assert_true(secret_equal(&opened, &material));
    scoped_secret closed = {0};
    assert_false(result_is_ok(key_rsa_aes_unwrap(&signing_key, KEY_OAEP_SHA256, ciphertext, &closed)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creations_are_read_strictly), cmocka_unit_test(policies_must_name_code),
        cmocka_unit_test(releases_are_read_strictly),  cmocka_unit_test(names_have_one_form),
        cmocka_unit_test(keys_have_their_times),       cmocka_unit_test(authority_files_have_one_form),
        cmocka_unit_test(a_release_answer_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
