/* Runtime data, reports, tokens and release policies: what is read, and every refusal with its own reason. */
#include "attest/release_policy.h"
#include "attest/report.h"
#include "attest/runtime_data.h"
#include "attest/token.h"
#include "attest/x5c.h"
#include "crypto/certificate.h"
#include "crypto/test_support.h"

#define ISSUER "https://attest.example"
enum { NOW = 1800000000 };

struct fixture {
    struct world world;
    struct arena arena;
    struct key rsa, ec, stranger;
    struct bytes run_octets;
    struct bytes instance_octets;
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->world = world_of_system();
    arena_init(&fixture->arena, 32 * 1024 * 1024);
    assert_ok(key_generate(KEY_RSA, 2048, &fixture->rsa));
    assert_ok(key_generate(KEY_RSA, 2048, &fixture->stranger));
    assert_ok(key_generate(KEY_EC_P256, 0, &fixture->ec));
    struct runtime_data run = {.purpose = RUNTIME_RUN,
                               .nonce = {7},
                               .contract = {{1}},
                               .run_request = {{2}},
                               .encryption_key = fixture->rsa,
                               .receipt_key = fixture->ec};
    struct runtime_data instance = {.purpose = RUNTIME_INSTANCE, .encryption_key = fixture->ec};
    assert_ok(runtime_data_build(&fixture->arena, &run, &fixture->run_octets));
    assert_ok(runtime_data_build(&fixture->arena, &instance, &fixture->instance_octets));
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    key_release(&fixture->rsa);
    key_release(&fixture->stranger);
    key_release(&fixture->ec);
    arena_release(&fixture->arena);
    free(fixture);
    return 0;
}

/* `text` with the first `from` replaced by `to`; fails where there is none. */
static struct text replaced(struct arena *arena, struct text text, const char *from, const char *to)
{
    const char *at = memmem(text.data, text.size, from, strlen(from));
    assert_non_null(at);
    size_t head = (size_t)(at - text.data);
    struct text tail = {at + strlen(from), text.size - head - strlen(from)};
    struct text out = {0};
    assert_ok(arena_printf(arena, &out, "%.*s%s%.*s", (int)head, text.data, to, TEXT_ARGS(tail)));
    return out;
}

static void runtime_data_round_trip(void **state)
{
    struct fixture *fixture = *state;
    scoped_runtime_data run = {0};
    scoped_runtime_data instance = {0};
    assert_ok(runtime_data_parse(&fixture->arena, fixture->run_octets, &run));
    assert_int_equal(run.purpose, RUNTIME_RUN);
    assert_int_equal(run.contract.octets[0], 1);
    assert_int_equal(run.run_request.octets[0], 2);
    assert_int_equal(run.nonce[0], 7);
    assert_false(run.encryption_key.is_private);
    struct digest left, right;
    assert_ok(key_pin(&run.encryption_key, &left));
    assert_ok(key_pin(&fixture->rsa, &right));
    assert_true(digest_equal(&left, &right));
    assert_ok(runtime_data_parse(&fixture->arena, fixture->instance_octets, &instance));
    assert_int_equal(instance.purpose, RUNTIME_INSTANCE);
    assert_null(instance.receipt_key.pkey);
    uint8_t bound[RUNTIME_REPORT_DATA_BYTES];
    runtime_data_bind(fixture->run_octets, bound);
    struct digest digest = digest_of(fixture->run_octets);
    assert_memory_equal(bound, digest.octets, DIGEST_BYTES);
    static const uint8_t zeros[32];
    assert_memory_equal(bound + 32, zeros, 32);
}

static const struct {
    const char *from, *to;
    const char *want;
} bad_runtime[] = {
    {"\"purpose\":\"run\"", "\"purpose\":\"fun\"", "runtime.purpose"},
    {"\"purpose\":\"run\"", "\"purpose\":\"instance\"", "json.member.unknown"},
    {"\"purpose\":\"run\"", "\"purpose\":7", "json.member.not_text"},
    {"{\"contract\"", "{\"also\":1,\"contract\"", "json.member.unknown"},
    {"{\"contract\"", "{ \"contract\"", "runtime.not_canonical"},
    {"\"contract\":\"sha256:", "\"contract\":\"sha512:", "digest.form"},
    {"\"contract\":", "\"run_request\":", "json.duplicate_member"},
    {"\"use\":\"enc\"", "\"use\":\"sig\"", "runtime.key.use"},
    {"\"use\":\"sig\"", "\"use\":\"enc\"", "runtime.key.use"},
    {"truce-wrap", "truce-warp", "runtime.key.kid"},
    {"truce-receipt", "truce-wrap", "runtime.key.kid"},
    {"\"kty\":\"RSA\"", "\"d\":\"AQ\",\"kty\":\"RSA\"", "json.member.unknown"},
    {"\"e\":\"AQAB\"", "\"e\":\"AQ\"", "key.rsa.exponent"},
    {"\"nonce\":\"", "\"nonce\":\"AAAA", "runtime.nonce"},
    {"\"keys\":[", "\"keys\":[{},", "runtime.key.count"},
    {"\"kty\":\"EC\"", "\"kty\":\"RSA\"", "json.member.missing"},
};

