#include "contract/contract_test_set.h"

#include "base/encode.h"
#include "crypto/test_support.h"

enum { ARENA_BYTES = 64 * 1024 * 1024 };

static int make_keys(void **state)
{
    struct test_keys *keys = malloc(sizeof *keys);
    assert_non_null(keys);
    test_keys_make(keys);
    *state = keys;
    return 0;
}

static int drop_keys(void **state)
{
    test_keys_release(*state);
    free(*state);
    return 0;
}

static struct result judge(struct arena *arena, const json_t *set, struct bundle *out, int64_t now)
{
    TRY(bundle_parse(arena, set, out));
    TRY(bundle_verify(arena, out, NULL, 0));
    return bundle_check_time(out, now);
}

/* The room compares the explain digests with each other, and everything else like everybody. */
static void the_room_demands_one_explain_digest(void **state)
{
    static const struct {
        enum test_trick trick;
        const char *want_why; /* NULL: accepted */
    } cases[] = {
        {TEST_NO_TRICK, NULL},
        {TEST_OTHER_EXPLAINS, NULL},
        {TEST_OTHER_EXPLAIN, "contract.signature.explain"},
        {TEST_UNSIGNED, "contract.signature.missing"},
        {TEST_STRANGER, "contract.signature.stranger"},
        {TEST_NO_GRANT_DIGEST, "contract.signature.grant_missing"},
        {TEST_GRANT_BY_OTHER, "jws.signature"},
        {TEST_RUN_BY_OTHER, "jws.signature"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scoped_arena arena;
        arena_init(&arena, ARENA_BYTES);
        struct test_change change = {TEST_CONTRACT, .trick = cases[i].trick};
        scoped_json *set = test_set_make(&arena, *state, &change);
        scoped_bundle bundle = {0};
        assert_ok(bundle_parse(&arena, set, &bundle));
        struct result result = bundle_verify_unexplained(&arena, &bundle);
        assert_int_equal(result_is_ok(result), cases[i].want_why == NULL);
        if (cases[i].want_why != NULL) {
            assert_string_equal(result.why, cases[i].want_why);
        }
    }
}

static void a_good_set_is_accepted(void **state)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct test_change none = {0};
    scoped_json *set = test_set_make(&arena, *state, &none);
    scoped_bundle bundle = {0};
    assert_ok(judge(&arena, set, &bundle, TEST_NOW));
    assert_int_equal(bundle.query, 0);
    assert_int_equal(bundle.grant_count, 2);
    assert_true(text_is(bundle.grants[1].owner, "insurer"));
    assert_true(text_is(bundle.manifests[TEST_CLAIMS].dataset, "insurer/claims"));
    assert_true(text_is(bundle.policies[TEST_AIRPORTS].dataset, "bureau/airports"));
    assert_true(contract_is_simulated(&bundle.contract));
    assert_int_equal(bundle.contract.queries[0].parameter_count, 3);
    assert_int_equal(bundle.contract.datasets[TEST_CLAIMS].entity.min_entities, 10);
}

#define LONG_NAME "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define SOME_DIGEST "\"sha256:1111111111111111111111111111111111111111111111111111111111111111\""

struct refusal {
    struct test_change change;
    const char *want_why;
    const char *want_where; /* NULL: none */
};

#define MEASUREMENT_OF(pair) "\"" pair pair pair pair pair pair pair pair pair pair pair pair "\""

