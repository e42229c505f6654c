/* The order of judgement, each step on what the ones before have made trustworthy: the documents by the
 * parties' keys; the runtime data; the tokens, which give the time; the raw evidence at that time; the code;
 * the receipt's signature by the key that all this vouches for; at last the statement. */
#include "receipt/judging.h"

#include "base/encode.h"
#include "crypto/signature_der.h"
#include "jose/jws.h"

static void judging_release(struct judging *judging)
{
    for (size_t i = 0; i < judging->token_count; i++) {
        json_decref(judging->claims[i]);
    }
    evidence_judgement_release(&judging->judgement);
    runtime_data_release(&judging->runtime);
    bundle_release(&judging->documents);
    json_decref(judging->statement);
    json_decref(judging->json);
}

static fallible open_bundle(struct judging *judging, struct bytes untrusted_bundle)
{
    static const char *const members[] = {"type",         "receipt",  "contract",    "grants",
                                          "manifests",    "policies", "key_updates", "run_request",
                                          "runtime_data", "evidence", "tokens",      NULL};
    struct text type;
    REQUIRE(untrusted_bundle.size <= RECEIPT_BUNDLE_SIZE_MAX, LIMIT, "receipt.bundle.size");
    TRY(json_decode(untrusted_bundle, &judging->json));
    TRY(json_only(judging->arena, judging->json, members));
    TRY(json_get_text(judging->json, "type", &type));
    REQUIRE(text_is(type, "receipt-bundle/1"), INVALID, "receipt.bundle.type");
    return OK;
}

/* DSSE: standard base64, one signature. The key comes from the runtime data; `keyid` must then name it. */
static fallible open_envelope(struct judging *judging)
{
    static const char *const members[] = {"payload", "payloadType", "signatures", NULL};
    static const char *const signature_members[] = {"keyid", "sig", NULL};
    json_t *envelope, *signatures;
    struct text payload, type, signature, canonical;
    TRY(json_get_object(judging->json, "receipt", &envelope));
    TRY(json_only(judging->arena, envelope, members));
    TRY(json_get_text(envelope, "payload", &payload));
    TRY(json_get_text(envelope, "payloadType", &type));
    TRY(json_get_array(envelope, "signatures", &signatures));
    REQUIRE(text_is(type, RECEIPT_PAYLOAD_TYPE), INVALID, "receipt.payload_type");
    REQUIRE(json_array_size(signatures) == 1, INVALID, "receipt.signatures");
    TRY(json_only(judging->arena, json_array_get(signatures, 0), signature_members));
    TRY(json_get_text(json_array_get(signatures, 0), "keyid", &judging->key_id));
    TRY(json_get_text(json_array_get(signatures, 0), "sig", &signature));
    TRY(decode_base64(judging->arena, payload, &judging->payload));
    TRY(decode_base64(judging->arena, signature, &judging->signature_der));
    TRY(json_decode(judging->payload, &judging->statement));
    TRY(json_encode_text(judging->arena, judging->statement, &canonical));
    REQUIRE(bytes_equal(bytes_of_text(canonical), judging->payload), INVALID, "receipt.not_canonical");
    return OK;
}

static fallible check_documents(struct judging *judging)
{
    const struct receipt_trust *trust = judging->trust;
    struct contract_known_party *known;
    TRY(ARENA_ARRAY(judging->arena, struct contract_known_party, trust->party_count, &known));
    for (size_t i = 0; i < trust->party_count; i++) {
        known[i] = (struct contract_known_party){trust->parties[i].name, trust->parties[i].fingerprint};
    }
    TRY(bundle_parse(judging->arena, judging->json, &judging->documents));
    REQUIRE(judging->documents.has_run_request, INVALID, "receipt.run_request.missing");
    REQUIRE(judging->how->accept_simulated || !contract_is_simulated(&judging->documents.contract), UNTRUSTED,
            "receipt.simulated");
    return bundle_verify(judging->arena, &judging->documents, known, trust->party_count);
}

static fallible check_runtime(struct judging *judging)
{
    TRY(json_get_base64url(judging->arena, judging->json, "runtime_data", &judging->runtime_octets));
    TRY(runtime_data_parse(judging->arena, judging->runtime_octets, &judging->runtime));
    const struct runtime_data *runtime = &judging->runtime;
    REQUIRE(runtime->purpose == RUNTIME_RUN, UNTRUSTED, "receipt.runtime.purpose");
    REQUIRE(digest_equal(&runtime->contract, &judging->documents.contract.document.digest), UNTRUSTED,
            "receipt.runtime.contract");
    REQUIRE(digest_equal(&runtime->run_request, &judging->documents.run_request.document.digest), UNTRUSTED,
            "receipt.runtime.run_request");
    return OK;
}

static fallible check_evidence(struct judging *judging)
{
    json_t *evidence;
    TRY(json_get_object(judging->json, "evidence", &evidence));
    TRY(evidence_from_json(judging->arena, evidence, &judging->evidence));
    REQUIRE(judging->how->accept_simulated || !text_is(judging->evidence.family, "sim"), UNTRUSTED,
            "receipt.simulated");
    TRY(evidence_judge(judging->arena, &judging->evidence, judging->runtime_octets, &judging->trust->evidence,
                       judging->released, &judging->judgement));
    if (judging->judgement.verdict != VERDICT_ALLOW) {
        return (struct result){RESULT_UNTRUSTED, judging->judgement.failures[0], "evidence"};
    }
    return OK;
}

