#include "service/attest/issue.h"

#include "base/encode.h"
#include "jose/jwt.h"

enum { TOKEN_BYTES_MAX = JWT_SIZE_MAX };

static fallible sign(struct arena *arena, const struct authority *authority, const json_t *claims,
                     struct text *out)
{
    scoped_json *header = json_object();
    scoped_buffer token;
    buffer_init(&token, TOKEN_BYTES_MAX);
    struct text jku;
    TRY(arena_printf(arena, &jku, "%.*s/certs", TEXT_ARGS(authority->url)));
    TRY(json_set_text(header, "jku", jku));
    TRY(json_set_text(header, "kid", authority->kid));
    TRY(json_set_text(header, "typ", TEXT("JWT")));
    TRY(jwt_sign(header, claims, &authority->signing_key, KEY_RS256, &token));
    return arena_copy_text(arena, buffer_text(&token), out);
}

static fallible set_common(struct arena *arena, json_t *claims, const struct authority *authority,
                           int64_t now, int64_t life_seconds, const uint8_t *token_id)
{
    struct text id;
    TRY(encode_hex(arena, (struct bytes){token_id, 32}, &id));
    TRY(json_set_text(claims, "iss", authority->url));
    TRY(json_set_text(claims, "jti", id));
    TRY(json_set_i64(claims, "iat", now));
    TRY(json_set_i64(claims, "nbf", now));
    TRY(json_set_i64(claims, "exp", now + life_seconds));
    return json_set_text(claims, "x-ms-ver", TEXT("1.0"));
}

static fallible issue(struct arena *arena, const struct authority *authority,
                      const struct attest_request *request, const json_t *judged, int64_t now,
                      const uint8_t *token_id, struct text *out)
{
    scoped_json *claims = json_copy((json_t *)judged);
    REQUIRE(claims != NULL, NO_MEMORY, "attest.memory");
    TRY(set_common(arena, claims, authority, now, AUTHORITY_TOKEN_SECONDS, token_id));
    TRY(json_set_text(claims, "x-ms-policy-hash", authority->policy_hash));
    if (request->runtime != NULL) {
        TRY(json_set(claims, "x-ms-runtime", json_incref(request->runtime)));
    }
    if (request->init_time != NULL) {
        TRY(json_set(claims, "x-ms-inittime", json_incref(request->init_time)));
    }
    if (request->nonce.size > 0) {
        TRY(json_set_text(claims, "nonce", request->nonce));
    }
    return sign(arena, authority, claims, out);
}

static fallible refuse(struct arena *arena, const struct evidence_judgement *judgement,
                       struct attest_answer *out)
{
    scoped_buffer names;
    buffer_init(&names, 4096);
    for (size_t i = 0; i < judgement->failure_count; i++) {
        TRY(buffer_printf(&names, "%s%s", i == 0 ? "" : ", ", judgement->failures[i]));
    }
    bool is_policy = judgement->failure_count == 1 && strcmp(judgement->failures[0], "sim.debug") == 0;
    *out = (struct attest_answer){.code = is_policy ? "PolicyEvaluationError" : "InvalidParameter"};
    return arena_printf(
        arena, &out->message, "%s: %.*s",
        is_policy ? "No Permit claim was issued in the authorizationrules section, authorization failed."
                  : "The evidence does not verify",
        TEXT_ARGS(buffer_text(&names)));
}

static bool init_time_data_fits(const struct attest_request *request, const json_t *claims,
                                struct arena *arena)
{
    struct digest digest = digest_of(request->init_time_data);
    struct text hex, host_data;
    return !request->has_init_time_data ||
           (result_is_ok(encode_hex(arena, digest_view(&digest), &hex)) &&
            result_is_ok(json_get_text(claims, "x-ms-sevsnpvm-hostdata", &host_data)) &&
            text_equal(hex, host_data));
}

fallible attest_answer_request(struct arena *arena, const struct authority *authority,
                               const struct attest_request *request, int64_t unix_seconds,
                               const uint8_t token_id[static 32], struct attest_answer *out)
{
    scoped_evidence_judgement judgement = {0};
    TRY(evidence_judge(arena, &request->evidence, request->runtime_data, &authority->trust, unix_seconds,
                       &judgement));
    if (judgement.verdict != VERDICT_ALLOW) {
        return refuse(arena, &judgement, out);
    }
    if (!init_time_data_fits(request, judgement.claims, arena)) {
        *out = (struct attest_answer){
            .code = "InvalidParameter",
            .message = TEXT("initTimeData does not fit the report: attest.init_time_data")};
        return OK;
    }
    struct attest_answer answer = {.verdict = VERDICT_ALLOW};
    TRY(issue(arena, authority, request, judgement.claims, unix_seconds, token_id, &answer.token));
    *out = answer;
    return OK;
}

fallible attest_policy_token(struct arena *arena, const struct authority *authority, int64_t unix_seconds,
                             const uint8_t token_id[static 32], struct text *out)
{
    scoped_json *claims = json_object();
    scoped_json *policy = json_object();
    struct text encoded, payload, payload_encoded, nested;
    TRY(encode_base64url(arena, bytes_of_text(authority_policy()), &encoded));
    TRY(json_set_text(policy, "AttestationPolicy", encoded));
    TRY(json_encode_text(arena, policy, &payload));
    TRY(encode_base64url(arena, bytes_of_text(payload), &payload_encoded));
    /* {"alg":"none"}: the policy is built in and nobody else has signed it. */
    TRY(arena_printf(arena, &nested, "eyJhbGciOiJub25lIn0.%.*s.", TEXT_ARGS(payload_encoded)));
    TRY(set_common(arena, claims, authority, unix_seconds, AUTHORITY_ANSWER_SECONDS, token_id));
    TRY(json_set_text(claims, "x-ms-policy", nested));
    return sign(arena, authority, claims, out);
}
