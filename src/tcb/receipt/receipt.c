#include "receipt/receipt.h"

#include "base/encode.h"
#include "crypto/signature_der.h"
#include "jose/jws.h"

enum { STATEMENT_SIZE_MAX = 16 * 1024 * 1024 };

static fallible set_digest(json_t *object, const char *name, const struct digest *digest)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text text;
    TRY(digest_to_text(&arena, digest, &text));
    return json_set_text(object, name, text);
}

static fallible set_texts(json_t *object, const char *name, const struct receipt_texts *texts)
{
    TRY(json_set(object, name, json_array()));
    json_t *list = json_object_get(object, name);
    for (size_t i = 0; i < texts->count; i++) {
        TRY(json_add_text(list, texts->items[i]));
    }
    return OK;
}

/* A new empty object as a member, or as the last item of an array. */
static fallible open_object(json_t *parent, const char *name, json_t **out)
{
    TRY(json_set(parent, name, json_object()));
    *out = json_object_get(parent, name);
    return OK;
}

static fallible open_item(json_t *list, json_t **out)
{
    json_t *item = json_object();
    TRY(json_add(list, item));
    *out = item;
    return OK;
}

static fallible set_query(json_t *predicate, const struct receipt_facts *facts)
{
    json_t *query;
    TRY(open_object(predicate, "query", &query));
    TRY(json_set_text(query, "name", facts->query));
    TRY(set_digest(query, "canonical", &facts->query_canonical));
    TRY(set_digest(query, "executed", &facts->query_executed));
    TRY(json_set_text(query, "querier", facts->querier));
    return set_texts(query, "recipients", &facts->recipients);
}

static fallible set_inputs(json_t *predicate, const struct receipt_facts *facts)
{
    TRY(json_set(predicate, "inputs", json_array()));
    json_t *list = json_object_get(predicate, "inputs");
    for (size_t i = 0; i < facts->input_count; i++) {
        const struct receipt_input *from = &facts->inputs[i];
        json_t *input;
        TRY(open_item(list, &input));
        TRY(json_set_text(input, "dataset", from->dataset));
        REQUIRE(from->version <= INT64_MAX, LIMIT, "receipt.version");
        TRY(json_set_i64(input, "version", (int64_t)from->version));
        TRY(set_digest(input, "manifest", &from->manifest));
        TRY(set_digest(input, "data", &from->data));
        TRY(set_digest(input, "policy", &from->policy));
        TRY(set_texts(input, "columns", &from->columns));
    }
    return OK;
}

static fallible set_decision(json_t *predicate, const struct receipt_facts *facts)
{
    json_t *decision;
    TRY(open_object(predicate, "decision", &decision));
    TRY(json_set_text(decision, "mode", facts->mode));
    TRY(set_texts(decision, "rules", &facts->rules));
    TRY(json_set_text(decision, "vetter", facts->vetter));
    return json_set_text(decision, "engine", facts->engine);
}

static fallible set_output(json_t *predicate, const struct receipt_facts *facts)
{
    json_t *output, *column;
    TRY(open_object(predicate, "output", &output));
    TRY(json_set(output, "schema", json_array()));
    for (size_t i = 0; i < facts->schema_count; i++) {
        TRY(open_item(json_object_get(output, "schema"), &column));
        TRY(json_set_text(column, "name", facts->schema[i].name));
        TRY(json_set_text(column, "type", facts->schema[i].type));
    }
    TRY(json_set_text(output, "format", facts->format));
    REQUIRE(facts->size_class <= INT64_MAX, LIMIT, "receipt.size_class");
    TRY(json_set_i64(output, "size_class", (int64_t)facts->size_class));
    return set_texts(output, "encrypted_to", &facts->encrypted_to);
}

static fallible set_grants(json_t *predicate, const struct receipt_facts *facts)
{
    TRY(json_set(predicate, "grants", json_array()));
    for (size_t i = 0; i < facts->grant_count; i++) {
        json_t *grant;
        TRY(open_item(json_object_get(predicate, "grants"), &grant));
        TRY(json_set_text(grant, "owner", facts->grants[i].owner));
        TRY(set_digest(grant, "digest", &facts->grants[i].digest));
    }
    return OK;
}