static void runtime_data_is_strict(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof bad_runtime / sizeof *bad_runtime; i++) {
        struct text bad = replaced(&fixture->arena, text_of_bytes(fixture->run_octets), bad_runtime[i].from,
                                   bad_runtime[i].to);
        scoped_runtime_data out = {0};
        struct result result = runtime_data_parse(&fixture->arena, bytes_of_text(bad), &out);
        assert_false(result_is_ok(result));
        if (strcmp(bad_runtime[i].want, result.why) != 0) {
            print_error("row %zu: %s, want %s\n", i, result.why, bad_runtime[i].want);
        }
        assert_string_equal(result.why, bad_runtime[i].want);
        assert_null(out.encryption_key.pkey);
    }
    struct runtime_data wrong = {
        .purpose = RUNTIME_RUN, .encryption_key = fixture->ec, .receipt_key = fixture->ec};
    struct bytes octets;
    assert_why(runtime_data_build(&fixture->arena, &wrong, &octets), INVALID, "runtime.key.kind");
    wrong.purpose = RUNTIME_NONE;
    assert_why(runtime_data_build(&fixture->arena, &wrong, &octets), INVALID, "runtime.purpose");
}

static void there_is_one_wrapping_key(void **state)
{
    struct fixture *fixture = *state;
    scoped_json *runtime = NULL;
    scoped_key key = {0};
    struct text kid;
    assert_ok(json_decode(fixture->run_octets, &runtime));
    assert_ok(runtime_wrapping_key(runtime, &key, &kid));
    assert_true(text_is(kid, "truce-wrap"));
    json_t *keys = json_object_get(runtime, "keys");
    assert_int_equal(json_array_append(keys, json_array_get(keys, 0)), 0);
    assert_why(runtime_wrapping_key(runtime, &key, &kid), INVALID, "runtime.key.several");
    assert_int_equal(json_array_remove(keys, 0), 0);
    assert_int_equal(json_array_remove(keys, 1), 0);
    assert_why(runtime_wrapping_key(runtime, &key, &kid), INVALID, "runtime.key.none");
    assert_int_equal(json_object_set_new(json_array_get(keys, 0), "key_ops", json_pack("[s]", "encrypt")), 0);
    assert_why(runtime_wrapping_key(runtime, &key, &kid), INVALID, "runtime.key.kind");
    assert_why(runtime_wrapping_key(keys, &key, &kid), INVALID, "json.member.missing");
}

/* ---- Tokens ---- */

struct token_case {
    const char *name;
    const char *claim; /* changed to `value`, or removed where that is NULL */
    json_t *value;
    const char *want;
    enum result_code code;
};

static json_t *good_claims(struct fixture *fixture)
{
    json_t *claims = json_pack("{s:s,s:I,s:I,s:I,s:s,s:s,s:s}", "iss", ISSUER, "iat", (json_int_t)NOW, "nbf",
                               (json_int_t)NOW, "exp", (json_int_t)NOW + 28800, "x-ms-ver", "1.0",
                               "x-ms-policy-hash", "abc", "nonce", "n1");
    json_t *runtime = NULL;
    uint8_t bound[RUNTIME_REPORT_DATA_BYTES];
    struct text hex;
    assert_ok(json_decode(fixture->run_octets, &runtime));
    runtime_data_bind(fixture->run_octets, bound);
    assert_ok(encode_hex(&fixture->arena, BYTES_OF(bound), &hex));
    assert_ok(json_set(claims, "x-ms-runtime", runtime));
    assert_ok(json_set_text(claims, "x-ms-sevsnpvm-reportdata", hex));
    return claims;
}

static struct text token_of(struct fixture *fixture, const json_t *claims, const struct key *key,
                            enum key_algorithm algorithm, const char *kid)
{
    scoped_json *header = json_object();
    scoped_buffer token;
    buffer_init(&token, 65536);
    struct text out;
    if (kid != NULL) {
        assert_ok(json_set_text(header, "kid", text_of(kid)));
    }
    assert_ok(jwt_sign(header, claims, key, algorithm, &token));
    assert_ok(arena_copy_text(&fixture->arena, buffer_text(&token), &out));
    return out;
}

static struct bytes jwks_of(struct fixture *fixture, const struct key *key, const char *kid)
{
    scoped_json *set = json_pack("{s:[]}", "keys");
    json_t *jwk;
    struct text text;
    assert_ok(key_to_jwk(key, &jwk));
    assert_ok(json_add(json_object_get(set, "keys"), jwk));
    assert_ok(json_set_text(jwk, "kid", text_of(kid)));
    assert_ok(json_encode_text(&fixture->arena, set, &text));
    return bytes_of_text(text);
}

