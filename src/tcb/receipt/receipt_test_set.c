#include "receipt/receipt_test_set.h"

#include "attest/runtime_data.h"
#include "base/encode.h"
#include "jose/jwt.h"
#include "receipt/receipt.h"
#include "tee/sim_init.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ISSUER "https://attest.example"
#define MUST(call)                                                                                           \
    do {                                                                                                     \
        struct result must_ = (call);                                                                        \
        if (!result_is_ok(must_)) {                                                                          \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, must_.why,                               \
                    must_.where ? must_.where : "");                                                         \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static const uint8_t measurement[TEE_MEASUREMENT_BYTES] = {9, 8, 7};
static const struct digest policy_hash = {{5}};

static int64_t test_seconds(void *self)
{
    (void)self;
    return TEST_NOW;
}

void receipt_set_init(struct receipt_set *out)
{
    *out = (struct receipt_set){.world = world_of_system()};
    out->world.unix_seconds = test_seconds;
    strcpy(out->folder, "/tmp/truce-receipt-XXXXXX");
    ASSERT(mkdtemp(out->folder) != NULL);
    scoped_buffer pem;
    buffer_init(&pem, 65536);
    test_keys_make(&out->keys);
    MUST(key_generate(KEY_RSA, 2048, &out->wrap));
    MUST(key_generate(KEY_RSA, 2048, &out->authority));
    MUST(key_generate(KEY_EC_P256, 0, &out->receipt));
    MUST(simulation_make(&out->world, out->folder, &pem, &out->root));
    MUST(sim_chip_open(out->folder, BYTES_OF(measurement), &out->chip));
}

void receipt_set_release(struct receipt_set *set)
{
    static const char *const names[] = {SIMULATION_CHIP_KEY, SIMULATION_CHIP_DER, SIMULATION_ROOT_DER};
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", set->folder, names[i]);
        unlink(path);
    }
    rmdir(set->folder);
    sim_chip_release(&set->chip);
    key_release(&set->wrap);
    key_release(&set->authority);
    key_release(&set->receipt);
    test_keys_release(&set->keys);
}

/* --- one change --- */

static json_t *member_of(json_t *in, const char *name)
{
    return json_is_array(in) ? json_array_get(in, (size_t)atoi(name)) : json_object_get(in, name);
}

static json_t *changed_text(const json_t *old, const char *how)
{
    char text[65536];
    ASSERT(json_is_string(old) && json_string_length(old) > 0 && json_string_length(old) < sizeof text);
    strcpy(text, json_string_value(old));
    char *last = text + strlen(text) - 1;
    *last = *how == '~' ? (*last == 'A' ? 'Q' : 'A') : (*last == '0' ? '1' : '0');
    return json_string(text);
}

static void change_at(const struct receipt_change *change, enum receipt_stage stage, json_t *root)
{
    if (change->stage != stage) {
        return;
    }
    char path[512], *rest = path, *name, *next;
    snprintf(path, sizeof path, "%s", change->path + 1);
    json_t *in = root;
    for (name = strsep(&rest, "/"); (next = strsep(&rest, "/")) != NULL; name = next) {
        in = member_of(in, name);
        ASSERT(in != NULL);
    }
    int status;
    if (change->value == NULL) {
        status = json_is_array(in) ? json_array_remove(in, (size_t)atoi(name)) : json_object_del(in, name);
    } else {
        bool is_text = change->value[0] == '~' || change->value[0] == '^';
        json_t *value = is_text ? changed_text(member_of(in, name), change->value)
                                : json_loads(change->value, JSON_DECODE_ANY, NULL);
        ASSERT(value != NULL);
        status = json_is_array(in) ? json_array_set_new(in, (size_t)atoi(name), value)
                                   : json_object_set_new(in, name, value);
    }
    ASSERT(status == 0);
}

/* --- the parts --- */

static const char *cstring_of(struct arena *arena, struct text text)
{
    const char *out;
    MUST(arena_cstring(arena, text, &out));
    return out;
}

static const char *digest_cstring(struct arena *arena, const struct digest *digest)
{
    struct text text;
    MUST(digest_to_text(arena, digest, &text));
    return cstring_of(arena, text);
}

static const char *measurement_cstring(struct arena *arena)
{
    struct text text;
    MUST(encode_hex(arena, BYTES_OF(measurement), &text));
    return cstring_of(arena, text);
}

static const char *policy_hash_cstring(struct arena *arena)
{
    struct text text;
    MUST(encode_base64url(arena, digest_view(&policy_hash), &text));
    return cstring_of(arena, text);
}