static const struct refusal refusals[] = {
    /* policies */
    {{TEST_POLICY, 0, "/mode", "\"aggregate\""}, "policy.mode.unsupported", "policies[0].mode"},
    {{TEST_POLICY, 0, "/mode", "\"other\""}, "policy.mode.unsupported", "policies[0].mode"},
    {{TEST_POLICY, 0, "/columns/date/use/0", "\"sum\""},
     "policy.use.unsupported",
     "policies[0].columns.date.use"},
    {{TEST_POLICY, 0, "/columns/date/use/-", "\"approved\""},
     "policy.use.duplicate",
     "policies[0].columns.date"},
    {{TEST_POLICY, 0, "/columns/date/use", "[]"}, "document.too_few", "policies[0].columns.date.use"},
    {{TEST_POLICY, 0, "/columns/date/grid", "\"5\""},
     "policy.member.unsupported",
     "policies[0].columns.date.grid"},
    {{TEST_POLICY, 0, "/columns/date/usage", "1"}, "json.member.unknown", "policies[0].columns.date.usage"},
    {{TEST_POLICY, 0, "/dp", "{}"}, "policy.member.unsupported", "policies[0].dp"},
    {{TEST_POLICY, 0, "/extra", "1"}, "json.member.unknown", "policies[0].extra"},
    {{TEST_POLICY, 0, "/output/max_share", "1"}, "policy.member.unsupported", "policies[0].output.max_share"},
    {{TEST_POLICY, 0, "/output/max_rows", "0"}, "json.member.out_of_range", "policies[0].output.max_rows"},
    {{TEST_POLICY, 0, "/output/min_entities", "5"},
     "policy.min_entities.without_entity",
     "policies[0].min_entities"},
    {{TEST_POLICY, 2, "/output/min_entities", "1"}, "json.member.out_of_range", "policies[2].min_entities"},
    {{TEST_POLICY, 2, "/output/min_entities", NULL}, "json.member.missing", "policies[2].min_entities"},
    {{TEST_POLICY, 2, "/output/min_entities", "9"}, "bundle.policy.entity", "insurer/claims"},
    {{TEST_POLICY, 2, "/entity", "\"nobody\""}, "policy.entity", "policies[2].entity"},
    {{TEST_POLICY, 2, "/entity/column", "\"policy\""},
     "policy.entity.column_unlisted",
     "policies[2].entity.column"},
    {{TEST_POLICY, 2, "/entity/namespace", "\"Claim\""}, "document.name", "policies[2].entity.namespace"},
    {{TEST_POLICY, 2, "/entity/kind", "1"}, "json.member.unknown", "policies[2].entity.kind"},
    {{TEST_POLICY, 0, "/owner", "\"insurer\""}, "document.dataset_owner", "policies[0].owner"},
    {{TEST_POLICY, 0, "/dataset", "\"bureau/other\""}, "bundle.policy.dataset", "bureau/flights"},
    {{TEST_POLICY, 0, "/data", SOME_DIGEST}, "bundle.policy.data", "bureau/flights"},
    {{TEST_POLICY, 0, "/columns/origin", NULL}, "bundle.read.column", "bureau/flights.query rate.origin"},
    {{TEST_POLICY, 0, "/columns/other", "{\"use\":[\"approved\"]}"},
     "bundle.policy.column",
     "bureau/flights.other"},
    {{TEST_POLICY, 0, "/output/max_rows", "59"}, "bundle.query.max_rows", "bureau/flights.query rate"},
    {{TEST_POLICY, 0, "/valid/1", "\"2026-11-23T21:00:00Z\""}, "policy.validity", "bureau/flights"},
    {{TEST_POLICY, 0, "/valid/0", "\"2026-11-23T21:00:01Z\""}, "policy.validity", "bureau/flights"},
    {{TEST_POLICY, 0, "/valid/1", "\"2000-01-01T00:00:00Z\""}, "policy.valid", "policies[0].valid"},
    {{TEST_POLICY, 0, "/type", "\"dataset-policy/2\""}, "document.type", "policies[0].type"},
    {{TEST_POLICY, .trick = TEST_POLICY_BY_OTHER}, "jws.signature", "insurer/claims"},
    {{TEST_POLICY, .trick = TEST_POLICY_BY_TWO}, "document.signatures", "insurer/claims"},
    {{TEST_POLICY, 0, "/dataset", "\"flights\""}, "document.dataset", "policies[0].dataset"},
    {{TEST_POLICY, 0, "/columns/", "{\"use\":[\"approved\"]}"}, "policy.column.name", "policies[0].columns."},
    /* manifests */
    {{TEST_MANIFEST, 0, "/version", "0"}, "json.member.out_of_range", "manifests[0].version"},
    {{TEST_MANIFEST, 0, "/version", "2"}, "bundle.grant.version", "bureau/flights"},
    {{TEST_MANIFEST, 0, "/dataset", "\"bureau/other\""}, "bundle.manifest.dataset", "bureau/flights"},
    {{TEST_MANIFEST, 0, "/policy", SOME_DIGEST}, "bundle.manifest.policy", "bureau/flights"},
    {{TEST_MANIFEST, 0, "/data", SOME_DIGEST}, "manifest.data", "manifests[0].data"},
    {{TEST_MANIFEST, 0, "/parts/1/root", SOME_DIGEST}, "manifest.data", "manifests[0].data"},
    {{TEST_MANIFEST, 0, "/rows", "61"}, "manifest.rows", "manifests[0].rows"},
    {{TEST_MANIFEST, 0, "/key_commitment", "\"AAAA\""}, "document.size", "manifests[0].key_commitment"},
    {{TEST_MANIFEST, 0, "/columns/1/name", "\"date\""}, "column.duplicate", "manifests[0].columns[1]"},
    {{TEST_MANIFEST, 0, "/columns/1/name", "\"\""}, "column.name", "manifests[0].columns[1].name"},
    {{TEST_MANIFEST, 0, "/columns/1/name", "\"renamed\""}, "bundle.policy.column", "bureau/flights.delay"},
    {{TEST_MANIFEST, 0, "/columns/1/type", "\"INT\""}, "column.type.unknown", "manifests[0].columns[1].type"},
    {{TEST_MANIFEST, 0, "/columns/1/element", "\"\""}, "document.size", "manifests[0].columns[1].element"},
    {{TEST_MANIFEST, 0, "/parts/1/number", "0"}, "json.member.out_of_range", "manifests[0].parts[1].number"},
    {{TEST_MANIFEST, 0, "/parts/1/size", "300000"}, "manifest.part.size", "manifests[0].parts[1].size"},
    {{TEST_MANIFEST, 0, "/parts/1/data_end", "3"},
     "json.member.out_of_range",
     "manifests[0].parts[1].data_end"},
    {{TEST_MANIFEST, 0, "/parts/1/data_end", "300003"},
     "manifest.range.order",
     "manifests[0].parts[1].columns[0].meta"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/2/chunks/1/1", "50001"},
     "manifest.range.outside",
     "manifests[0].parts[1].columns[2].chunks[1]"},
    {{TEST_MANIFEST, 0, "/parts/1/data_end", "300005"},
     "manifest.range.outside",
     "manifests[0].parts[1].columns[0].meta"},
    {{TEST_MANIFEST, 0, "/parts/1/groups/0", "21"}, "manifest.rows", "manifests[0].parts[1].rows"},
    {{TEST_MANIFEST, 0, "/parts/1/groups/0", "0"}, "manifest.group.rows", "manifests[0].parts[1].groups[0]"},
    {{TEST_MANIFEST, 0, "/parts/1/groups/-", "1"},
     "manifest.chunks.count",
     "manifests[0].parts[1].columns[0].chunks"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/0/chunks/1", NULL},
     "manifest.chunks.count",
     "manifests[0].parts[1].columns[0].chunks"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/0/chunks/0/0", "3"},
     "manifest.range.outside",
     "manifests[0].parts[1].columns[0].chunks[0]"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/0/chunks/0/1", "50001"},
     "manifest.range.overlap",
     "manifests[0].parts[1]"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/0/chunks/0/1", "0"},
     "manifest.range.form",
     "manifests[0].parts[1].columns[0].chunks[0]"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/0/chunks/0/1", "9223372036854775807"},
     "manifest.range.outside",
     "manifests[0].parts[1].columns[0].chunks[0]"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/0/chunks/0", "[200004,50000]"},
     "manifest.range.order",
     "manifests[0].parts[1].columns[0].chunks[1]"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/0/chunks/0/-", "1"},
     "manifest.range.form",
     "manifests[0].parts[1].columns[0].chunks[0]"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/1/meta/0", "300105"},
     "manifest.range.order",
     "manifests[0].parts[1].columns[1].meta"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/2/meta/1", "99"},
     "manifest.meta.end",
     "manifests[0].parts[1].plain_size"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/2/meta/1", "101"},
     "manifest.range.outside",
     "manifests[0].parts[1].columns[2].meta"},
    {{TEST_MANIFEST, 0, "/parts/1/columns/2", NULL},
     "manifest.columns.count",
     "manifests[0].parts[1].columns"},
    {{TEST_MANIFEST, 0, "/parts/1/note", "1"}, "json.member.unknown", "manifests[0].parts[1].note"},
    {{TEST_MANIFEST, 0, "/parts", "[]"}, "document.too_few", "manifests[0].parts"},
    {{TEST_MANIFEST, .trick = TEST_MANIFEST_BY_OTHER}, "jws.signature", "insurer/claims"},
    /* the contract's form */
    {{TEST_CONTRACT, 0, "/title", "\"two\\nlines\""}, "contract.title", "contract.title"},
    {{TEST_CONTRACT, 0, "/salt", "\"AAAA\""}, "document.size", "contract.salt"},
    {{TEST_CONTRACT, 0, "/loading", "\"on demand\""}, "contract.loading", "contract.loading"},
    {{TEST_CONTRACT, 0, "/notes", "\"\""}, "json.member.unknown", "contract.notes"},
    {{TEST_CONTRACT, 0, "/parties/1/name", "\"analyst\""},
     "contract.party.duplicate",
     "contract.parties[1].name"},
    {{TEST_CONTRACT, 0, "/parties/1/name", LONG_NAME}, "document.name", "contract.parties[1].name"},
    {{TEST_CONTRACT, 0, "/parties/1/signing", "@/parties/0/signing"},
     "contract.party.key_shared",
     "contract.parties[1]"},
    {{TEST_CONTRACT, 0, "/parties/1/result", "@/parties/1/signing"},
     "contract.party.key_shared",
     "contract.parties[1]"},
    {{TEST_CONTRACT, 0, "/parties/1/signing/use", "\"sig\""},
     "json.member.unknown",
     "contract.parties[1].signing.use"},
    {{TEST_CONTRACT, 0, "/parties/1/signing", "@/parties/1/result"},
     "contract.party.key_shared",
     "contract.parties[1]"},
    {{TEST_CONTRACT, 0, "/datasets/0/owner", "\"nobody\""},
     "contract.party.unknown",
     "contract.datasets[0].owner"},
    {{TEST_CONTRACT, 0, "/datasets/0/owner", "\"insurer\""},
     "document.dataset_owner",
     "contract.datasets[0].owner"},
    {{TEST_CONTRACT, 0, "/datasets/1/table", "\"flights\""},
     "contract.dataset.table_duplicate",
     "contract.datasets[1].table"},
    {{TEST_CONTRACT, 0, "/datasets/1/dataset", "\"bureau/flights\""},
     "contract.dataset.duplicate",
     "contract.datasets[1].dataset"},
    {{TEST_CONTRACT, 0, "/datasets/1/manifest", SOME_DIGEST}, "bundle.manifest.digest", "bureau/airports"},
    {{TEST_CONTRACT, 0, "/datasets/1/policy", SOME_DIGEST}, "bundle.policy.digest", "bureau/airports"},
    {{TEST_CONTRACT, 0, "/datasets/1/policy", "\"sha256:\""}, "digest.form", "contract.datasets[1].policy"},
    {{TEST_CONTRACT, 0, "/datasets/2/min_entities", "11"}, "bundle.policy.entity", "insurer/claims"},
    {{TEST_CONTRACT, 0, "/datasets/2/min_entities", "1"},
     "json.member.out_of_range",
     "contract.datasets[2].min_entities"},
    {{TEST_CONTRACT, 0, "/datasets/2/entity/column", "\"cost\""}, "bundle.policy.entity", "insurer/claims"},
    {{TEST_CONTRACT, 0, "/queries/0/sql", "\"\""}, "contract.query.sql", "contract.queries[0].sql"},
    {{TEST_CONTRACT, 0, "/queries/0/sql", "\"a\\u0007\""}, "contract.query.sql", "contract.queries[0].sql"},
    {{TEST_CONTRACT, 0, "/queries/-", "@/queries/0"}, "contract.query.duplicate", "contract.queries[1]"},
    {{TEST_CONTRACT, 0, "/queries/0/reads/other", "[]"},
     "contract.read.table",
     "contract.queries[0].reads.other"},
    {{TEST_CONTRACT, 0, "/queries/0/reads", "{}"}, "document.too_few", "contract.queries[0].reads"},
    {{TEST_CONTRACT, 0, "/queries/0/reads/flights/0", "\"zone\""},
     "document.order",
     "contract.queries[0].reads.flights.flights[1]"},
    {{TEST_CONTRACT, 0, "/queries/0/reads/flights/0", "\"dat\""},
     "bundle.read.unknown_column",
     "bureau/flights.query rate.dat"},
    {{TEST_CONTRACT, 0, "/queries/0/reads/claims/0", NULL},
     "contract.read.entity_missing",
     "contract.queries[0].reads.claims"},
    {{TEST_CONTRACT, 0, "/queries/0/parameters/0/type", "\"DOUBLE\""},
     "contract.parameter.type",
     "contract.queries[0].parameters[0].type"},
    {{TEST_CONTRACT, 0, "/queries/0/parameters/1/name", "\"since\""},
     "contract.parameter.duplicate",
     "contract.queries[0].parameters[1]"},
    {{TEST_CONTRACT, 0, "/queries/0/parameters/0/min", "\"2001-02-30\""},
     "contract.parameter.bound",
     "contract.queries[0].parameters[0].min"},
    {{TEST_CONTRACT, 0, "/queries/0/parameters/0/max", "\"2000-12-31\""},
     "contract.parameter.domain_empty",
     "contract.queries[0].parameters[0]"},
    {{TEST_CONTRACT, 0, "/queries/0/parameters/0/values", "[\"2001-01-01\"]"},
     "contract.parameter.values_and_bounds",
     "contract.queries[0].parameters[0]"},
    {{TEST_CONTRACT, 0, "/queries/0/parameters/2/min", "\"A\""},
     "contract.parameter.bounds_of_text",
     "contract.queries[0].parameters[2].min"},
    {{TEST_CONTRACT, 0, "/queries/0/parameters/2/values/0", "\"NY\""},
     "contract.parameter.values",
     "contract.queries[0].parameters[2].values[1]"},
    {{TEST_CONTRACT, 0, "/queries/0/output/1/type", "\"DOUBLE\""},
     "column.type.may_not_leave",
     "contract.queries[0].output[1].type"},
    {{TEST_CONTRACT, 0, "/queries/0/output/1/name", "\"state\""},
     "column.duplicate",
     "contract.queries[0].output[1]"},
    {{TEST_CONTRACT, 0, "/queries/0/output", "[]"}, "document.too_few", "contract.queries[0].output"},
    {{TEST_CONTRACT, 0, "/queries/0/max_rows", "1001"}, "bundle.query.max_rows", "bureau/flights.query rate"},
    {{TEST_CONTRACT, 0, "/queries/0/max_bytes", "268435457"},
     "json.member.out_of_range",
     "contract.queries[0].max_bytes"},
    {{TEST_CONTRACT, 0, "/queries/0/seconds", "0"},
     "json.member.out_of_range",
     "contract.queries[0].seconds"},
    {{TEST_CONTRACT, 0, "/queries/0/memory_mb", "\"1024\""},
     "json.member.not_integer",
     "contract.queries[0].memory_mb"},
    {{TEST_CONTRACT, 0, "/queriers/0", "\"nobody\""}, "contract.party.unknown", "contract.queriers[0]"},
    {{TEST_CONTRACT, 0, "/queriers", "[]"}, "document.too_few", "contract.queriers"},
    {{TEST_CONTRACT, 0, "/recipients/-", "\"insurer\""}, "document.order", "contract.recipients[2]"},
    {{TEST_CONTRACT, 0, "/tee/0/type", "\"sgx\""}, "contract.tee.sgx", "contract.tee[0].type"},
    {{TEST_CONTRACT, 0, "/tee/0/type", "\"vbs\""}, "contract.tee.unknown", "contract.tee[0].type"},
    {{TEST_CONTRACT, 0, "/tee/0/type", "\"sevsnpvm\""}, "contract.tee.root", "contract.tee[0].root"},
    {{TEST_CONTRACT, 0, "/tee/0/root", NULL}, "contract.tee.root", "contract.tee[0].root"},
    {{TEST_CONTRACT, 0, "/tee/0/measurement", "\"00\""},
     "contract.tee.measurement",
     "contract.tee[0].measurement"},
    {{TEST_CONTRACT, 0, "/tee/-", "@/tee/0"}, "contract.tee.duplicate", "contract.tee[1]"},
    {{TEST_CONTRACT, 0, "/tee/-", "{\"type\":\"sevsnpvm\",\"measurement\":" MEASUREMENT_OF("00112233") "}"},
     "contract.tee.sim_not_alone",
     "contract.tee"},
    {{TEST_CONTRACT, 0, "/authorities/1", NULL}, "contract.authority.missing", "contract.insurer"},
    {{TEST_CONTRACT, 0, "/authorities/-", "@/authorities/1"},
     "contract.authority.duplicate",
     "contract.authorities[2]"},
    {{TEST_CONTRACT, 0, "/authorities/1/party", "\"analyst\""},
     "contract.authority.not_an_owner",
     "contract.authorities[1].party"},
    {{TEST_CONTRACT, 0, "/authorities/1/issuer", "\"http://a\""},
     "document.url",
     "contract.authorities[1].issuer"},
    {{TEST_CONTRACT, 0, "/authorities/0/keys/1", "@/authorities/0/keys/0"},
     "contract.authority.keys",
     "contract.authorities[0].keys[1]"},
    {{TEST_CONTRACT, 0, "/authorities/1/policy_hash", "\"AA\""},
     "document.size",
     "contract.authorities[1].policy_hash"},
    {{TEST_CONTRACT, 0, "/residency/0", "\"\""}, "contract.residency", "contract.residency[0]"},
    {{TEST_CONTRACT, 0, "/residency", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"},
     "document.too_many",
     "contract.residency"},
    {{TEST_CONTRACT, 0, "/queries/0/parameters/1", NULL}, "run.sealed.unexpected", "parameters"},
    {{TEST_CONTRACT, 0, "/valid/until", "\"2001-01-01T00:00:00Z\""}, "contract.valid", "contract.valid"},
    {{TEST_CONTRACT, 0, "/valid/from", "\"2026-11-23T21:00:01Z\""}, "contract.not_yet_valid", NULL},
    {{TEST_CONTRACT, 0, "/valid/until", "\"2026-11-23T21:00:00Z\""}, "contract.expired", NULL},
    {{TEST_CONTRACT, 0, "/valid/until", "\"tomorrow\""}, "time.form", "contract.valid.until"},
    /* the contract's signatures */
    {{TEST_CONTRACT, .trick = TEST_UNSIGNED}, "contract.signature.missing", "insurer"},
    {{TEST_CONTRACT, .trick = TEST_STRANGER}, "contract.signature.stranger", "signatures[3]"},
    {{TEST_CONTRACT, .trick = TEST_OTHER_EXPLAIN}, "contract.signature.explain", "insurer"},
    {{TEST_CONTRACT, .trick = TEST_OTHER_EXPLAINS}, "contract.signature.explain", "analyst"},
    {{TEST_CONTRACT, .trick = TEST_NO_EXPLAIN}, "json.member.missing", "contract.explain"},
    {{TEST_CONTRACT, .trick = TEST_NO_GRANT_DIGEST}, "contract.signature.grant_missing", "insurer"},
    {{TEST_CONTRACT, .trick = TEST_UNASKED_GRANT}, "contract.signature.grant_unexpected", "analyst"},
    {{TEST_CONTRACT, .trick = TEST_OTHER_GRANT}, "grant.digest", "insurer"},
    {{TEST_CONTRACT, .trick = TEST_HEADER_MEMBER}, "json.member.unknown", "contract.further"},
    {{TEST_SIGNED, 0, "/contract/signatures/1/signature", "~"}, "jws.signature", "bureau"},
    {{TEST_SIGNED, 0, "/contract/signatures/1/signature", "@/contract/signatures/0/signature"},
     "jws.signature",
     "bureau"},
    {{TEST_SIGNED, 0, "/contract/signatures/1", "@/contract/signatures/0"}, "jws.kid.twice", "contract"},
    {{TEST_SIGNED, 0, "/contract/header", "{}"}, "json.member.unknown", "contract.header"},
    /* grants */
    {{TEST_GRANT, 2, "/contract", SOME_DIGEST}, "grant.contract", "insurer"},
    {{TEST_GRANT, 2, "/vault", "\"ftp://vault\""}, "document.url", "grants[1].vault"},
    {{TEST_GRANT, 2, "/key", "\"a/b\""}, "grant.vault_name", "grants[1].key"},
    {{TEST_GRANT, 2, "/version", "\"\""}, "grant.vault_name", "grants[1].version"},
    {{TEST_GRANT, 2, "/wrap", "\"RSA1_5\""}, "grant.wrap", "grants[1].wrap"},
    {{TEST_GRANT, 2, "/keys/0/wrapped", "\"AAAA\""}, "grant.wrapped.size", "grants[1].keys[0].wrapped"},
    {{TEST_GRANT, 2, "/keys/0/dataset", "\"bureau/flights\""}, "grant.keys", "insurer"},
    {{TEST_GRANT, 2, "/keys/0/version", "2"}, "bundle.grant.version", "insurer/claims"},
    {{TEST_GRANT, 1, "/keys/0", NULL}, "grant.keys", "bureau"},
    {{TEST_GRANT, 1, "/keys/0", "@/keys/1"}, "document.order", "grants[0].keys[1]"},
    {{TEST_GRANT, 2, "/owner", "\"analyst\""}, "bundle.grant.owner", "insurer"},
    {{TEST_GRANT, 2, "/owner", "\"bureau\""}, "bundle.grant.owner", "insurer"},
    {{TEST_GRANT, .trick = TEST_GRANT_BY_OTHER}, "jws.signature", "insurer"},
    /* run requests */
    {{TEST_RUN, 0, "/contract", SOME_DIGEST}, "run.contract", NULL},
    {{TEST_RUN, 0, "/query", "\"other\""}, "contract.query.unknown", "query"},
    {{TEST_RUN, 0, "/run", "\"00112233445566778899AABBCCDDEEFF\""}, "run.id", "run_request.run"},
    {{TEST_RUN, 0, "/run", "\"00\""}, "run.id", "run_request.run"},
    {{TEST_RUN, 0, "/querier", "\"bureau\""}, "run.querier", "bureau"},
    {{TEST_RUN, 0, "/recipients/0", "\"bureau\""}, "run.recipient", "bureau"},
    {{TEST_RUN, 0, "/recipients", "[\"insurer\",\"analyst\"]"},
     "document.order",
     "run_request.recipients[1]"},
    {{TEST_RUN, 0, "/recipients", "[]"}, "document.too_few", "run_request.recipients"},
    {{TEST_RUN, 0, "/parameters/since", "\"2001-07-02\""}, "contract.parameter.above", "parameters.since"},
    {{TEST_RUN, 0, "/parameters/since", "\"2000-12-31\""}, "contract.parameter.below", "parameters.since"},
    {{TEST_RUN, 0, "/parameters/since", "\"yesterday\""}, "value.form", "parameters.since"},
    {{TEST_RUN, 0, "/parameters/since", "20010101"}, "json.member.not_text", "run_request.parameters.since"},
    {{TEST_RUN, 0, "/parameters/since", NULL}, "run.parameter.missing", "parameters.since"},
    {{TEST_RUN, 0, "/parameters/state", "\"ca\""}, "contract.parameter.not_listed", "parameters.state"},
    {{TEST_RUN, 0, "/parameters/at_least", "\"10\""}, "run.parameter.must_be_sealed", "parameters.at_least"},
    {{TEST_RUN, 0, "/parameters/more", "\"1\""}, "run.parameter.unknown", "parameters"},
    {{TEST_RUN, 0, "/sealed_parameters", NULL}, "run.sealed.missing", "parameters"},
    {{TEST_RUN, 0, "/sealed_parameters", "\"text\""},
     "json.member.not_object",
     "run_request.sealed_parameters"},
    {{TEST_RUN, 0, "/not_after", "\"2026-11-23T20:59:59Z\""}, "run.expired", NULL},
    {{TEST_RUN, .trick = TEST_RUN_BY_OTHER}, "jws.signature", "run_request"},
    /* data that is refreshed */
    {{TEST_CONTRACT, 0, "/datasets/2/manifest", SOME_DIGEST, .refreshed = true},
     "contract.dataset.pin",
     "contract.datasets[2].manifest"},
    {{TEST_CONTRACT, 0, "/datasets/2/refreshed", NULL, .refreshed = true},
     "contract.dataset.pin",
     "contract.datasets[2].manifest"},
    {{TEST_CONTRACT, 0, "/datasets/2/manifest", NULL},
     "contract.dataset.pin",
     "contract.datasets[2].manifest"},
    {{TEST_CONTRACT, 0, "/datasets/2/refreshed", "[]", .refreshed = true},
     "json.not_object",
     "contract.datasets[2].refreshed"},
    {{TEST_CONTRACT, 0, "/datasets/2/refreshed/data", SOME_DIGEST, .refreshed = true},
     "json.member.unknown",
     "contract.datasets[2].refreshed.data"},
    {{TEST_CONTRACT, 0, "/datasets/2/refreshed/version", "0", .refreshed = true},
     "json.member.out_of_range",
     "contract.datasets[2].refreshed.version"},
    {{TEST_CONTRACT, 0, "/datasets/2/refreshed/schema", NULL, .refreshed = true},
     "json.member.missing",
     "contract.datasets[2].refreshed.schema"},
    {{TEST_CONTRACT, 0, "/datasets/2/refreshed/version", "2", .refreshed = true},
     "bundle.manifest.version",
     "insurer/claims"},
    {{TEST_CONTRACT, 0, "/datasets/2/refreshed/schema", SOME_DIGEST, .refreshed = true},
     "bundle.manifest.schema",
     "insurer/claims"},
    {{TEST_MANIFEST, 2, "/columns/1/type", "\"DECIMAL(13,2)\"", .refreshed = true},
     "bundle.manifest.schema",
     "insurer/claims"},
    {{TEST_MANIFEST, 2, "/policy", SOME_DIGEST, .refreshed = true},
     "bundle.manifest.policy",
     "insurer/claims"},
    {{TEST_CONTRACT, 0, "/datasets/2/policy", SOME_DIGEST, .refreshed = true},
     "bundle.policy.digest",
     "insurer/claims"},
    {{TEST_POLICY, 2, "/data", SOME_DIGEST, .refreshed = true}, "bundle.policy.data", "insurer/claims"},
    {{TEST_POLICY, 2, "/data", NULL}, "bundle.policy.data", "insurer/claims"},
    {{TEST_MANIFEST, .trick = TEST_MANIFEST_BY_OTHER, .refreshed = true}, "jws.signature", "insurer/claims"},
    {{TEST_POLICY, .trick = TEST_POLICY_BY_OTHER, .refreshed = true}, "jws.signature", "insurer/claims"},
    {{TEST_GRANT, 2, "/keys/-", "{\"dataset\":\"insurer/claims\",\"version\":1,\"wrapped\":\"AAAA\"}",
      .refreshed = true},
     "grant.wrapped.size",
     "grants[1].keys[0].wrapped"},
    {{TEST_KEY_UPDATE, .trick = TEST_UPDATE_BY_OTHER, .refreshed = true}, "jws.signature", "insurer/claims"},
    {{TEST_KEY_UPDATE, 0, "/contract", SOME_DIGEST, .refreshed = true},
     "key_update.contract",
     "insurer/claims"},
    {{TEST_KEY_UPDATE, 0, "/dataset", "\"insurer/other\"", .refreshed = true},
     "key_update.dataset",
     "insurer/claims"},
    {{TEST_KEY_UPDATE, 0, "/manifest", SOME_DIGEST, .refreshed = true},
     "bundle.key_update.manifest",
     "insurer/claims"},
    {{TEST_KEY_UPDATE, 0, "/version", "2", .refreshed = true},
     "bundle.key_update.manifest",
     "insurer/claims"},
    {{TEST_KEY_UPDATE, 0, "/version", "0", .refreshed = true},
     "json.member.out_of_range",
     "key_updates[0].version"},
    {{TEST_KEY_UPDATE, 0, "/wrapped", "\"AAAA\"", .refreshed = true},
     "grant.wrapped.size",
     "key_updates[0].wrapped"},
    {{TEST_KEY_UPDATE, 0, "/vault", "\"https://a\"", .refreshed = true},
     "json.member.unknown",
     "key_updates[0].vault"},
    {{TEST_SIGNED, 0, "/key_updates/0", NULL, .refreshed = true}, "document.too_few", "key_updates"},
    {{TEST_SIGNED, 0, "/key_updates/-", "@/key_updates/0", .refreshed = true},
     "document.too_many",
     "key_updates"},
    {{TEST_SIGNED, 0, "/key_updates", NULL, .refreshed = true}, "json.member.missing", "key_updates"},
    {{TEST_SIGNED, 0, "/key_updates/0", "@/grants/1", .refreshed = true}, "jws.typ", "key_updates[0]"},
    {{TEST_RUN, 0, "/manifests", NULL, .refreshed = true}, "run.manifest.missing", "claims"},
    {{TEST_RUN, 0, "/manifests/claims", SOME_DIGEST, .refreshed = true}, "run.manifest", "claims"},
    {{TEST_RUN, 0, "/manifests/claims", "\"newest\"", .refreshed = true}, "run.manifest.missing", "claims"},
    {{TEST_RUN, 0, "/manifests/flights", SOME_DIGEST, .refreshed = true}, "run.manifest.unknown", NULL},
    {{TEST_RUN, 0, "/manifests", "{\"claims\":" SOME_DIGEST "}"}, "run.manifest.unknown", NULL},
    /* the set */
    {{TEST_SIGNED, 0, "/manifests/1", NULL}, "document.too_few", "manifests"},
    {{TEST_SIGNED, 0, "/policies/2", NULL}, "document.too_few", "policies"},
    {{TEST_SIGNED, 0, "/grants/0", NULL}, "document.too_few", "grants"},
    {{TEST_SIGNED, 0, "/manifests/-", "@/manifests/0"}, "document.too_many", "manifests"},
    {{TEST_SIGNED, 0, "/policies/-", "@/policies/0"}, "document.too_many", "policies"},
    {{TEST_SIGNED, 0, "/grants/-", "@/grants/0"}, "document.too_many", "grants"},
    {{TEST_SIGNED, 0, "/manifests/0", "@/manifests/1"}, "bundle.manifest.digest", "bureau/flights"},
    {{TEST_SIGNED, 0, "/policies/0", "@/policies/1"}, "bundle.policy.digest", "bureau/flights"},
    {{TEST_SIGNED, 0, "/grants/1", "@/grants/0"}, "bundle.grant.owner", "insurer"},
    {{TEST_SIGNED, 0, "/key_updates", "[]"}, "bundle.key_updates.unexpected", "key_updates"},
    {{TEST_SIGNED, 0, "/manifests/0", "@/policies/0"}, "jws.typ", "manifests[0]"},
    {{TEST_SIGNED, 0, "/manifests/0", "\"text\""}, "bundle.document.form", "manifests[0]"},
    {{TEST_SIGNED, 0, "/manifests/2/signatures/0/signature", "~"}, "jws.signature", "insurer/claims"},
    {{TEST_SIGNED, 0, "/contract", NULL}, "json.member.missing", "contract"},
};

static void single_changes_are_refused(void **state)
{
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *row = &refusals[i];
        scoped_arena arena;
        arena_init(&arena, ARENA_BYTES);
        scoped_json *set = test_set_make(&arena, *state, &row->change);
        scoped_bundle bundle = {0};
        struct result result = judge(&arena, set, &bundle, TEST_NOW);
        bool where = (result.where == NULL) == (row->want_where == NULL) &&
                     (result.where == NULL || strcmp(result.where, row->want_where) == 0);
        if (strcmp(result.why, row->want_why) != 0 || !where) {
            print_error("row %zu (%s): got %s at %s, want %s at %s\n", i,
                        row->change.path ? row->change.path : "trick", result.why,
                        result.where ? result.where : "-", row->want_why,
                        row->want_where ? row->want_where : "-");
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* An owner's grant may not hold a key of its refreshed dataset: the update is the one place for it. */
static void a_refreshed_set_is_accepted(void **state)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct test_change change = {.refreshed = true};
    scoped_json *set = test_set_make(&arena, *state, &change);
    scoped_bundle bundle = {0};
    assert_ok(judge(&arena, set, &bundle, TEST_NOW));
    assert_int_equal(bundle.key_update_count, 1);
    assert_int_equal(bundle.wrapped[TEST_CLAIMS].data[0], 6);
    assert_int_equal(bundle.wrapped[TEST_FLIGHTS].data[0], 5);
    struct text explained;
    assert_ok(contract_explain(&arena, &bundle.contract, &explained));
    assert_non_null(strstr(explained.data, "ITS ROWS ARE NOT FIXED"));
    struct grant_key key = {TEXT("insurer/claims"), 1, bundle.wrapped[TEST_CLAIMS]};
    struct grant grant = bundle.grants[1];
    grant.keys = &key;
    grant.key_count = 1;
    assert_why(grant_verify(&grant, &bundle.contract), DENIED, "grant.keys");
}

/* A later version of the very rows that were agreed: the same contract, another manifest and key update. */
static void a_later_version_needs_no_signature(void **state)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct test_change update = {TEST_KEY_UPDATE, 0, "/version", "7"};
    struct test_change change = {TEST_MANIFEST, 2, "/version", "7", .also = &update, .refreshed = true};
    scoped_json *set = test_set_make(&arena, *state, &change);
    scoped_bundle bundle = {0};
    assert_ok(judge(&arena, set, &bundle, TEST_NOW));
    assert_int_equal(bundle.manifests[TEST_CLAIMS].version, 7);
}

/* What single changes cannot show. */
static void documents_elsewhere_are_refused(void **state)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct test_change none = {0};
    scoped_json *set = test_set_make(&arena, *state, &none);
    scoped_bundle bundle = {0};
    assert_ok(judge(&arena, set, &bundle, TEST_NOW));
    const struct contract *contract = &bundle.contract;
    const struct manifest *manifests = bundle.manifests;
    const struct policy *policies = bundle.policies;
    assert_ok(bundle_check_dataset(&arena, contract, 0, &manifests[0], &policies[0]));
    assert_why(bundle_check_dataset(&arena, contract, 0, &manifests[1], &policies[0]), UNTRUSTED,
               "bundle.manifest.digest");
    assert_why(bundle_check_dataset(&arena, contract, 0, &manifests[0], &policies[1]), UNTRUSTED,
               "bundle.policy.digest");
    assert_why(bundle_check_dataset(&arena, contract, TEST_DATASETS, &manifests[0], &policies[0]), NOT_FOUND,
               "contract.dataset.unknown");
    struct grant grant = bundle.grants[1];
    grant.owner = TEXT("analyst");
    assert_why(grant_verify(&grant, contract), DENIED, "grant.owner");
}