static struct token_authority authority_of(const struct key *key)
{
    struct token_authority authority = {
        .issuer = TEXT(ISSUER "/"), .key_count = 1, .policy_hash = TEXT("abc")};
    assert_ok(key_pin(key, &authority.keys[0]));
    return authority;
}

static struct result verify(struct fixture *fixture, struct text token, struct bytes jwks,
                            const struct token_authority *authority, const struct token_demand *demand,
                            json_t **out)
{
    scoped_jwt_keys keys = {0};
    assert_ok(jwt_keys_from_jwks(&fixture->arena, jwks, &keys));
    return token_verify(&fixture->arena, token, &keys, authority, demand, out);
}

static const struct token_demand demand = {.unix_seconds = NOW + 60, .skew_seconds = 300, .nonce = {"n1", 2}};

static void a_good_token_gives_its_claims(void **state)
{
    struct fixture *fixture = *state;
    scoped_json *claims = good_claims(fixture);
    scoped_json *verified = NULL;
    scoped_json *without_clock = NULL;
    struct token_authority authority = authority_of(&fixture->rsa);
    struct text token = token_of(fixture, claims, &fixture->rsa, KEY_RS256, "k");
    struct bytes jwks = jwks_of(fixture, &fixture->rsa, "k");
    assert_ok(verify(fixture, token, jwks, &authority, &demand, &verified));
    assert_true(json_equal(verified, claims));
    struct token_demand no_clock = {.without_clock = true, .nonce = TEXT("n1")};
    assert_ok(verify(fixture, token, jwks, &authority, &no_clock, &without_clock));
    int64_t issued;
    assert_ok(token_issued_at(without_clock, &issued));
    assert_int_equal(issued, NOW);
    assert_ok(token_check_times(without_clock, NOW, 0));
    assert_why(token_check_times(without_clock, NOW + 28800, 0), EXPIRED, "token.expired");
    assert_why(token_check_times(without_clock, NOW - 1, 0), UNTRUSTED, "token.not_yet_valid");
    assert_ok(token_check_runtime(verified, fixture->run_octets));
    assert_why(token_check_runtime(verified, fixture->instance_octets), UNTRUSTED, "token.runtime");
    assert_ok(json_set_text(verified, "x-ms-sevsnpvm-reportdata", TEXT("00")));
    assert_why(token_check_runtime(verified, fixture->run_octets), UNTRUSTED, "token.report_data");
}

static void every_wrong_claim_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct token_case cases[] = {
        {"other issuer", "iss", json_string("https://attest.example.org"), "token.issuer", RESULT_UNTRUSTED},
        {"two slashes", "iss", json_string(ISSUER "//"), "token.issuer", RESULT_UNTRUSTED},
        {"issuer of another case", "iss", json_string("https://Attest.example"), "token.issuer",
         RESULT_UNTRUSTED},
        {"no issuer", "iss", NULL, "token.issuer", RESULT_UNTRUSTED},
        {"issuer no text", "iss", json_integer(1), "token.issuer", RESULT_UNTRUSTED},
        {"other version", "x-ms-ver", json_string("2.0"), "token.version", RESULT_UNTRUSTED},
        {"no version", "x-ms-ver", NULL, "token.version", RESULT_UNTRUSTED},
        {"version no text", "x-ms-ver", json_integer(1), "token.version", RESULT_UNTRUSTED},
        {"other policy", "x-ms-policy-hash", json_string("abd"), "token.policy_hash", RESULT_UNTRUSTED},
        {"no policy", "x-ms-policy-hash", NULL, "token.policy_hash", RESULT_UNTRUSTED},
        {"other nonce", "nonce", json_string("n2"), "token.nonce", RESULT_UNTRUSTED},
        {"no nonce", "nonce", NULL, "token.nonce", RESULT_UNTRUSTED},
        {"expired", "exp", json_integer(NOW - 241), "token.expired", RESULT_EXPIRED},
        {"no expiry", "exp", NULL, "token.claims", RESULT_INVALID},
        {"expiry no number", "exp", json_string("1900000000"), "token.claims", RESULT_INVALID},
        {"negative expiry", "exp", json_integer(-1), "token.claims", RESULT_INVALID},
        {"huge expiry", "exp", json_integer(INT64_MAX), "token.claims", RESULT_INVALID},
        {"no issue time", "iat", NULL, "token.claims", RESULT_INVALID},
        {"issued later", "iat", json_integer(NOW + 361), "token.not_yet_valid", RESULT_UNTRUSTED},
        {"valid later", "nbf", json_integer(NOW + 361), "token.not_yet_valid", RESULT_UNTRUSTED},
    };
    struct token_authority authority = authority_of(&fixture->rsa);
    struct bytes jwks = jwks_of(fixture, &fixture->rsa, "k");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scoped_json *claims = good_claims(fixture);
        scoped_json *out = NULL;
        if (cases[i].value == NULL) {
            assert_int_equal(json_object_del(claims, cases[i].claim), 0);
        } else {
            assert_int_equal(json_object_set_new(claims, cases[i].claim, cases[i].value), 0);
        }
        struct text token = token_of(fixture, claims, &fixture->rsa, KEY_RS256, "k");
        struct result result = verify(fixture, token, jwks, &authority, &demand, &out);
        if (strcmp(result.why, cases[i].want) != 0) {
            print_error("%s: %s\n", cases[i].name, result.why);
        }
        assert_why_at(result, cases[i].code, cases[i].want, __FILE__, __LINE__);
        assert_null(out);
    }
}

