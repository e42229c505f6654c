/* Limits of the services, of the host and of what they judge, each crossed by one. What src/limits maps here.
 */
#include "attest/evidence.h"
#include "attest/release_policy.h"
#include "attest/runtime_data.h"
#include "crypto/test_support.h"
#include "host/courier/connections.h"
#include "host/room_link/data.h"
#include "service/attest/request.h"
#include "service/http/server.h"
#include "service/setup/file.h"
#include "service/vault/parts.h"
#include "service/vault/request.h"

#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 1024 * 1024 };

static struct text repeated(struct arena *arena, char c, size_t count)
{
    uint8_t *out;
    assert_ok(arena_take(arena, count + 1, (void *)&out));
    memset(out, c, count);
    return (struct text){(const char *)out, count};
}

static void keys_of_a_vault(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, TEXT_BYTES_MAX);
    struct request_create create;
    for (size_t count = VAULT_TAGS_MAX; count <= VAULT_TAGS_MAX + 1; count++) {
        scoped_json *body = json_pack("{s:s, s:{}}", "kty", "RSA", "tags");
        for (size_t i = 0; i < count; i++) {
            assert_ok(
                json_set_text(json_object_get(body, "tags"), arena_where(&arena, "t%zu", i), TEXT("v")));
        }
        assert_string_equal(request_create_read(&arena, body, &create).why,
                            count <= VAULT_TAGS_MAX ? "ok" : "vault.request.tags");
    }
    for (size_t size = VAULT_TAG_BYTES_MAX; size <= VAULT_TAG_BYTES_MAX + 1; size++) {
        scoped_json *body = json_pack("{s:s, s:{}}", "kty", "RSA", "tags");
        assert_ok(json_set_text(json_object_get(body, "tags"), "t", repeated(&arena, 'a', size)));
        assert_string_equal(request_create_read(&arena, body, &create).why,
                            size <= VAULT_TAG_BYTES_MAX ? "ok" : "vault.request.tags");
    }
    assert_true(request_name_is_valid(repeated(&arena, 'a', VAULT_NAME_BYTES_MAX)));
    assert_false(request_name_is_valid(repeated(&arena, 'a', VAULT_NAME_BYTES_MAX + 1)));
    scoped_json *policy = json_pack("{s:s}", "data", "e30");
    struct request_policy read;
    assert_ok(json_set_text(policy, "contentType", repeated(&arena, 'a', 129)));
    assert_why(request_policy_read(&arena, policy, &read), LIMIT, "vault.policy.content_type");
}

static void uses_of_a_key(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, TEXT_BYTES_MAX);
    for (size_t size = 1024; size <= 1025; size++) {
        scoped_json *release = json_pack("{s:s}", "target", "t");
        struct request_release released;
        assert_ok(json_set_text(release, "nonce", repeated(&arena, 'a', size)));
        assert_string_equal(request_release_read(&arena, release, &released).why,
                            size <= 1024 ? "ok" : "vault.request.nonce");
        scoped_json *use = json_pack("{s:s}", "alg", "RSA-OAEP-256");
        struct request_use used;
        scoped_buffer octets;
        buffer_init(&octets, 2048);
        struct text encoded;
        uint8_t *all;
        assert_ok(buffer_extend(&octets, size, &all));
        memset(all, 1, size);
        assert_ok(encode_base64url(&arena, buffer_view(&octets), &encoded));
        assert_ok(json_set_text(use, "value", encoded));
        assert_string_equal(request_use_read(&arena, use, &used).why,
                            size <= 1024 ? "ok" : "vault.request.value");
    }
}

/* A good request with one member too large. NONCE_BYTES_MAX and DATA_BYTES_MAX are in
 * service/attest/request.c. */
static void calls_for_attestation(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        const char *member;
        size_t size;
        const char *want_why;
    } rows[] = {{NULL, "nonce", 1024, "ok"},
                {NULL, "nonce", 1025, "attest.request.member"},
                {"runtimeData", "data", 4 * (256 * 1024 / 3) + 8, "attest.request.data_size"}};
    const char *source = getenv("TRUCE_SOURCE");
    char path[4096];
    snprintf(path, sizeof path, "%s/test/corpus/attest-request/good", source != NULL ? source : ".");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_arena arena;
        arena_init(&arena, 16 * TEXT_BYTES_MAX);
        scoped_json *body = json_load_file(path, 0, NULL);
        assert_non_null(body);
        json_t *object = rows[i].object == NULL ? body : json_object_get(body, rows[i].object);
        assert_ok(json_set_text(object, rows[i].member, repeated(&arena, 'A', rows[i].size)));
        scoped_attest_request asked = {0};
        assert_string_equal(attest_request_parse(&arena, body, &asked).why, rows[i].want_why);
    }
}