static void sealed_parameters_have_a_limit(void **state)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    char *value = malloc(RUN_SEALED_BYTES_MAX + 16);
    assert_non_null(value);
    memset(value, 'A', RUN_SEALED_BYTES_MAX + 16);
    memcpy(value, "{\"a\":\"", 6);
    strcpy(value + RUN_SEALED_BYTES_MAX, "\"}");
    struct test_change change = {TEST_RUN, 0, "/sealed_parameters", value, TEST_NO_TRICK};
    scoped_json *set = test_set_make(&arena, *state, &change);
    free(value);
    scoped_bundle bundle = {0};
    assert_why(bundle_parse(&arena, set, &bundle), LIMIT, "run.sealed.size");
    assert_int_equal(bundle.contract.party_count, 0); /* what failed is empty */
}

static void the_address_book_is_asked(void **state)
{
    const struct test_keys *keys = *state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct test_change none = {0};
    scoped_json *set = test_set_make(&arena, keys, &none);
    scoped_bundle bundle = {0};
    assert_ok(bundle_parse(&arena, set, &bundle));
    struct contract_known_party known[TEST_PARTIES];
    for (size_t i = 0; i < TEST_PARTIES; i++) {
        known[i] = (struct contract_known_party){bundle.contract.parties[i].name,
                                                 bundle.contract.parties[i].fingerprint};
    }
    assert_ok(bundle_verify(&arena, &bundle, known, TEST_PARTIES));
    assert_why(bundle_verify(&arena, &bundle, known, 2), UNTRUSTED, "contract.party.not_known");
    known[1].fingerprint.octets[5] ^= 1;
    struct result result = bundle_verify(&arena, &bundle, known, TEST_PARTIES);
    assert_why(result, UNTRUSTED, "contract.party.fingerprint");
    assert_string_equal(result.where, "bureau");
}