static void only_pinned_keys_sign(void **state)
{
    struct fixture *fixture = *state;
    scoped_json *claims = good_claims(fixture);
    scoped_json *out = NULL;
    struct token_authority authority = authority_of(&fixture->rsa);
    struct bytes jwks = jwks_of(fixture, &fixture->rsa, "k");
    struct bytes strangers = jwks_of(fixture, &fixture->stranger, "k");
    struct text good = token_of(fixture, claims, &fixture->rsa, KEY_RS256, "k");
    struct text forged = token_of(fixture, claims, &fixture->stranger, KEY_RS256, "k");
    assert_why(verify(fixture, forged, strangers, &authority, &demand, &out), UNTRUSTED,
               "token.key_not_pinned");
    assert_why(verify(fixture, forged, jwks, &authority, &demand, &out), UNTRUSTED, "jwt.signature");
    struct text unknown = token_of(fixture, claims, &fixture->rsa, KEY_RS256, "other");
    assert_why(verify(fixture, unknown, jwks, &authority, &demand, &out), UNTRUSTED, "token.key_unknown");
    struct text unnamed = token_of(fixture, claims, &fixture->rsa, KEY_RS256, NULL);
    assert_why(verify(fixture, unnamed, jwks, &authority, &demand, &out), UNTRUSTED, "token.key_unnamed");
    struct text pss = token_of(fixture, claims, &fixture->rsa, KEY_PS256, "k");
    assert_why(verify(fixture, pss, jwks, &authority, &demand, &out), UNTRUSTED, "jwt.algorithm");
    struct text none = replaced(&fixture->arena, good, ".", "_."); /* the header is what is signed */
    assert_false(result_is_ok(verify(fixture, none, jwks, &authority, &demand, &out)));
    authority.key_count = 0;
    assert_why(verify(fixture, good, jwks, &authority, &demand, &out), UNTRUSTED, "token.key_not_pinned");
    assert_null(out);
    assert_false(token_issuer_equal(TEXT(""), TEXT("")));
}

static struct bytes jwks_with_x5c(struct fixture *fixture, const struct key *certified,
                                  const struct key *stated)
{
    scoped_certificate certificate = {0};
    scoped_buffer der;
    buffer_init(&der, 65536);
    struct certificate_request request = {
        .subject_key = certified, .common_name = TEXT("t"), .not_before = NOW, .not_after = NOW + 1};
    assert_ok(certificate_issue(&fixture->world, &request, NULL, certified, &certificate));
    assert_ok(certificate_to_der(&certificate, &der));
    struct text base64, text;
    assert_ok(encode_base64(&fixture->arena, buffer_view(&der), &base64));
    scoped_json *set = json_pack("{s:[]}", "keys");
    json_t *jwk = json_object();
    if (stated != NULL) {
        json_decref(jwk);
        assert_ok(key_to_jwk(stated, &jwk));
    }
    assert_ok(json_add(json_object_get(set, "keys"), jwk));
    assert_ok(json_set_text(jwk, "kid", TEXT("k")));
    assert_ok(json_set(jwk, "x5c", json_array()));
    assert_ok(json_add_text(json_object_get(jwk, "x5c"), base64));
    assert_ok(json_encode_text(&fixture->arena, set, &text));
    return bytes_of_text(text);
}

static void keys_come_as_certificates(void **state)
{
    struct fixture *fixture = *state;
    scoped_jwt_keys bare = {0};
    scoped_jwt_keys both = {0};
    scoped_jwt_keys plain = {0};
    scoped_jwt_keys refused = {0};
    struct digest pin;
    assert_ok(key_pin(&fixture->rsa, &pin));
    assert_ok(x5c_keys_from_jwks(&fixture->arena, jwks_with_x5c(fixture, &fixture->rsa, NULL), &bare));
    assert_int_equal(bare.count, 1);
    assert_true(digest_equal(&bare.rows[0].pin, &pin));
    assert_ok(
        x5c_keys_from_jwks(&fixture->arena, jwks_with_x5c(fixture, &fixture->rsa, &fixture->rsa), &both));
    assert_true(digest_equal(&both.rows[0].pin, &pin));
    assert_ok(x5c_keys_from_jwks(&fixture->arena, jwks_of(fixture, &fixture->rsa, "k"), &plain));
    assert_int_equal(plain.count, 1);
    assert_why(x5c_keys_from_jwks(&fixture->arena, jwks_with_x5c(fixture, &fixture->stranger, &fixture->rsa),
                                  &refused),
               UNTRUSTED, "x5c.key_differs");
    assert_int_equal(refused.count, 0);
}

