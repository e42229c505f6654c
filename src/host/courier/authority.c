/* An attestation service, in the protocol of Azure Attestation. */
#include "base/encode.h"
#include "host/courier/courier.h"

enum { ARENA_BYTES = 16 * 1024 * 1024, CERTIFICATES_MAX = 8, PEM_LINE = 64 };

struct token_request {
    struct text party;
    struct text issuer;
    json_t *evidence;
    struct text runtime_data; /* base64url, as it travels on */
    struct text nonce;
};

static fallible parse(struct arena *arena, const json_t *object, struct token_request *out)
{
    static const char *const members[] = {"party", "issuer", "evidence", "runtime_data", "nonce", NULL};
    TRY(json_only(arena, object, members));
    struct token_request request;
    TRY(json_get_text(object, "party", &request.party));
    TRY(json_get_text(object, "issuer", &request.issuer));
    TRY(json_get_object(object, "evidence", &request.evidence));
    TRY(json_get_text(object, "runtime_data", &request.runtime_data));
    TRY(json_get_text(object, "nonce", &request.nonce));
    *out = request;
    return OK;
}

static fallible add_pem(struct arena *arena, struct bytes der, struct buffer *out)
{
    struct text base64;
    TRY(encode_base64(arena, der, &base64));
    TRY(buffer_add_text(out, TEXT("-----BEGIN CERTIFICATE-----\n")));
    for (size_t at = 0; at < base64.size; at += PEM_LINE) {
        TRY(buffer_add(out, bytes_slice(bytes_of_text(base64), at, PEM_LINE)));
        TRY(buffer_add_byte(out, '\n'));
    }
    return buffer_add_text(out, TEXT("-----END CERTIFICATE-----\n"));
}

static fallible build_chain(struct arena *arena, const json_t *evidence, struct text *out)
{
    json_t *certificates;
    TRY(json_get_array(evidence, "certificates", &certificates));
    size_t count = json_array_size(certificates);
    REQUIRE(count > 0 && count <= CERTIFICATES_MAX, INVALID, "courier.evidence.certificates");
    scoped_buffer pem;
    buffer_init(&pem, COURIER_PAYLOAD_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct text text;
        struct bytes der;
        TRY(json_text(json_array_get(certificates, i), &text));
        TRY(decode_base64url(arena, text, &der));
        TRY(add_pem(arena, der, &pem));
    }
    return encode_base64url(arena, buffer_view(&pem), out);
}

/* The member `report` of the call: base64url(JSON{SnpReport, VcekCertChain}). */
static fallible build_report(struct arena *arena, const json_t *evidence, struct text *out)
{
    struct text report;
    struct text chain;
    TRY(json_get_text(evidence, "report", &report));
    TRY(build_chain(arena, evidence, &chain));
    scoped_json *object = json_object();
    TRY(json_set_text(object, "SnpReport", report));
    TRY(json_set_text(object, "VcekCertChain", chain));
    struct text json;
    TRY(json_encode_text(arena, object, &json));
    return encode_base64url(arena, bytes_of_text(json), out);
}

static fallible build_body(struct arena *arena, const struct token_request *request, struct text *out)
{
    struct text report;
    TRY(build_report(arena, request->evidence, &report));
    scoped_json *body = json_object();
    TRY(json_set_text(body, "report", report));
    json_t *runtime = json_object();
    TRY(json_set(body, "runtimeData", runtime));
    TRY(json_set_text(runtime, "data", request->runtime_data));
    TRY(json_set_text(runtime, "dataType", TEXT("JSON")));
    TRY(json_set_text(body, "nonce", request->nonce));
    return json_encode_text(arena, body, out);
}

/* The families whose evidence has the shape of the call SevSnpVm. */
static bool is_snp_shaped(struct text family)
{
    return text_is(family, "sim") || text_is(family, "snp") || text_is(family, "sevsnpvm");
}

static struct result as_refusal(struct result result)
{
    if (result_is_ok(result)) {
        return result;
    }
    bool is_passing = result_code_may_retry(result.code);
    return is_passing ? FAIL(UNAVAILABLE, "courier.authority.unreachable")
                      : FAIL(DENIED, "courier.authority.refused");
}

static fallible call_authority(struct courier_session *session, size_t index, struct arena *arena,
                               const struct http_call *call, json_t **out)
{
    struct http_answer answer;
    TRY(as_refusal(courier_call(session, index, arena, call, &answer)));
    TRY(as_refusal(http_answer_check(&answer)));
    struct result result = json_decode(answer.body, out);
    REQUIRE(result_is_ok(result), INVALID, "courier.authority.answer");
    return OK;
}

static fallible attest(struct courier_session *session, size_t index, struct arena *arena, struct text body,
                       struct text *out_token)
{
    const struct connection *connection = &session->courier->connections->rows[index];
    struct http_call call = {.method = HTTP_POST,
                             .body = bytes_of_text(body),
                             .headers = {{"Content-Type", TEXT("application/json")}},
                             .timeout_ms = session->courier->settings.call_timeout_ms};
    TRY(arena_printf(arena, &call.url, "%.*s/attest/SevSnpVm?api-version=2022-08-01",
                     TEXT_ARGS(connection->url)));
    scoped_json *answer = NULL;
    TRY(call_authority(session, index, arena, &call, &answer));
    struct text token;
    struct result result = json_get_text(answer, "token", &token);
    REQUIRE(result_is_ok(result) && token.size > 0, INVALID, "courier.authority.answer");
    return arena_copy_text(arena, token, out_token);
}

static fallible fetch_keys(struct courier_session *session, size_t index, struct arena *arena, json_t **out)
{
    const struct connection *connection = &session->courier->connections->rows[index];
    struct http_call call = {.method = HTTP_GET, .timeout_ms = session->courier->settings.call_timeout_ms};
    TRY(arena_printf(arena, &call.url, "%.*s/certs", TEXT_ARGS(connection->url)));
    scoped_json *keys = NULL;
    TRY(call_authority(session, index, arena, &call, &keys));
    REQUIRE(json_is_object(keys), INVALID, "courier.authority.answer");
    *out = json_incref(keys);
    return OK;
}

static fallible build_token(struct text token, json_t *keys, struct buffer *out)
{
    scoped_json *payload = json_object();
    TRY(json_set_text(payload, "token", token));
    TRY(json_set(payload, "jwks", json_incref(keys)));
    return json_encode(payload, out);
}

fallible courier_fetch_token(struct courier_session *session, struct bytes untrusted_request,
                             struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    session->calls = 0;
    scoped_json *object = NULL;
    struct token_request request;
    struct text family;
    struct result parsed = json_decode(untrusted_request, &object);
    parsed = result_is_ok(parsed) ? parse(&arena, object, &request) : parsed;
    parsed = result_is_ok(parsed) ? json_get_text(request.evidence, "family", &family) : parsed;
    REQUIRE(result_is_ok(parsed), INVALID, "courier.request");
    size_t index;
    TRY(connections_find_authority(session->courier->connections, request.issuer, &index));
    REQUIRE(is_snp_shaped(family), UNSUPPORTED, "courier.evidence.family");
    struct text body;
    struct result built = build_body(&arena, &request, &body);
    REQUIRE(result_is_ok(built), INVALID, "courier.request");
    struct text token;
    TRY(attest(session, index, &arena, body, &token));
    scoped_json *keys = NULL;
    TRY(fetch_keys(session, index, &arena, &keys));
    struct result answered = build_token(token, keys, out);
    REQUIRE(result_is_ok(answered), INVALID, "courier.authority.answer");
    return OK;
}