static void sealed_parameters_are_checked(void **state)
{
    static const struct {
        const char *plaintext;
        const char *want_why;
    } rows[] = {
        {"{\"at_least\":\"10\"}", "ok"},
        {"{\"at_least\":\"9\"}", "contract.parameter.below"},
        {"{\"at_least\":\"010\"}", "value.form"},
        {"{\"at_least\":\"99999999999\"}", "cell.range"},
        {"{}", "run.parameter.missing"},
        {"{\"at_least\":\"10\",\"since\":\"2001-01-01\"}", "run.parameter.must_be_public"},
        {"{\"at_least\":\"10\",\"more\":\"1\"}", "run.parameter.unknown"},
        {"", "json.syntax"},
        {"[]", "json.not_object"},
    };
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct test_change none = {0};
    scoped_json *set = test_set_make(&arena, *state, &none);
    scoped_bundle bundle = {0};
    assert_ok(judge(&arena, set, &bundle, TEST_NOW));
    const struct contract_query *query = &bundle.contract.queries[0];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text *values = NULL;
        struct bytes plaintext = bytes_of_text(text_of(rows[i].plaintext));
        struct result result = run_request_values(&arena, &bundle.run_request, query, plaintext, &values);
        assert_string_equal(result.why, rows[i].want_why);
        assert_true((values != NULL) == (i == 0));
        if (i == 0) {
            assert_true(text_is(values[0], "2001-01-01") && text_is(values[1], "10") &&
                        text_is(values[2], "CA"));
        }
    }
}

