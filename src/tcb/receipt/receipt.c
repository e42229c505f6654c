#include "receipt/receipt.h"

#include "base/encode.h"
#include "crypto/signature_der.h"
#include "jose/jws.h"
#include "privacy/result_frame.h"

enum { STATEMENT_SIZE_MAX = 16 * 1024 * 1024 };

/* The executed text holds the parameters' values, and the receipt goes through the host: where one is sealed,
 * a digest of the text would tell which guess is right. */
static const struct digest *digest_shown(const struct receipt_facts *facts,
                                         const struct contract_query *query)
{
    return contract_query_is_public(query) ? &facts->query_executed : &query->canonical;
}

static fallible set_query(json_t *predicate, const struct receipt_facts *facts,
                          const struct contract_query *from)
{
    const struct run_request *request = &facts->documents->run_request;
    json_t *query;
    TRY(document_set_object(predicate, "query", &query));
    TRY(json_set_text(query, "name", from->name));
    TRY(document_set_digest(query, "canonical", &from->canonical));
    TRY(document_set_digest(query, "executed", digest_shown(facts, from)));
    TRY(json_set_text(query, "querier", request->querier));
    return document_set_names(query, "recipients", request->recipients, request->recipient_count);
}

static fallible add_input(json_t *inputs, const struct bundle *documents, const struct contract_read *read)
{
    const struct manifest *manifest = &documents->manifests[read->dataset];
    json_t *input;
    TRY(document_add_object(inputs, &input));
    TRY(json_set_text(input, "dataset", manifest->dataset));
    TRY(json_set_i64(input, "version", (int64_t)manifest->version));
    TRY(document_set_digest(input, "manifest", &manifest->document.digest));
    TRY(document_set_digest(input, "data", &manifest->data));
    TRY(document_set_digest(input, "policy", &documents->policies[read->dataset].document.digest));
    return document_set_names(input, "columns", read->columns, read->column_count);
}

static fallible add_rule(struct arena *arena, json_t *rules, const struct policy *policy)
{
    struct text rule;
    if (policy_entity_is_none(&policy->entity)) {
        TRY(arena_printf(arena, &rule, "%.*s:/entity=none", TEXT_ARGS(policy->dataset)));
    } else {
        TRY(arena_printf(arena, &rule, "%.*s:/output/min_entities=%llu", TEXT_ARGS(policy->dataset),
                         (unsigned long long)policy->entity.min_entities));
    }
    return json_add_text(rules, rule);
}

static fallible set_inputs_and_decision(struct arena *arena, json_t *predicate,
                                        const struct receipt_facts *facts, const struct contract_query *query)
{
    json_t *inputs, *decision, *rules;
    TRY(document_set_array(predicate, "inputs", &inputs));
    rules = json_array();
    decision = json_pack("{s:s,s:o,s:s%,s:s%}", "mode", "approved", "rules", rules, "vetter",
                         TEXT_SIZED(facts->vetter), "engine", TEXT_SIZED(facts->engine));
    TRY(json_set(predicate, "decision", decision));
    for (size_t i = 0; i < query->read_count; i++) {
        TRY(add_input(inputs, facts->documents, &query->reads[i]));
        TRY(add_rule(arena, rules, &facts->documents->policies[query->reads[i].dataset]));
    }
    return OK;
}

static fallible set_output(struct arena *arena, json_t *predicate, const struct receipt_facts *facts,
                           const struct contract_query *query)
{
    const struct bundle *documents = facts->documents;
    json_t *output, *schema, *kids;
    TRY(document_set_object(predicate, "output", &output));
    TRY(document_set_array(output, "schema", &schema));
    TRY(column_schema_build(query->output, query->output_count, schema));
    TRY(json_set_text(output, "format", TEXT("csv")));
    REQUIRE(facts->size_class <= INT64_MAX, LIMIT, "receipt.size_class");
    TRY(json_set_i64(output, "size_class", (int64_t)facts->size_class));
    TRY(document_set_array(output, "encrypted_to", &kids));
    for (size_t i = 0; i < documents->run_request.recipient_count; i++) {
        size_t party;
        struct text kid;
        TRY(contract_find_party(&documents->contract, documents->run_request.recipients[i], &party));
        TRY(jws_kid(arena, &documents->contract.parties[party].result, &kid));
        TRY(json_add_text(kids, kid));
    }
    return OK;
}

static fallible set_grants(json_t *predicate, const struct bundle *documents)
{
    json_t *grants, *grant;
    TRY(document_set_array(predicate, "grants", &grants));
    for (size_t i = 0; i < documents->grant_count; i++) {
        TRY(document_add_object(grants, &grant));
        TRY(json_set_text(grant, "owner", documents->grants[i].owner));
        TRY(document_set_digest(grant, "digest", &documents->grants[i].document.digest));
    }
    if (documents->key_update_count == 0) {
        return OK;
    }
    TRY(document_set_array(predicate, "key_updates", &grants));
    for (size_t i = 0; i < documents->key_update_count; i++) {
        TRY(document_add_object(grants, &grant));
        TRY(json_set_text(grant, "dataset", documents->key_updates[i].dataset));
        TRY(document_set_digest(grant, "digest", &documents->key_updates[i].document.digest));
    }
    return OK;
}

static fallible set_attestation(json_t *predicate, const struct receipt_facts *facts)
{
    json_t *tokens, *token;
    TRY(document_set_array(predicate, "attestation", &tokens));
    for (size_t i = 0; i < facts->token_count; i++) {
        struct digest digest = digest_of(bytes_of_text(facts->tokens[i].token));
        TRY(document_add_object(tokens, &token));
        TRY(json_set_text(token, "party", facts->tokens[i].party));
        TRY(json_set_text(token, "issuer", facts->tokens[i].issuer));
        TRY(document_set_digest(token, "token", &digest));
    }
    return OK;
}