/* ---- Release policies ---- */

#define POLICY(rest) "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" ISSUER "/\"," rest "}]}"
#define ALL(conditions) POLICY("\"allOf\":[" conditions "]")
#define CLAIMS                                                                                               \
    "{\"type\":\"sim\",\"flag\":false,\"n\":7,\"neg\":-3,\"a\":{\"b\":{\"c\":\"deep\"},\"b.c\":\"longer\"}," \
    "\"a.x\":\"dot\","                                                                                       \
    "\"list\":[\"sim\"],\"object\":{},\"digits\":\"12\",\"null\":null}"

static const struct {
    const char *policy;
    const char *want_why; /* NULL: allowed */
    const char *want_claim;
} decisions[] = {
    {ALL("{\"claim\":\"type\",\"equals\":\"sim\"}"), NULL, NULL},
    {ALL("{\"claim\":\"type\",\"equals\":\"Sim\"}"), "release_policy.claim.differs", "type"},
    {ALL("{\"claim\":\"type\",\"condition\":\"equals\",\"value\":\"sim\"}"), NULL, NULL},
    {ALL("{\"claim\":\"type\",\"condition\":\"equals\",\"value\":\"sin\"}"), "release_policy.claim.differs",
     "type"},
    {ALL("{\"claim\":\"flag\",\"equals\":\"false\"}"), NULL, NULL},
    {ALL("{\"claim\":\"flag\",\"equals\":false}"), NULL, NULL},
    {ALL("{\"claim\":\"flag\",\"equals\":\"true\"}"), "release_policy.claim.differs", "flag"},
    {ALL("{\"claim\":\"flag\",\"equals\":\"0\"}"), "release_policy.claim.differs", "flag"},
    {ALL("{\"claim\":\"n\",\"equals\":\"7\"}"), NULL, NULL},
    {ALL("{\"claim\":\"n\",\"equals\":\"07\"}"), "release_policy.claim.differs", "n"},
    {ALL("{\"claim\":\"n\",\"notEquals\":8}"), NULL, NULL},
    {ALL("{\"claim\":\"n\",\"notEquals\":\"7\"}"), "release_policy.claim.differs", "n"},
    {ALL("{\"claim\":\"absent\",\"notEquals\":\"7\"}"), "release_policy.claim.absent", "absent"},
    {ALL("{\"claim\":\"absent\",\"equals\":\"\"}"), "release_policy.claim.absent", "absent"},
    {ALL("{\"claim\":\"null\",\"equals\":\"null\"}"), "release_policy.claim.type", "null"},
    {ALL("{\"claim\":\"list\",\"equals\":\"sim\"}"), "release_policy.claim.type", "list"},
    {ALL("{\"claim\":\"object\",\"notEquals\":\"x\"}"), "release_policy.claim.type", "object"},
    {ALL("{\"claim\":\"n\",\"less\":8}"), NULL, NULL},
    {ALL("{\"claim\":\"n\",\"less\":\"7\"}"), "release_policy.claim.order", "n"},
    {ALL("{\"claim\":\"n\",\"lessOrEquals\":\"7\"}"), NULL, NULL},
    {ALL("{\"claim\":\"n\",\"greater\":\"6\"}"), NULL, NULL},
    {ALL("{\"claim\":\"n\",\"greater\":\"7\"}"), "release_policy.claim.order", "n"},
    {ALL("{\"claim\":\"n\",\"greaterOrEquals\":\"7\"}"), NULL, NULL},
    {ALL("{\"claim\":\"n\",\"greaterOrEquals\":\"10\"}"), "release_policy.claim.order", "n"},
    {ALL("{\"claim\":\"neg\",\"less\":\"-2\"}"), NULL, NULL},
    {ALL("{\"claim\":\"digits\",\"greater\":\"9\"}"), NULL, NULL},
    {ALL("{\"claim\":\"type\",\"greater\":\"1\"}"), "release_policy.claim.type", "type"},
    {ALL("{\"claim\":\"flag\",\"exists\":true}"), NULL, NULL},
    {ALL("{\"claim\":\"absent\",\"exists\":\"true\"}"), "release_policy.claim.existence", "absent"},
    {ALL("{\"claim\":\"absent\",\"exists\":\"false\"}"), NULL, NULL},
    {ALL("{\"claim\":\"flag\",\"exists\":false}"), "release_policy.claim.existence", "flag"},
    {ALL("{\"claim\":\"a.b.c\",\"equals\":\"longer\"}"), NULL, NULL},
    {ALL("{\"claim\":\"a.x\",\"equals\":\"dot\"}"), NULL, NULL},
    {ALL("{\"claim\":\"type.x\",\"equals\":\"sim\"}"), "release_policy.claim.absent", "type.x"},
    {ALL("{\"claim\":\"a.\",\"equals\":\"sim\"}"), "release_policy.claim.absent", "a."},
    {ALL("{\"claim\":\"type\",\"equals\":\"sim\"},{\"claim\":\"n\",\"equals\":\"8\"}"),
     "release_policy.claim.differs", "n"},
    {POLICY("\"anyOf\":[{\"claim\":\"n\",\"equals\":\"8\"},{\"claim\":\"type\",\"equals\":\"sim\"}]"), NULL,
     NULL},
    {POLICY("\"anyOf\":[{\"claim\":\"n\",\"equals\":\"8\"},{\"claim\":\"flag\",\"equals\":\"x\"}]"),
     "release_policy.claim.differs", "n"},
    {ALL("{\"anyOf\":[{\"claim\":\"n\",\"equals\":\"8\"},{\"allOf\":[{\"claim\":\"n\",\"equals\":7}]}]}"),
     NULL, NULL},
    {ALL("{\"anyOf\":[{\"claim\":\"n\",\"equals\":\"8\"},{\"allOf\":[{\"claim\":\"n\",\"equals\":9}]}]}"),
     "release_policy.claim.differs", "n"},
    {"{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://"
     "other.example\",\"allOf\":[{\"claim\":\"type\",\"exists\":"
     "true}]}]}",
     "release_policy.authority.none", NULL},
    {"{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://"
     "other.example\",\"allOf\":[{\"claim\":\"n\",\"equals\":1}]},"
     "{\"authority\":\"" ISSUER "\",\"allOf\":[{\"claim\":\"n\",\"equals\":8}]},"
     "{\"authority\":\"" ISSUER "\",\"allOf\":[{\"claim\":\"n\",\"equals\":7}]}]}",
     NULL, NULL},
};

