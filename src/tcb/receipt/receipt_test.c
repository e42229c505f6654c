/* A receipt judged again: a good one, and one change at a time, each refused with its own reason. */
#include "crypto/signature_der.h"
#include "crypto/test_support.h"
#include "receipt/receipt_test_set.h"

static struct result judge(struct arena *arena, const struct receipt_set *set,
                           const struct receipt_change *change, const struct receipt_verification *how,
                           json_t **out)
{
    struct bytes bundle, trust_octets;
    struct receipt_trust *trust;
    receipt_set_make(arena, set, change, &bundle, &trust_octets);
    assert_ok(ARENA_NEW(arena, struct receipt_trust, &trust));
    struct result parsed = receipt_trust_parse(arena, trust_octets, trust);
    return result_is_ok(parsed) ? receipt_verify(arena, bundle, trust, how, out) : parsed;
}

static const struct receipt_change unchanged = {0};
static const struct receipt_verification simulated = {.accept_simulated = true};

static void a_good_receipt_is_accepted(void **state)
{
    const struct receipt_set *set = *state;
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    scoped_json *report = NULL;
    struct digest result = digest_of(bytes_of_text(RECEIPT_SET_RESULT));
    struct receipt_verification how = {.accept_simulated = true, .result = &result};
    assert_ok(judge(&arena, set, &unchanged, &how, &report));
    json_t *statement = json_object_get(report, "statement"),
           *relied_on = json_object_get(report, "relied_on");
    assert_string_equal(json_string_value(json_object_get(statement, "predicateType")),
                        "urn:truce:receipt:1");
    assert_int_equal(json_array_size(json_object_get(json_object_get(statement, "predicate"), "inputs")), 3);
    assert_int_equal(json_array_size(relied_on), 3 + 2 + 3);
    const char *last = json_string_value(json_array_get(relied_on, 7));
    assert_non_null(strstr(last, "protects nothing"));
}

static void the_reader_says_what_it_expects(void **state)
{
    const struct receipt_set *set = *state;
    scoped_arena arena;
    arena_init(&arena, 256 * 1024 * 1024);
    scoped_json *report = NULL;
    const struct digest other = {{1}};
    struct receipt_verification how = {0};
    assert_why(judge(&arena, set, &unchanged, &how, &report), UNTRUSTED, "receipt.simulated");
    how = (struct receipt_verification){.accept_simulated = true, .result = &other};
    assert_why(judge(&arena, set, &unchanged, &how, &report), UNTRUSTED, "receipt.result");
    how = (struct receipt_verification){.accept_simulated = true, .run_request = &other};
    assert_why(judge(&arena, set, &unchanged, &how, &report), UNTRUSTED, "receipt.not_my_request");
    assert_null(report);
}

#define P "/predicate"
#define DIGEST "\"sha256:abababababababababababababababababababababababababababababababab\""