static void the_explanation_cannot_be_imitated(void **state)
{
    struct test_change change = {TEST_CONTRACT, 0, "/title",
                                 "\"A \\u202e title \\u2028\\u0085 \\\\u{0041} and \\u05d0 x\"",
                                 TEST_NO_TRICK};
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_json *set = test_set_make(&arena, *state, &change);
    scoped_bundle bundle = {0};
    assert_ok(judge(&arena, set, &bundle, TEST_NOW));
    struct text text;
    struct text again;
    assert_ok(contract_explain(&arena, &bundle.contract, &text));
    assert_ok(contract_explain(&arena, &bundle.contract, &again));
    assert_true(text_equal(text, again));
    const char *page;
    assert_ok(arena_cstring(&arena, text, &page));
    static const char *const want[] = {
        "  | A \\u{202E} title \\u{2028}\\u{0085} \\\\u{0041} and \\u{05D0} x\n",
        "IT ISOLATES NOTHING",
        "insurer brings insurer/claims as table claims",
        "at least 10 different",
        "      | WITH a AS (SELECT c.state AS state, count_star() AS n\n      |     FROM claims AS c\n"
        "      |     WHERE (c.state <> ') FROM, x')\n      |     GROUP BY c.state),\n"
        "      | b AS (SELECT f.origin AS origin\n      |     FROM flights AS f)\n"
        "      | SELECT a.state AS state, a.n AS claims\n      |     FROM a\n"
        "      |     INNER JOIN b ON ((a.n = 1))\n",
        "at_least, INTEGER, visible to the room only, from 10\n",
        "since, DATE, visible to the host, from 2001-01-01, up to 2001-07-01\n",
        "Never more than 60 rows and 65536 octets",
        "declared by the parties and enforced by nothing\n  | Germany\n",
        "https://attest.insurer.example",
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        if (strstr(page, want[i]) == NULL) {
            print_error("%s\nlacks %s\n", page, want[i]);
            fail();
        }
    }
}

