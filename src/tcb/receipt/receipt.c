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

static fallible add_input(json_t *inputs, const struct bundle *documents, const struct contract_read *read)
{
    const struct manifest *manifest = &documents->manifests[read->dataset];
    json_t *input =
        json_pack("{s:s%,s:I,s:o,s:o,s:o}", "dataset", TEXT_SIZED(manifest->dataset), "version",
                  (json_int_t)manifest->version, "manifest", digest_to_json(&manifest->document.digest),
                  "data", digest_to_json(&manifest->data), "policy",
                  digest_to_json(&documents->policies[read->dataset].document.digest));
    TRY(json_add(inputs, input));
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

static fallible add_recipients(struct arena *arena, const struct bundle *documents, json_t *names,
                               json_t *kids)
{
    for (size_t i = 0; i < documents->run_request.recipient_count; i++) {
        size_t party;
        struct text kid;
        TRY(contract_find_party(&documents->contract, documents->run_request.recipients[i], &party));
        TRY(jws_kid(arena, &documents->contract.parties[party].result, &kid));
        TRY(json_add_text(names, documents->run_request.recipients[i]));
        TRY(json_add_text(kids, kid));
    }
    return OK;
}

static fallible set_grants(json_t *predicate, const struct bundle *documents)
{
    json_t *rows;
    TRY(document_set_array(predicate, "grants", &rows));
    for (size_t i = 0; i < documents->grant_count; i++) {
        TRY(json_add(rows, json_pack("{s:s%,s:o}", "owner", TEXT_SIZED(documents->grants[i].owner), "digest",
                                     digest_to_json(&documents->grants[i].document.digest))));
    }
    if (documents->key_update_count == 0) {
        return OK;
    }
    TRY(document_set_array(predicate, "key_updates", &rows));
    for (size_t i = 0; i < documents->key_update_count; i++) {
        const struct key_update *update = &documents->key_updates[i];
        TRY(json_add(rows, json_pack("{s:s%,s:o}", "dataset", TEXT_SIZED(update->dataset), "digest",
                                     digest_to_json(&update->document.digest))));
    }
    return OK;
}

static fallible set_attestation(json_t *predicate, const struct receipt_facts *facts)
{
    json_t *tokens;
    TRY(document_set_array(predicate, "attestation", &tokens));
    for (size_t i = 0; i < facts->token_count; i++) {
        const struct receipt_token *token = &facts->tokens[i];
        struct digest digest = digest_of(bytes_of_text(token->token));
        TRY(json_add(tokens, json_pack("{s:s%,s:s%,s:o}", "party", TEXT_SIZED(token->party), "issuer",
                                       TEXT_SIZED(token->issuer), "token", digest_to_json(&digest))));
    }
    return OK;
}

static fallible set_predicate(struct arena *arena, json_t *statement, const struct receipt_facts *facts)
{
    const struct bundle *documents = facts->documents;
    const struct run_request *request = &documents->run_request;
    const struct contract_query *query = &documents->contract.queries[documents->query];
    json_t *recipients = json_array(), *inputs = json_array(), *rules = json_array();
    json_t *schema = json_array(), *kids = json_array();
    REQUIRE(facts->size_class <= INT64_MAX, LIMIT, "receipt.size_class");
    json_t *predicate = json_pack(
        "{s:o,s:s%,s:o,s:o,s:o,s:{s:s%,s:o,s:o,s:s%,s:o},s:o,s:{s:s,s:o,s:s%,s:s%},s:{s:o,s:s,s:I,s:o},"
        "s:{s:s%,s:s%},s:{s:s}}",
        "contract", digest_to_json(&documents->contract.document.digest), "run", TEXT_SIZED(request->run),
        "run_request", digest_to_json(&request->document.digest), "room", digest_to_json(&facts->room),
        "runtime_data", digest_to_json(&facts->runtime_data), "query", "name", TEXT_SIZED(query->name),
        "canonical", digest_to_json(&query->canonical), "executed",
        digest_to_json(digest_shown(facts, query)), "querier", TEXT_SIZED(request->querier), "recipients",
        recipients, "inputs", inputs, "decision", "mode", "approved", "rules", rules, "vetter",
        TEXT_SIZED(facts->vetter), "engine", TEXT_SIZED(facts->engine), "output", "schema", schema, "format",
        "csv", "size_class", (json_int_t)facts->size_class, "encrypted_to", kids, "code", "type",
        TEXT_SIZED(facts->code_type), "measurement", TEXT_SIZED(facts->code_measurement), "time", "source",
        RECEIPT_TIME_SOURCE);
    TRY(json_set(statement, "predicate", predicate));
    TRY(json_set_base64url(predicate, "salt", digest_view(&facts->salt)));
    TRY(json_set_time(json_object_get(predicate, "time"), "released", facts->released));
    TRY(column_schema_build(query->output, query->output_count, schema));
    TRY(add_recipients(arena, documents, recipients, kids));
    for (size_t i = 0; i < query->read_count; i++) {
        TRY(add_input(inputs, documents, &query->reads[i]));
        TRY(add_rule(arena, rules, &documents->policies[query->reads[i].dataset]));
    }
    TRY(set_grants(predicate, documents));
    return set_attestation(predicate, facts);
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