static void policies_decide(void **state)
{
    (void)state;
    scoped_json *claims = NULL;
    assert_ok(json_decode(bytes_of_text(TEXT(CLAIMS)), &claims));
    for (size_t i = 0; i < sizeof decisions / sizeof *decisions; i++) {
        scoped_release_policy policy = {0};
        assert_ok(release_policy_parse(bytes_of_text(text_of(decisions[i].policy)), &policy));
        struct release_decision decision = release_policy_evaluate(&policy, TEXT(ISSUER), claims);
        const char *want = decisions[i].want_why == NULL ? "ok" : decisions[i].want_why;
        if (strcmp(decision.why, want) != 0) {
            print_error("%s: %s\n", decisions[i].policy, decision.why);
        }
        assert_string_equal(decision.why, want);
        assert_int_equal(decision.verdict, decisions[i].want_why == NULL ? VERDICT_ALLOW : VERDICT_DENY);
        assert_true(text_equal(decision.claim, text_of(decisions[i].want_claim)));
    }
}

static const struct {
    const char *policy;
    const char *want;
} bad_policies[] = {
    {"[]", "release_policy.form"},
    {"{}", "release_policy.members"},
    {"{\"version\":\"1.0.0\",\"anyOf\":[],\"x\":1}", "release_policy.members"},
    {"{\"version\":\"9\",\"anyOf\":[]}", "release_policy.version"},
    {"{\"version\":\"1.0.0\",\"anyOf\":[]}", "release_policy.list.empty"},
    {"{\"version\":\"1.0.0\",\"anyOf\":{}}", "release_policy.list.empty"},
    {"{\"version\":\"1.0.0\",\"anyOf\":[7]}", "release_policy.entry.form"},
    {"{\"version\":\"1.0.0\",\"anyOf\":[{\"allOf\":[]}]}", "release_policy.authority.form"},
    {"{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"\",\"allOf\":[]}]}",
     "release_policy.authority.form"},
    {POLICY("\"x\":1"), "release_policy.node.members"},
    {POLICY("\"allOf\":[]"), "release_policy.list.empty"},
    {POLICY("\"anyOf\":[]"), "release_policy.list.empty"},
    {POLICY("\"allOf\":{}"), "release_policy.list.form"},
    {POLICY("\"allOf\":[{\"claim\":\"a\",\"equals\":\"1\"}],\"anyOf\":[{\"claim\":\"a\",\"equals\":\"1\"}]"),
     "release_policy.node.members"},
    {ALL("7"), "release_policy.node.form"},
    {ALL("{}"), "release_policy.node.members"},
    {ALL("{\"allOf\":[]}"), "release_policy.list.empty"},
    {ALL("{\"claim\":\"a\"}"), "release_policy.condition.operator"},
    {ALL("{\"claim\":\"a\",\"like\":\"b\"}"), "release_policy.condition.operator"},
    {ALL("{\"claim\":\"a\",\"Equals\":\"b\"}"), "release_policy.condition.operator"},
    {ALL("{\"claim\":\"a\",\"equals\":\"b\",\"notEquals\":\"c\"}"), "release_policy.condition.operator"},
    {ALL("{\"claim\":\"a\",\"condition\":\"equals\"}"), "release_policy.condition.operator"},
    {ALL("{\"claim\":\"a\",\"condition\":\"like\",\"value\":\"b\"}"), "release_policy.condition.operator"},
    {ALL("{\"claim\":7,\"equals\":\"b\"}"), "release_policy.condition.claim"},
    {ALL("{\"claim\":\"\",\"equals\":\"b\"}"), "release_policy.condition.claim"},
    {ALL("{\"claim\":\"a\",\"equals\":null}"), "release_policy.condition.value"},
    {ALL("{\"claim\":\"a\",\"equals\":[]}"), "release_policy.condition.value"},
    {ALL("{\"claim\":\"a\",\"equals\":1.5}"), "release_policy.condition.value"},
    {ALL("{\"claim\":\"a\",\"less\":\"x\"}"), "release_policy.condition.value"},
    {ALL("{\"claim\":\"a\",\"less\":\"1234567890123456789\"}"), "release_policy.condition.value"},
    {ALL("{\"claim\":\"a\",\"exists\":\"yes\"}"), "release_policy.condition.value"},
    {ALL("{\"claim\":\"a\",\"equals\":\"b\",\"equals\":\"c\"}"), "json.duplicate_member"},
    {ALL("{\"allOf\":[{\"allOf\":[{\"allOf\":[{\"allOf\":[{\"allOf\":[{\"allOf\":[{\"allOf\":[{\"allOf\":[{"
         "\"claim\":\"a\",\"equals\":"
         "\"b\"}]}]}]}]}]}]}]}]}"),
     "release_policy.depth"},
    {"{", "json.syntax"},
};