static void evidence_is_bounded(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 16 * TEXT_BYTES_MAX);
    struct evidence evidence = {.family = TEXT("sim"),
                                .report = bytes_of_text(repeated(&arena, 'a', EVIDENCE_SIZE_MAX + 1))};
    evidence.certificates[0] = bytes_of_text(TEXT("a"));
    evidence.certificate_count = 1;
    scoped_json *json = NULL;
    struct evidence read;
    struct result result = evidence_to_json(&evidence, &json);
    result = result_is_ok(result) ? evidence_from_json(&arena, json, &read) : result;
    assert_why(result, LIMIT, "evidence.size");
}

static void json_is_bounded(void **state)
{
    (void)state;
    uint8_t *spaces = malloc((size_t)JSON_SIZE_MAX + 1);
    assert_non_null(spaces);
    memset(spaces, ' ', (size_t)JSON_SIZE_MAX + 1);
    json_t *json = NULL;
    assert_why(json_decode((struct bytes){spaces, (size_t)JSON_SIZE_MAX + 1}, &json), LIMIT, "json.size");
    free(spaces);
}

static void what_verifiers_judge(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 16 * TEXT_BYTES_MAX);
    struct runtime_data runtime;
    assert_why(
        runtime_data_parse(&arena, bytes_of_text(repeated(&arena, ' ', RUNTIME_DATA_SIZE_MAX + 1)), &runtime),
        LIMIT, "runtime.size");
    scoped_json *policy = json_pack("{s:s, s:[]}", "version", "1.0.0", "anyOf");
    for (size_t i = 0; i <= RELEASE_POLICY_AUTHORITIES_MAX; i++) {
        assert_ok(json_add(json_object_get(policy, "anyOf"), json_object()));
    }
    struct text text;
    struct release_policy parsed;
    assert_ok(json_encode_text(&arena, policy, &text));
    assert_why(release_policy_parse(bytes_of_text(text), &parsed), LIMIT, "release_policy.authorities");
}

static void requests_of_a_room(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, TEXT_BYTES_MAX);
    for (size_t count = DATA_SEGMENTS_MAX; count <= DATA_SEGMENTS_MAX + 1; count++) {
        struct text text;
        scoped_data_request request = {0};
        assert_ok(arena_printf(
            &arena, &text,
            "{\"count\":%zu,\"dataset\":\"bureau/flights\",\"first\":0,\"part\":0,\"version\":1}", count));
        assert_string_equal(data_request_parse(bytes_of_text(text), true, &request).why,
                            count <= DATA_SEGMENTS_MAX ? "ok" : "json.member.out_of_range");
    }
}

static void connections_of_a_courier(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, 16 * TEXT_BYTES_MAX);
    struct connection connection;
    struct text huge = repeated(&arena, ' ', CONNECTION_FILE_BYTES_MAX + 1);
    assert_why(connection_parse(&arena, bytes_of_text(huge), &connection), LIMIT, "connection.size");
    char folder[] = "/tmp/truce-limit-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct text names[CONNECTIONS_MAX + 1];
    size_t count;
    for (size_t i = 0; i <= CONNECTIONS_MAX; i++) {
        assert_ok(arena_printf(&arena, &names[i], "%s/%02zu.json", folder, i));
        assert_ok(file_write(names[i], bytes_of_text(TEXT("{}"))));
    }
    struct text listed[CONNECTIONS_MAX];
    assert_why(folder_list(&arena, text_of(folder), ".json", CONNECTIONS_MAX, listed, &count), LIMIT,
               "setup.folder.too_many");
    struct connections connections = {0};
    assert_why(connections_open(text_of(folder), &connections), LIMIT, "setup.folder.too_many");
    struct text big = repeated(&arena, ' ', SETUP_FILE_BYTES_MAX + 1);
    struct bytes content;
    assert_ok(file_write(names[0], bytes_of_text(big)));
    assert_why(file_read(&arena, names[0], &content), LIMIT, "setup.file.too_large");
    for (size_t i = 0; i <= CONNECTIONS_MAX; i++) {
        const char *path;
        assert_ok(arena_cstring(&arena, names[i], &path));
        unlink(path);
    }
    rmdir(folder);
}

static void headers_of_a_reply(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, TEXT_BYTES_MAX);
    struct http_request request = {.arena = &arena};
    struct http_reply reply = {.file = -1};
    for (size_t i = 0; i < HTTP_REPLY_HEADERS_MAX; i++) {
        assert_ok(reply_header(&request, &reply, "X", TEXT("y")));
    }
    assert_why(reply_header(&request, &reply, "X", TEXT("y")), LIMIT, "http.reply.headers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_a_vault),       cmocka_unit_test(uses_of_a_key),
        cmocka_unit_test(calls_for_attestation), cmocka_unit_test(what_verifiers_judge),
        cmocka_unit_test(requests_of_a_room),    cmocka_unit_test(connections_of_a_courier),
        cmocka_unit_test(headers_of_a_reply),    cmocka_unit_test(evidence_is_bounded),
        cmocka_unit_test(json_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