static fallible set_attestation(json_t *predicate, const struct receipt_facts *facts)
{
    TRY(json_set(predicate, "attestation", json_array()));
    for (size_t i = 0; i < facts->token_count; i++) {
        json_t *token;
        TRY(open_item(json_object_get(predicate, "attestation"), &token));
        TRY(json_set_text(token, "party", facts->tokens[i].party));
        TRY(json_set_text(token, "issuer", facts->tokens[i].issuer));
        TRY(set_digest(token, "token", &facts->tokens[i].token));
    }
    return OK;
}

static fallible set_predicate(json_t *statement, const struct receipt_facts *facts)
{
    json_t *predicate, *code, *time;
    TRY(open_object(statement, "predicate", &predicate));
    TRY(json_set_base64url(predicate, "salt", digest_view(&facts->salt)));
    TRY(set_digest(predicate, "contract", &facts->contract));
    TRY(json_set_text(predicate, "run", facts->run));
    TRY(set_digest(predicate, "run_request", &facts->run_request));
    TRY(set_digest(predicate, "room", &facts->room));
    TRY(set_query(predicate, facts));
    TRY(set_inputs(predicate, facts));
    TRY(set_decision(predicate, facts));
    TRY(set_output(predicate, facts));
    TRY(set_grants(predicate, facts));
    TRY(open_object(predicate, "code", &code));
    TRY(json_set_text(code, "type", facts->code_type));
    TRY(json_set_text(code, "measurement", facts->code_measurement));
    TRY(set_attestation(predicate, facts));
    TRY(set_digest(predicate, "runtime_data", &facts->runtime_data));
    TRY(open_object(predicate, "time", &time));
    TRY(json_set_time(time, "released", facts->released));
    return json_set_text(time, "source", TEXT(RECEIPT_TIME_SOURCE));
}

fallible receipt_statement(const struct receipt_facts *facts, json_t **out)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    scoped_json *statement = json_object();
    json_t *subject, *digest;
    struct text hex;
    TRY(json_set_text(statement, "_type", TEXT(RECEIPT_STATEMENT_TYPE)));
    TRY(json_set(statement, "subject", json_array()));
    TRY(open_item(json_object_get(statement, "subject"), &subject));
    TRY(json_set_text(subject, "name", TEXT("result")));
    TRY(open_object(subject, "digest", &digest));
    TRY(encode_hex(&arena, digest_view(&facts->result), &hex));
    TRY(json_set_text(digest, "sha256", hex));
    TRY(json_set_text(statement, "predicateType", TEXT(RECEIPT_PREDICATE_TYPE)));
    TRY(set_predicate(statement, facts));
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
    scoped_json *envelope = json_object();
    json_t *item;
    TRY(json_set_text(envelope, "payload", payload_base64));
    TRY(json_set_text(envelope, "payloadType", TEXT(RECEIPT_PAYLOAD_TYPE)));
    TRY(json_set(envelope, "signatures", json_array()));
    TRY(open_item(json_object_get(envelope, "signatures"), &item));
    TRY(json_set_text(item, "keyid", kid));
    TRY(json_set_text(item, "sig", signature));
    *out = json_incref(envelope);
    return OK;
}

static fallible set_borrowed(json_t *object, const char *name, const json_t *value)
{
    return json_set(object, name, json_incref((json_t *)value));
}

fallible receipt_bundle_encode(const struct receipt_bundle *bundle, struct buffer *out)
{
    scoped_json *object = json_object();
    TRY(json_set_text(object, "type", TEXT("receipt-bundle/1")));
    TRY(set_borrowed(object, "receipt", bundle->receipt));
    TRY(set_borrowed(object, "contract", bundle->contract));
    TRY(set_borrowed(object, "grants", bundle->grants));
    TRY(set_borrowed(object, "manifests", bundle->manifests));
    TRY(set_borrowed(object, "policies", bundle->policies));
    TRY(set_borrowed(object, "run_request", bundle->run_request));
    TRY(json_set_base64url(object, "runtime_data", bundle->runtime_data));
    TRY(set_borrowed(object, "evidence", bundle->evidence));
    TRY(json_set(object, "tokens", json_array()));
    for (size_t i = 0; i < bundle->token_count; i++) {
        json_t *token;
        TRY(open_item(json_object_get(object, "tokens"), &token));
        TRY(json_set_text(token, "party", bundle->tokens[i].party));
        TRY(json_set_text(token, "issuer", bundle->tokens[i].issuer));
        TRY(json_set_text(token, "token", bundle->tokens[i].token));
        TRY(set_borrowed(token, "jwks", bundle->tokens[i].jwks));
    }
    return json_encode(object, out);
}