static void policies_are_strict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_policies / sizeof *bad_policies; i++) {
        scoped_release_policy policy = {0};
        struct result result = release_policy_parse(bytes_of_text(text_of(bad_policies[i].policy)), &policy);
        if (strcmp(result.why, bad_policies[i].want) != 0) {
            print_error("%s: %s\n", bad_policies[i].policy, result.why);
        }
        assert_string_equal(result.why, bad_policies[i].want);
        assert_false(result_is_ok(result));
        assert_null(policy.json);
    }
    scoped_buffer big;
    buffer_init(&big, 1024 * 1024);
    assert_ok(
        buffer_add_text(&big, TEXT("{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"x\",\"allOf\":[")));
    for (int i = 0; i < RELEASE_POLICY_NODES_MAX + 1; i++) {
        assert_ok(buffer_printf(&big, "%s{\"claim\":\"a\",\"exists\":true}", i == 0 ? "" : ","));
    }
    assert_ok(buffer_add_text(&big, TEXT("]}]}")));
    scoped_release_policy policy = {0};
    assert_why(release_policy_parse(buffer_view(&big), &policy), LIMIT, "release_policy.nodes");
    uint8_t *rest;
    assert_ok(buffer_extend(&big, RELEASE_POLICY_SIZE_MAX, &rest));
    memset(rest, ' ', RELEASE_POLICY_SIZE_MAX);
    assert_why(release_policy_parse(buffer_view(&big), &policy), LIMIT, "release_policy.size");
}

#define M "{\"claim\":\"x-ms-sevsnpvm-launchmeasurement\",\"equals\":\"ab\"}"
#define R "{\"claim\":\"x-truce-simulation-root\",\"equals\":\"ab\"}"
#define H "{\"claim\":\"x-ms-sevsnpvm-hostdata\",\"equals\":\"ab\"}"
#define T(type) "{\"claim\":\"x-ms-attestation-type\",\"equals\":\"" type "\"}"