static const struct {
    struct receipt_change change;
    const char *want;
} refused[] = {
    /* the statement says something else than the documents */
    {{STAGE_EXPLAIN}, "contract.signature.explain"},
    {{STAGE_STATEMENT, P "/contract", "^"}, "receipt.contract"},
    {{STAGE_STATEMENT, P "/run", "^"}, "receipt.run"},
    {{STAGE_STATEMENT, P "/run_request", "^"}, "receipt.run_request"},
    {{STAGE_STATEMENT, P "/query/name", "\"other\""}, "receipt.query"},
    {{STAGE_STATEMENT, P "/query/canonical", "^"}, "receipt.query"},
    {{STAGE_STATEMENT, P "/query/executed", "^"}, "receipt.query"}, /* its query has a sealed parameter */
    {{STAGE_STATEMENT, P "/query/querier", "\"insurer\""}, "receipt.query"},
    {{STAGE_STATEMENT, P "/query/recipients/1", NULL}, "receipt.query"},
    {{STAGE_STATEMENT, P "/inputs/0", NULL}, "receipt.inputs"},
    {{STAGE_STATEMENT, P "/inputs/0/dataset", "\"bureau/flights\""}, "receipt.inputs"},
    {{STAGE_STATEMENT, P "/inputs/0/version", "2"}, "receipt.inputs"},
    {{STAGE_STATEMENT, P "/inputs/1/manifest", "^"}, "receipt.inputs"},
    {{STAGE_STATEMENT, P "/inputs/1/data", "^"}, "receipt.inputs"},
    {{STAGE_STATEMENT, P "/inputs/2/policy", "^"}, "receipt.inputs"},
    {{STAGE_STATEMENT, P "/inputs/2/columns/0", NULL}, "receipt.inputs"},
    {{STAGE_STATEMENT, P "/decision/mode", "\"list\""}, "receipt.decision"},
    {{STAGE_STATEMENT, P "/decision/rules/0", NULL}, "receipt.decision"},
    {{STAGE_STATEMENT, P "/decision/engine", "\"a\\u0001\""}, "receipt.decision"},
    {{STAGE_STATEMENT, P "/output/schema/0/type", "\"BIGINT\""}, "receipt.output"},
    {{STAGE_STATEMENT, P "/output/format", "\"json\""}, "receipt.output"},
    {{STAGE_STATEMENT, P "/output/size_class", "5000"}, "receipt.size_class"},
    {{STAGE_STATEMENT, P "/output/size_class", "2048"}, "receipt.size_class"},
    {{STAGE_STATEMENT, P "/output/encrypted_to/0", "~"}, "receipt.output"},
    {{STAGE_STATEMENT, P "/grants/0/owner", "\"insurer\""}, "receipt.grants"},
    {{STAGE_STATEMENT, P "/grants/1/digest", "^"}, "receipt.grants"},
    {{STAGE_STATEMENT, P "/code/type", "\"snp\""}, "receipt.code"},
    {{STAGE_STATEMENT, P "/code/measurement", "^"}, "receipt.code"},
    {{STAGE_STATEMENT, P "/attestation/0/token", "^"}, "receipt.attestation"},
    {{STAGE_STATEMENT, P "/attestation/0", NULL}, "receipt.attestation"},
    {{STAGE_STATEMENT, P "/runtime_data", "^"}, "receipt.runtime_data"},
    {{STAGE_STATEMENT, P "/time/released", "\"2026-11-23T21:00:01Z\""}, "receipt.time"},
    {{STAGE_STATEMENT, P "/time/source", "\"clock\""}, "receipt.time"},
    {{STAGE_STATEMENT, P "/salt", "\"AAAA\""}, "receipt.salt"},
    {{STAGE_STATEMENT, P "/room", NULL}, "json.member.missing"},
    {{STAGE_STATEMENT, P "/more", "1"}, "receipt.statement"},
    {{STAGE_STATEMENT, "/predicateType", "\"urn:truce:receipt:2\""}, "receipt.statement"},
    {{STAGE_STATEMENT, "/_type", "\"x\""}, "receipt.statement"},
    {{STAGE_STATEMENT, "/subject/0/name", "\"other\""}, "receipt.statement"},
    {{STAGE_STATEMENT, "/subject/0/digest/sha256", "\"00\""}, "receipt.subject"},
    /* the envelope */
    {{STAGE_BUNDLE, "/receipt/payloadType", "\"text/plain\""}, "receipt.payload_type"},
    {{STAGE_BUNDLE, "/receipt/signatures/0/sig", "\"AAAA\""}, "signature.der"},
    {{STAGE_BUNDLE, "/receipt/signatures/0/keyid", "\"another\""}, "receipt.key_id"},
    {{STAGE_BUNDLE, "/receipt/signatures/0", NULL}, "receipt.signatures"},
    {{STAGE_BUNDLE, "/receipt/payload", "\"e30=\""}, "receipt.signature"},
    {{STAGE_BUNDLE, "/receipt/payload", "\"eyB9\""}, "receipt.not_canonical"},
    {{STAGE_BUNDLE, "/receipt/more", "1"}, "json.member.unknown"},
    {{STAGE_BUNDLE, "/type", "\"receipt-bundle/2\""}, "receipt.bundle.type"},
    {{STAGE_BUNDLE, "/trust", "{}"}, "json.member.unknown"},
    /* the documents */
    {{STAGE_BUNDLE, "/run_request", NULL}, "receipt.run_request.missing"},
    {{STAGE_BUNDLE, "/grants/0", NULL}, "document.too_few"},
    {{STAGE_BUNDLE, "/manifests/0", NULL}, "document.too_few"},
    {{STAGE_BUNDLE, "/policies/0", NULL}, "document.too_few"},
    {{STAGE_BUNDLE, "/contract/signatures/0", NULL}, "contract.signature.missing"},
    {{STAGE_BUNDLE, "/contract/signatures/0/signature", "~"}, "jws.signature"},
    /* the runtime data, honestly attested */
    {{STAGE_RUNTIME, "/contract", DIGEST}, "receipt.runtime.contract"},
    {{STAGE_RUNTIME, "/run_request", DIGEST}, "receipt.runtime.run_request"},
    {{STAGE_RUNTIME, "/purpose", "\"other\""}, "runtime.purpose"},
    {{STAGE_BUNDLE, "/runtime_data", "\"e30\""}, "json.member.missing"},
    /* the evidence */
    {{STAGE_BUNDLE, "/evidence/family", "\"snp\""}, "evidence.family.unknown"},
    {{STAGE_BUNDLE, "/evidence/report", "~"}, "sim.reserved"},
    {{STAGE_BUNDLE, "/evidence/certificates/1", NULL}, "sim.root.untrusted"},
    {{STAGE_BUNDLE, "/evidence/certificates/0", NULL}, "sim.signature"},
    /* the tokens */
    {{STAGE_BUNDLE, "/tokens/0/token", "~"}, "jwt.signature"},
    {{STAGE_BUNDLE, "/tokens/0/party", "\"analyst\""}, "receipt.authority.not_in_contract"},
    {{STAGE_BUNDLE, "/tokens/0/issuer", "\"https://other.example\""}, "receipt.authority.not_in_contract"},
    {{STAGE_BUNDLE, "/tokens/0/jwks/keys/0", NULL}, "token.key_unknown"},
    {{STAGE_BUNDLE, "/tokens/0", NULL}, "receipt.token.missing"},
    {{STAGE_CLAIMS, "/nonce", "\"stale\""}, "token.nonce"},
    {{STAGE_CLAIMS, "/iss", "\"https://other.example\""}, "token.issuer"},
    {{STAGE_CLAIMS, "/x-ms-ver", "\"2.0\""}, "token.version"},
    {{STAGE_CLAIMS, "/x-ms-policy-hash", "~"}, "token.policy_hash"},
    {{STAGE_CLAIMS, "/x-ms-runtime/nonce", "~"}, "token.runtime"},
    {{STAGE_CLAIMS, "/x-ms-sevsnpvm-reportdata", "^"}, "token.report_data"},
    {{STAGE_CLAIMS, "/x-ms-sevsnpvm-launchmeasurement", "^"}, "receipt.token.evidence"},
    {{STAGE_CLAIMS, "/x-ms-sevsnpvm-is-debuggable", "true"}, "receipt.token.evidence"},
    {{STAGE_CLAIMS, "/x-ms-attestation-type", "\"sevsnpvm\""}, "receipt.token.evidence"},
    {{STAGE_CLAIMS, "/x-truce-simulation-root", NULL}, "receipt.token.evidence"},
    {{STAGE_CLAIMS, "/exp", "1795467000"}, "token.expired"},
    {{STAGE_CLAIMS, "/iat", "1895467600"}, "token.expired"},
    /* the verifier's own trust */
    {{STAGE_TRUST, "/parties/0", NULL}, "contract.party.not_known"},
    {{STAGE_TRUST, "/parties/1/fingerprint", "^"}, "contract.party.fingerprint"},
    {{STAGE_TRUST, "/authorities/0", NULL}, "receipt.authority.not_trusted"},
    {{STAGE_TRUST, "/authorities/0/keys/0", "^"}, "token.key_not_pinned"},
    {{STAGE_TRUST, "/authorities/0/policy_hash", "~"}, "token.policy_hash"},
    {{STAGE_TRUST, "/measurements/0", NULL}, "receipt.code.not_trusted"},
    {{STAGE_TRUST, "/measurements/0/measurement", "^"}, "receipt.code.not_trusted"},
    {{STAGE_TRUST, "/measurements/0/type", "\"snp\""}, "receipt.code.not_trusted"},
    {{STAGE_TRUST, "/roots/0", NULL}, "sim.root.untrusted"},
    {{STAGE_TRUST, "/roots/0/pin", "^"}, "sim.root.untrusted"},
    {{STAGE_TRUST, "/roots/0/type", "\"snp\""}, "sim.root.untrusted"},
    {{STAGE_TRUST, "/type", "\"trust/2\""}, "trust.type"},
    {{STAGE_TRUST, "/more", "1"}, "json.member.unknown"},
};

