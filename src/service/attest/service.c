#include "service/attest/service.h"

#include "service/attest/issue.h"

enum { BODY_BYTES_MAX = 1024 * 1024 };

static fallible error_reply(struct http_request *request, struct http_reply *reply, int status,
                            const char *code, struct text message)
{
    scoped_json *object = json_object();
    TRY(json_set(object, "error", json_object()));
    TRY(json_set_text(json_object_get(object, "error"), "code", text_of(code)));
    TRY(json_set_text(json_object_get(object, "error"), "message", message));
    return reply_json(request, reply, status, object);
}

static const char *azure_code(enum result_code code)
{
    switch (code) {
    case RESULT_INVALID:
    case RESULT_UNTRUSTED:
    case RESULT_UNSUPPORTED:
    case RESULT_LIMIT:
        return "InvalidParameter";
    case RESULT_NOT_FOUND:
        return "ResourceNotFound";
    case RESULT_UNAUTHENTICATED:
    case RESULT_DENIED:
        return "Unauthorized";
    default:
        return "InternalError";
    }
}

void attest_service_fail(void *self, struct http_request *request, struct result failure,
                         struct http_reply *reply)
{
    (void)self;
    const char *code = azure_code(failure.code);
    bool is_parameter = failure.code == RESULT_INVALID || failure.code == RESULT_UNTRUSTED ||
                        failure.code == RESULT_UNSUPPORTED;
    int status = is_parameter ? 400 : result_code_http_status(failure.code);
    status = strcmp(failure.why, "http.method") == 0 ? 405 : status;
    struct text message = text_of(failure.why);
    if (failure.where != NULL) {
        struct result printed = arena_printf(request->arena, &message, "%s (%s)", failure.why, failure.where);
        message = result_is_ok(printed) ? message : text_of(failure.why);
    }
    if (!result_is_ok(error_reply(request, reply, status, code, message))) {
        reply->status = 500;
    }
}

void attest_service_done(void *self, const struct http_request *request, const struct http_reply *reply,
                         int64_t duration_ms)
{
    const struct attest_service *service = self;
    event_http_answered(service->log, http_method_name(request->method),
                        request->route == NULL ? NULL : request->route->pattern, reply->status, duration_ms,
                        (int64_t)request->body_bytes, reply->failure.why, request->id);
}

static fallible check_version(const struct http_request *request)
{
    static const char *const versions[] = {"2020-10-01", "2022-08-01", "2025-06-01"};
    struct text version = http_query(request, "api-version");
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        if (text_is(version, versions[i])) {
            return OK;
        }
    }
    return FAIL_AT(INVALID, "attest.api_version", "api-version");
}

static fallible token_reply(struct http_request *request, struct http_reply *reply, struct text token)
{
    scoped_json *object = json_object();
    TRY(json_set_text(object, "token", token));
    return reply_json(request, reply, 200, object);
}

static fallible post_attest(void *self, struct http_request *request, struct http_reply *reply)
{
    const struct attest_service *service = self;
    scoped_json *body = NULL;
    scoped_attest_request asked = {0};
    uint8_t token_id[32];
    struct attest_answer answer;
    TRY(check_version(request));
    TRY(http_body_json(request, &body));
    TRY(attest_request_parse(request->arena, body, &asked));
    TRY(world_random(service->world, token_id, sizeof token_id));
    TRY(attest_answer_request(request->arena, service->authority, &asked, world_now(service->world), token_id,
                              &answer));
    if (answer.verdict != VERDICT_ALLOW) {
        event_evidence_refused(service->log, answer.code, request->id);
        return error_reply(request, reply, 400, answer.code, answer.message);
    }
    event_evidence_accepted(service->log, request->id);
    return token_reply(request, reply, answer.token);
}

static fallible get_certs(void *self, struct http_request *request, struct http_reply *reply)
{
    const struct attest_service *service = self;
    /* Not application/jwk+json: Microsoft's client for JavaScript then sees no keys. */
    return reply_bytes(request, reply, 200, "application/json", service->authority->jwks);
}

static fallible set_list(json_t *object, const char *name, const char *const items[], size_t count)
{
    TRY(json_set(object, name, json_array()));
    for (size_t i = 0; i < count; i++) {
        TRY(json_add_text(json_object_get(object, name), text_of(items[i])));
    }
    return OK;
}

static fallible get_openid(void *self, struct http_request *request, struct http_reply *reply)
{
    static const char *const responses[] = {"token", "none"};
    static const char *const algorithms[] = {"RS256"};
    static const char *const claims[] = {"iss",
                                         "iat",
                                         "nbf",
                                         "exp",
                                         "jti",
                                         "nonce",
                                         "x-ms-ver",
                                         "x-ms-attestation-type",
                                         "x-ms-policy-hash",
                                         "x-ms-runtime",
                                         "x-ms-inittime",
                                         "x-ms-sevsnpvm-launchmeasurement",
                                         "x-ms-sevsnpvm-is-debuggable"};
    const struct attest_service *service = self;
    scoped_json *object = json_object();
    struct text certs, revoke;
    TRY(arena_printf(request->arena, &certs, "%.*s/certs", TEXT_ARGS(service->authority->url)));
    TRY(arena_printf(request->arena, &revoke, "%.*s/revoke", TEXT_ARGS(service->authority->url)));
    TRY(json_set_text(object, "issuer", service->authority->url));
    TRY(json_set_text(object, "jwks_uri", certs));
    TRY(json_set_text(object, "revocation_endpoint", revoke));
    TRY(set_list(object, "response_types_supported", responses, 2));
    TRY(set_list(object, "id_token_signing_alg_values_supported", algorithms, 1));
    TRY(set_list(object, "claims_supported", claims, sizeof claims / sizeof *claims));
    return reply_json(request, reply, 200, object);
}

static fallible get_policy(void *self, struct http_request *request, struct http_reply *reply)
{
    const struct attest_service *service = self;
    uint8_t token_id[32];
    struct text token;
    TRY(check_version(request));
    if (!text_is(request->captures.rows[0], "SevSnpVm")) {
        return FAIL_AT(INVALID, "attest.policy.type", "type");
    }
    TRY(world_random(service->world, token_id, sizeof token_id));
    TRY(attest_policy_token(request->arena, service->authority, world_now(service->world), token_id, &token));
    return token_reply(request, reply, token);
}

const struct http_route attest_routes[] = {
    {HTTP_POST, "/attest/SevSnpVm", .body_bytes_max = BODY_BYTES_MAX, .handle = post_attest},
    {HTTP_GET, "/certs", .handle = get_certs},
    {HTTP_GET, "/.well-known/openid-configuration", .handle = get_openid},
    {HTTP_GET, "/policies/{type}", .handle = get_policy},
};
const size_t attest_route_count = sizeof attest_routes / sizeof *attest_routes;