static const struct {
    const char *policy;
    bool want;
} identities[] = {
    {ALL(T("sim") "," M "," R), true},
    {ALL(T("sim") "," M), false},
    {ALL(T("sim") "," R), false},
    {ALL(M "," R), false},
    {ALL("{\"allOf\":[" T("sim") "]},{\"allOf\":[" M "," R "]}"), true},
    {POLICY("\"anyOf\":[" T("sim") "," M "," R "]"), false},
    {POLICY("\"anyOf\":[{\"allOf\":[" T("sim") "," M "," R "]},{\"allOf\":[" T("sim") "," R "," M "]}]"),
     true},
    {POLICY("\"anyOf\":[{\"allOf\":[" T("sim") "," M "," R "]}," T("sim") "]"), false},
    {ALL(T("sevsnpvm") "," H "," M), true},
    {ALL(T("sevsnpvm") "," H), false},
    {ALL(T("sevsnpvm") "," M), false},
    {ALL(T("sevsnpvm") "," H ",{\"claim\":\"x-ms-compliance-status\",\"equals\":\"azure-compliant-uvm\"}"),
     true},
    {ALL(T("sevsnpvm") "," H ",{\"claim\":\"x-ms-compliance-status\",\"equals\":\"azure-compliant-cvm\"}"),
     false},
    {ALL(T("sgx") ",{\"claim\":\"x-ms-sgx-mrenclave\",\"equals\":\"ab\"}"), true},
    {ALL(T("sgx") ",{\"claim\":\"x-ms-sgx-mrsigner\",\"equals\":\"ab\"}"), false},
    {ALL(T("sgx") ",{\"claim\":\"x-ms-sgx-mrenclave\",\"notEquals\":\"ab\"}"), false},
    {ALL(T("sgx") ",{\"claim\":\"x-ms-sgx-mrenclave\",\"equals\":\"\"}"), false},
    {ALL(T("sgx") ",{\"claim\":\"x-ms-sgx-mrenclave\",\"exists\":true}"), false},
    {ALL(T(
         "azurevm") ",{\"claim\":\"x-ms-isolation-tee.x-ms-sevsnpvm-launchmeasurement\",\"equals\":\"ab\"}"),
     false},
};

static void a_policy_must_name_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        scoped_release_policy policy = {0};
        assert_ok(release_policy_parse(bytes_of_text(text_of(identities[i].policy)), &policy));
        if (release_policy_names_code_identity(&policy) != identities[i].want) {
            fail_msg("%s", identities[i].policy);
        }
    }
}

static void what_we_build_holds(void **state)
{
    struct fixture *fixture = *state;
    char hex[97] = {0};
    memset(hex, 'a', 96);
    const struct release_policy_authority authorities[] = {{TEXT(ISSUER), TEXT("abc")},
                                                           {TEXT("https://b.example"), {0}}};
    struct release_policy_tee tee = {TEXT("sim"), text_of(hex), {{3}}};
    const struct digest contract = {{1}}, other = {{9}};
    struct bytes octets;
    scoped_release_policy policy = {0};
    assert_ok(release_policy_build(&fixture->arena, authorities, 2, &tee, 1, &contract, &octets));
    assert_ok(release_policy_parse(octets, &policy));
    assert_int_equal(policy.authority_count, 2);
    assert_true(release_policy_names_code_identity(&policy));
    assert_true(release_policy_names_contract(&policy, &contract));
    assert_false(release_policy_names_contract(&policy, &other));
    scoped_json *claims = good_claims(fixture);
    struct text root;
    assert_ok(digest_to_text(&fixture->arena, &tee.root, &root));
    assert_ok(json_set_text(claims, "x-ms-attestation-type", TEXT("sim")));
    assert_ok(json_set_text(claims, "x-ms-sevsnpvm-launchmeasurement", text_of(hex)));
    assert_ok(json_set_text(claims, "x-truce-simulation-root", root));
    assert_ok(json_set(claims, "x-ms-sevsnpvm-is-debuggable", json_false()));
    assert_int_equal(release_policy_evaluate(&policy, TEXT(ISSUER), claims).verdict, VERDICT_ALLOW);
    assert_int_equal(release_policy_evaluate(&policy, TEXT("https://b.example/"), claims).verdict,
                     VERDICT_ALLOW);
    assert_ok(json_set(claims, "x-ms-sevsnpvm-is-debuggable", json_true()));
    assert_string_equal(release_policy_evaluate(&policy, TEXT(ISSUER), claims).claim.data,
                        "x-ms-sevsnpvm-is-debuggable");
    tee.type = TEXT("sevsnpvm");
    assert_why(release_policy_build(&fixture->arena, authorities, 2, &tee, 1, &contract, &octets),
               UNSUPPORTED, "release_policy.tee");
    tee = (struct release_policy_tee){TEXT("sim"), TEXT("aa"), {{3}}};
    assert_why(release_policy_build(&fixture->arena, authorities, 2, &tee, 1, &contract, &octets), INVALID,
               "release_policy.measurement");
    assert_why(release_policy_build(&fixture->arena, authorities, 0, &tee, 1, &contract, &octets), INVALID,
               "release_policy.authority.none");
    assert_why(release_policy_build(&fixture->arena, authorities, 2, &tee, 0, &contract, &octets), INVALID,
               "release_policy.tee.none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runtime_data_round_trip),      cmocka_unit_test(runtime_data_is_strict),
        cmocka_unit_test(there_is_one_wrapping_key),    cmocka_unit_test(a_good_token_gives_its_claims),
        cmocka_unit_test(every_wrong_claim_is_refused), cmocka_unit_test(only_pinned_keys_sign),
        cmocka_unit_test(keys_come_as_certificates),    cmocka_unit_test(policies_decide),
        cmocka_unit_test(policies_are_strict),          cmocka_unit_test(a_policy_must_name_code),
        cmocka_unit_test(what_we_build_holds),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