static const char *authority_pin(struct arena *arena, const struct receipt_set *set)
{
    struct digest pin;
    MUST(key_pin(&set->authority, &pin));
    return digest_cstring(arena, &pin);
}

static json_t *documents_of(struct arena *arena, const struct receipt_set *set,
                            const struct receipt_change *change)
{
    const char *pin = authority_pin(arena, set), *hash = policy_hash_cstring(arena);
    const char *tee = arena_where(arena, "[{\"type\":\"sim\",\"measurement\":\"%s\",\"root\":\"%s\"}]",
                                  measurement_cstring(arena), digest_cstring(arena, &set->root));
    const char *authorities =
        arena_where(arena,
                    "[{\"party\":\"bureau\",\"issuer\":\"%s\",\"keys\":[\"%s\"],\"policy_hash\":\"%s\"},"
                    "{\"party\":\"insurer\",\"issuer\":\"%s\",\"keys\":[\"%s\"],\"policy_hash\":\"%s\"}]",
                    ISSUER, pin, hash, ISSUER, pin, hash);
    struct test_change third = {.document = TEST_SIGNED};
    if (change->stage == STAGE_DOCUMENT) {
        third.path = change->path;
        third.value = change->value;
    }
    struct test_change second = {
        .document = TEST_CONTRACT, .path = "/authorities", .value = authorities, .also = &third};
    struct test_change first = {.document = TEST_CONTRACT, .path = "/tee", .value = tee, .also = &second};
    if (change->stage == STAGE_EXPLAIN) {
        first.trick = TEST_OTHER_EXPLAINS;
    }
    return test_set_make(arena, &set->keys, &first);
}

static struct bytes runtime_of(struct arena *arena, const struct receipt_set *set,
                               const struct bundle *documents, const struct receipt_change *change)
{
    struct runtime_data data = {.purpose = RUNTIME_RUN,
                                .contract = documents->contract.document.digest,
                                .run_request = documents->run_request.document.digest,
                                .nonce = {3},
                                .encryption_key = set->wrap,
                                .receipt_key = set->receipt};
    struct bytes octets;
    struct text text;
    scoped_json *json = NULL;
    MUST(runtime_data_build(arena, &data, &octets));
    MUST(json_decode(octets, &json));
    change_at(change, STAGE_RUNTIME, json);
    MUST(json_encode_text(arena, json, &text));
    return bytes_of_text(text);
}

static json_t *evidence_of(struct arena *arena, const struct receipt_set *set, struct bytes runtime)
{
    uint8_t report_data[TEE_REPORT_DATA_BYTES];
    struct evidence evidence;
    json_t *json;
    runtime_data_bind(runtime, report_data);
    MUST(sim_chip_collect(&set->chip, arena, report_data, &evidence));
    MUST(evidence_to_json(&evidence, &json));
    return json;
}

static json_t *claims_of(struct arena *arena, const struct receipt_set *set, const json_t *evidence_json,
                         struct bytes runtime, int64_t issued)
{
    struct evidence evidence;
    struct evidence_trust trust = {.roots = {{TEXT("sim"), set->root}}, .root_count = 1};
    scoped_evidence_judgement judgement = {0};
    json_t *parsed;
    MUST(evidence_from_json(arena, evidence_json, &evidence));
    MUST(evidence_judge(arena, &evidence, runtime, &trust, TEST_NOW, &judgement));
    ASSERT(judgement.verdict == VERDICT_ALLOW);
    json_t *claims = json_deep_copy(judgement.claims);
    MUST(json_decode(runtime, &parsed));
    const char *nonce = json_string_value(json_object_get(parsed, "nonce"));
    MUST(json_set_text(claims, "nonce", text_of(nonce)));
    MUST(json_set(claims, "x-ms-runtime", parsed));
    MUST(json_set_text(claims, "iss", TEXT(ISSUER)));
    MUST(json_set_text(claims, "x-ms-ver", TEXT("1.0")));
    MUST(json_set_text(claims, "x-ms-policy-hash", text_of(policy_hash_cstring(arena))));
    MUST(json_set_i64(claims, "iat", issued));
    MUST(json_set_i64(claims, "exp", issued + 28800));
    return claims;
}

static struct text token_of(struct arena *arena, const struct receipt_set *set, const json_t *claims)
{
    scoped_json *header = json_pack("{s:s}", "kid", "k");
    scoped_buffer buffer;
    struct text token;
    buffer_init(&buffer, JWT_SIZE_MAX);
    MUST(jwt_sign(header, claims, &set->authority, KEY_RS256, &buffer));
    MUST(arena_copy_text(arena, buffer_text(&buffer), &token));
    return token;
}