static void every_change_has_its_reason(void **state)
{
    const struct receipt_set *set = *state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        scoped_arena arena;
        arena_init(&arena, 64 * 1024 * 1024);
        scoped_json *report = NULL;
        struct result result = judge(&arena, set, &refused[i].change, &simulated, &report);
        assert_null(report);
        assert_false(result_is_ok(result));
        if (strcmp(result.why, refused[i].want) != 0) {
            print_error("%s: got %s (%s), want %s\n", refused[i].change.path, result.why,
                        result.where ? result.where : "", refused[i].want);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void der_has_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        bool want;
    } rows[] = {
        {"3006020101020102", true},
        {"300702020001020102", false},
        {"3006020181020102", false},
        {"300602010102010200", false},
        {"3106020101020102", false},
        {"3006030101020102", false},
        {"30050201010200", false},
        {"300702020080020102", true},
        {"3006020101020100", true},
        {"3007020101020102", false},
        {"", false},
        {"30", false},
    };
    scoped_arena arena;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t raw[SIGNATURE_RAW_BYTES];
        struct bytes der = from_hex(&arena, rows[i].hex);
        struct result result = signature_from_der(der, raw);
        assert_int_equal(result_is_ok(result), rows[i].want);
        if (result_is_ok(result)) {
            scoped_buffer again;
            buffer_init(&again, SIGNATURE_DER_BYTES_MAX);
            assert_ok(signature_to_der(raw, &again));
            assert_true(bytes_equal(buffer_view(&again), der));
        }
    }
}

static int open_set(void **state)
{
    struct receipt_set *set = calloc(1, sizeof *set);
    receipt_set_init(set);
    *state = set;
    return 0;
}

static int close_set(void **state)
{
    receipt_set_release(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_receipt_is_accepted),
        cmocka_unit_test(the_reader_says_what_it_expects),
        cmocka_unit_test(every_change_has_its_reason),
        cmocka_unit_test(der_has_one_form),
    };
    return cmocka_run_group_tests(tests, open_set, close_set);
}