static fallible set_predicate(struct arena *arena, json_t *statement, const struct receipt_facts *facts)
{
    const struct bundle *documents = facts->documents;
    const struct contract_query *query = &documents->contract.queries[documents->query];
    json_t *predicate, *time;
    TRY(document_set_object(statement, "predicate", &predicate));
    TRY(json_set_base64url(predicate, "salt", digest_view(&facts->salt)));
    TRY(document_set_digest(predicate, "contract", &documents->contract.document.digest));
    TRY(json_set_text(predicate, "run", documents->run_request.run));
    TRY(document_set_digest(predicate, "run_request", &documents->run_request.document.digest));
    TRY(document_set_digest(predicate, "room", &facts->room));
    TRY(set_query(predicate, facts, query));
    TRY(set_inputs_and_decision(arena, predicate, facts, query));
    TRY(set_output(arena, predicate, facts, query));
    TRY(set_grants(predicate, documents));
    TRY(json_set(predicate, "code",
                 json_pack("{s:s%,s:s%}", "type", TEXT_SIZED(facts->code_type), "measurement",
                           TEXT_SIZED(facts->code_measurement))));
    TRY(set_attestation(predicate, facts));
    TRY(document_set_digest(predicate, "runtime_data", &facts->runtime_data));
    TRY(document_set_object(predicate, "time", &time));
    TRY(json_set_time(time, "released", facts->released));
    return json_set_text(time, "source", TEXT(RECEIPT_TIME_SOURCE));
}

fallible receipt_statement(struct arena *arena, const struct receipt_facts *facts, json_t **out)
{
    ASSERT(facts->documents->has_run_request);
    struct text hex;
    TRY(encode_hex(arena, digest_view(&facts->result), &hex));
    scoped_json *statement =
        json_pack("{s:s,s:s,s:[{s:s,s:{s:s%}}]}", "_type", RECEIPT_STATEMENT_TYPE, "predicateType",
                  RECEIPT_PREDICATE_TYPE, "subject", "name", "result", "digest", "sha256", TEXT_SIZED(hex));
    REQUIRE(statement != NULL, NO_MEMORY, "json.memory");
    TRY(set_predicate(arena, statement, facts));
    *out = json_incref(statement);
    return OK;
}

fallible receipt_dsse_encoding(struct text payload_type, struct bytes payload, struct buffer *out)
{
    TRY(buffer_printf(out, "DSSEv1 %zu %.*s %zu ", payload_type.size, TEXT_ARGS(payload_type), payload.size));
    return buffer_add(out, payload);
}

static fallible sign_payload(struct arena *arena, struct bytes payload, const struct key *key,
                             struct text *out_signature)
{
    scoped_buffer covered, der;
    buffer_init(&covered, STATEMENT_SIZE_MAX);
    buffer_init(&der, SIGNATURE_DER_BYTES_MAX);
    TRY(receipt_dsse_encoding(TEXT(RECEIPT_PAYLOAD_TYPE), payload, &covered));
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    TRY(key_sign(key, KEY_ES256, buffer_view(&covered), signature, &size));
    ASSERT(size == SIGNATURE_RAW_BYTES);
    TRY(signature_to_der(signature, &der));
    return encode_base64(arena, buffer_view(&der), out_signature);
}

fallible receipt_sign(struct arena *arena, const json_t *statement, const struct key *receipt_key,
                      json_t **out)
{
    REQUIRE(receipt_key->is_private && receipt_key->kind == KEY_EC_P256, INVALID, "receipt.key");
    struct text payload, payload_base64, signature, kid;
    TRY(json_encode_text(arena, statement, &payload));
    TRY(encode_base64(arena, bytes_of_text(payload), &payload_base64));
    TRY(sign_payload(arena, bytes_of_text(payload), receipt_key, &signature));
    TRY(jws_kid(arena, receipt_key, &kid));
    json_t *envelope = json_pack("{s:s%,s:s,s:[{s:s%,s:s%}]}", "payload", payload_base64.data,
                                 payload_base64.size, "payloadType", RECEIPT_PAYLOAD_TYPE, "signatures",
                                 "keyid", TEXT_SIZED(kid), "sig", TEXT_SIZED(signature));
    REQUIRE(envelope != NULL, NO_MEMORY, "json.memory");
    *out = envelope;
    return OK;
}

fallible receipt_bundle_encode(const struct receipt_bundle *bundle, struct buffer *out)
{
    scoped_json *object = json_copy((json_t *)(uintptr_t)bundle->documents);
    TRY(json_set_text(object, "type", TEXT("receipt-bundle/1")));
    TRY(json_set(object, "receipt", json_incref((json_t *)(uintptr_t)bundle->receipt)));
    TRY(json_set(object, "evidence", json_incref((json_t *)(uintptr_t)bundle->evidence)));
    TRY(json_set(object, "tokens", json_array()));
    TRY(json_set_base64url(object, "runtime_data", bundle->runtime_data));
    for (size_t i = 0; i < bundle->token_count; i++) {
        const struct receipt_token *token = &bundle->tokens[i];
        TRY(json_add(json_object_get(object, "tokens"),
                     json_pack("{s:s%,s:s%,s:s%,s:O}", "party", TEXT_SIZED(token->party), "issuer",
                               TEXT_SIZED(token->issuer), "token", TEXT_SIZED(token->token), "jwks",
                               token->jwks)));
    }
    return json_encode(object, out);
}