static bool contract_accepts_code(const struct judging *judging)
{
    const struct contract *contract = &judging->documents.contract;
    for (size_t i = 0; i < contract->tee_count; i++) {
        const struct contract_tee *tee = &contract->tees[i];
        if (text_equal(tee->type, judging->evidence.family) &&
            bytes_equal(tee->measurement, judging->judgement.measurement) &&
            (!tee->has_root || digest_equal(&tee->root, &judging->judgement.root))) {
            return true;
        }
    }
    return false;
}

static fallible check_code(struct judging *judging)
{
    REQUIRE(contract_accepts_code(judging), UNTRUSTED, "receipt.code.not_in_contract");
    struct text measurement;
    TRY(encode_hex(judging->arena, judging->judgement.measurement, &measurement));
    for (size_t i = 0; i < judging->trust->measurement_count; i++) {
        if (text_equal(judging->trust->measurements[i].type, judging->evidence.family) &&
            text_equal(judging->trust->measurements[i].measurement, measurement)) {
            return OK;
        }
    }
    return FAIL(UNTRUSTED, "receipt.code.not_trusted");
}

static fallible check_signature(struct judging *judging)
{
    scoped_buffer covered;
    buffer_init(&covered, RECEIPT_BUNDLE_SIZE_MAX);
    uint8_t signature[SIGNATURE_RAW_BYTES];
    struct text key_id;
    TRY(signature_from_der(judging->signature_der, signature));
    TRY(receipt_dsse_encoding(TEXT(RECEIPT_PAYLOAD_TYPE), judging->payload, &covered));
    struct result result =
        key_verify(&judging->runtime.receipt_key, KEY_ES256, buffer_view(&covered), BYTES_OF(signature));
    REQUIRE(result.code != RESULT_UNTRUSTED, UNTRUSTED, "receipt.signature");
    TRY(result);
    TRY(jws_kid(judging->arena, &judging->runtime.receipt_key, &key_id));
    REQUIRE(text_equal(judging->key_id, key_id), UNTRUSTED, "receipt.key_id");
    return OK;
}

static fallible judge(struct judging *judging, struct bytes untrusted_bundle)
{
    TRY(open_bundle(judging, untrusted_bundle));
    TRY(open_envelope(judging));
    TRY(check_documents(judging));
    TRY(check_runtime(judging));
    TRY(judging_check_tokens(judging));
    TRY(bundle_check_time(&judging->documents, judging->released));
    TRY(check_evidence(judging));
    TRY(judging_check_claims(judging));
    TRY(check_code(judging));
    TRY(check_signature(judging));
    return judging_check_statement(judging);
}

/* What a reader must believe for the verdict to mean something: all of it from the verifier's own file. */
static fallible list_trust(struct judging *judging, json_t *list)
{
    const struct contract *contract = &judging->documents.contract;
    struct arena *arena = judging->arena;
    struct text digest, line;
    for (size_t i = 0; i < contract->party_count; i++) {
        TRY(digest_to_text(arena, &contract->parties[i].fingerprint, &digest));
        TRY(arena_printf(arena, &line, "party %.*s signs with key %.*s", TEXT_ARGS(contract->parties[i].name),
                         TEXT_ARGS(digest)));
        TRY(json_add_text(list, line));
    }
    for (size_t i = 0; i < judging->token_count; i++) {
        TRY(arena_printf(arena, &line, "authority %.*s judged the room for %.*s",
                         TEXT_ARGS(judging->tokens[i].issuer), TEXT_ARGS(judging->tokens[i].party)));
        TRY(json_add_text(list, line));
    }
    TRY(digest_to_text(arena, &judging->judgement.root, &digest));
    TRY(arena_printf(arena, &line, "root of %.*s evidence %.*s", TEXT_ARGS(judging->evidence.family),
                     TEXT_ARGS(digest)));
    TRY(json_add_text(list, line));
    TRY(encode_hex(arena, judging->judgement.measurement, &digest));
    TRY(arena_printf(arena, &line, "code of %.*s measurement %.*s", TEXT_ARGS(judging->evidence.family),
                     TEXT_ARGS(digest)));
    TRY(json_add_text(list, line));
    if (text_is(judging->evidence.family, "sim")) {
        TRY(json_add_text(list, TEXT("a simulated TEE, which protects nothing: accepted on request")));
    }
    return OK;
}

static fallible report(struct judging *judging, json_t **out)
{
    scoped_json *object = json_object();
    TRY(json_set(object, "statement", json_incref(judging->statement)));
    TRY(json_set(object, "relied_on", json_array()));
    TRY(list_trust(judging, json_object_get(object, "relied_on")));
    *out = json_incref(object);
    return OK;
}

fallible receipt_verify(struct arena *arena, struct bytes untrusted_bundle, const struct receipt_trust *trust,
                        const struct receipt_verification *how, json_t **out_report)
{
    struct judging *judging;
    TRY(ARENA_NEW(arena, struct judging, &judging));
    judging->arena = arena;
    judging->trust = trust;
    judging->how = how;
    struct result result = judge(judging, untrusted_bundle);
    if (result_is_ok(result)) {
        result = report(judging, out_report);
    }
    /* `where` may point into the documents, which go now. */
    result.where = result.where == NULL ? NULL : arena_where(arena, "%s", result.where);
    judging_release(judging);
    return result;
}