static json_t *jwks_of(const struct receipt_set *set)
{
    json_t *jwk;
    MUST(key_to_jwk(&set->authority, &jwk));
    MUST(json_set_text(jwk, "kid", TEXT("k")));
    return json_pack("{s:[o]}", "keys", jwk);
}

static json_t *receipt_of(struct arena *arena, const struct receipt_set *set, const struct bundle *documents,
                          struct bytes runtime, const struct receipt_token tokens[2],
                          const struct receipt_change *change)
{
    scoped_json *statement = NULL;
    json_t *envelope;
    struct receipt_facts facts = {.documents = documents,
                                  .result = digest_of(bytes_of_text(RECEIPT_SET_RESULT)),
                                  .runtime_data = digest_of(runtime),
                                  .vetter = TEXT("vet/1"),
                                  .engine = TEXT("duckdb 1.5.6"),
                                  .size_class = 4096,
                                  .tokens = tokens,
                                  .token_count = 2,
                                  .code_type = TEXT("sim"),
                                  .code_measurement = text_of(measurement_cstring(arena)),
                                  .released = TEST_NOW};
    MUST(receipt_statement(arena, &facts, &statement));
    change_at(change, STAGE_STATEMENT, statement);
    MUST(receipt_sign(arena, statement, &set->receipt, &envelope));
    return envelope;
}

static struct bytes trust_of(struct arena *arena, const struct receipt_set *set,
                             const struct bundle *documents, const struct receipt_change *change)
{
    scoped_json *trust = json_pack("{s:s,s:[],s:[{s:s,s:[s],s:s}],s:[{s:s,s:s}],s:[{s:s,s:s}]}", "type",
                                   "trust/1", "parties", "authorities", "issuer", ISSUER, "keys",
                                   authority_pin(arena, set), "policy_hash", policy_hash_cstring(arena),
                                   "measurements", "type", "sim", "measurement", measurement_cstring(arena),
                                   "roots", "type", "sim", "pin", digest_cstring(arena, &set->root));
    ASSERT(trust != NULL);
    for (size_t i = 0; i < documents->contract.party_count; i++) {
        const struct contract_party *party = &documents->contract.parties[i];
        MUST(json_add(json_object_get(trust, "parties"),
                      json_pack("{s:s%,s:s}", "name", party->name.data, (int)party->name.size, "fingerprint",
                                digest_cstring(arena, &party->fingerprint))));
    }
    change_at(change, STAGE_TRUST, trust);
    struct text text;
    MUST(json_encode_text(arena, trust, &text));
    return bytes_of_text(text);
}

void receipt_set_make(struct arena *arena, const struct receipt_set *set, const struct receipt_change *change,
                      struct bytes *out_bundle, struct bytes *out_trust)
{
    static const struct receipt_change none = {0};
    struct bundle *documents;
    MUST(ARENA_NEW(arena, struct bundle, &documents));
    scoped_json *good = documents_of(arena, set, &none);
    scoped_json *sent = documents_of(arena, set, change);
    MUST(bundle_parse(arena, good, documents));
    MUST(bundle_verify(arena, documents, NULL, 0));
    struct bytes runtime = runtime_of(arena, set, documents, change);
    scoped_json *evidence = evidence_of(arena, set, runtime);
    scoped_json *bureau = claims_of(arena, set, evidence, runtime, TEST_NOW);
    scoped_json *insurer = claims_of(arena, set, evidence, runtime, TEST_NOW - 5);
    scoped_json *jwks = jwks_of(set);
    change_at(change, STAGE_CLAIMS, bureau);
    struct receipt_token tokens[] = {
        {TEXT("bureau"), TEXT(ISSUER), token_of(arena, set, bureau), jwks},
        {TEXT("insurer"), TEXT(ISSUER), token_of(arena, set, insurer), jwks},
    };
    scoped_json *receipt = receipt_of(arena, set, documents, runtime, tokens, change);
    struct receipt_bundle bundle = {.receipt = receipt,
                                    .documents = sent,
                                    .runtime_data = runtime,
                                    .evidence = evidence,
                                    .tokens = tokens,
                                    .token_count = 2};
    scoped_buffer encoded;
    scoped_json *finished = NULL;
    struct text text;
    buffer_init(&encoded, RECEIPT_BUNDLE_SIZE_MAX);
    MUST(receipt_bundle_encode(&bundle, &encoded));
    MUST(json_decode(buffer_view(&encoded), &finished));
    change_at(change, STAGE_BUNDLE, finished);
    MUST(json_encode_text(arena, finished, &text));
    *out_bundle = bytes_of_text(text);
    *out_trust = trust_of(arena, set, documents, change);
    bundle_release(documents);
}