static void a_draft_explains_like_the_contract(void **state)
{
    struct test_change none = {0};
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_json *set = test_set_make(&arena, *state, &none);
    scoped_bundle bundle = {0};
    assert_ok(bundle_parse(&arena, set, &bundle));
    scoped_contract draft = {0};
    assert_ok(contract_parse_payload(&arena, bundle.contract.document.payload, &draft));
    struct text left;
    struct text right;
    assert_ok(contract_explain(&arena, &bundle.contract, &left));
    assert_ok(contract_explain(&arena, &draft, &right));
    assert_true(text_equal(left, right));
    assert_false(draft.parties[0].is_signed);
    assert_why(contract_verify(&arena, &draft, NULL, 0), NOT_FOUND, "contract.signature.missing");
    assert_why(contract_verify_signature(&arena, &draft, 0), NOT_FOUND, "contract.signature.missing");
    assert_ok(contract_verify_signature(&arena, &bundle.contract, 2));
    /* Built again from its parts, the payload is the same octets. */
    scoped_json *built = NULL;
    struct text canonical;
    assert_ok(contract_build(&bundle.contract, &built));
    assert_ok(json_encode_text(&arena, built, &canonical));
    assert_true(bytes_equal(bytes_of_text(canonical), bundle.contract.document.payload));
    /* A draft with a space in it has another digest than its signers would compute. */
    struct text spaced;
    assert_ok(arena_printf(&arena, &spaced, " %.*s", TEXT_ARGS(canonical)));
    scoped_contract other = {0};
    assert_why(contract_parse_payload(&arena, bytes_of_text(spaced), &other), INVALID,
               "document.not_canonical");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_set_is_accepted),
        cmocka_unit_test(single_changes_are_refused),
        cmocka_unit_test(a_refreshed_set_is_accepted),
        cmocka_unit_test(a_later_version_needs_no_signature),
        cmocka_unit_test(documents_elsewhere_are_refused),
        cmocka_unit_test(sealed_parameters_have_a_limit),
        cmocka_unit_test(the_address_book_is_asked),
        cmocka_unit_test(sealed_parameters_are_checked),
        cmocka_unit_test(the_explanation_cannot_be_imitated),
        cmocka_unit_test(the_room_demands_one_explain_digest),
        cmocka_unit_test(a_draft_explains_like_the_contract),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
