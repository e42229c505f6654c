#include "service/vault/parts.h"

/* What Key Vault says for a reason of ours. `%s` takes the public name that the failure carries. */
struct saying {
    const char *why;
    int status;
    const char *code;
    const char *inner; /* innererror, or NULL */
    const char *message;
};

static const struct saying sayings[] = {
    {"identity.token.missing", 401, "Unauthorized", NULL,
     "AKV10000: Request is missing a Bearer or PoP token."},
    {"identity.audience", 401, "Unauthorized", NULL, "AKV10022: Invalid audience."},
    {"identity.issuer", 401, "Unauthorized", NULL, "AKV10032: Invalid issuer."},
    {"vault.access", 403, "Forbidden", "ForbiddenByRbac",
     "Caller is not authorized to perform action on resource. Action: '%s'."},
    {"vault.key.missing", 404, "KeyNotFound", NULL,
     "A key with (name/id) %s was not found in this key vault. If you recently deleted this key you may be "
     "able to recover "
     "it using the correct recovery command."},
    {"vault.key.disabled", 403, "Forbidden", "KeyDisabled", "Operation is not allowed on a disabled key."},
    {"vault.key.not_yet_valid", 403, "Forbidden", "KeyNotYetValid",
     "Operation is not allowed on a key before its nbf."},
    {"vault.key.expired", 403, "Forbidden", "KeyExpired", "Operation is not allowed on an expired key."},
    {"vault.key.operation", 403, "Forbidden", "KeyOperationForbidden",
     "Operation %s is not permitted on this key."},
    {"vault.key.not_exportable", 403, "Forbidden", "KeyNotExportable",
     "The key is not exportable, so it cannot be released."},
    {"vault.api_version", 400, "BadParameter", NULL,
     "The specified version is missing or not supported. Supported versions are 7.3, 7.4, 7.5, 7.6 and "
     "2025-07-01."},
    {"vault.policy.immutable", 400, "BadParameter", "ReleasePolicyImmutable",
     "The release policy of this key is immutable."},
    {"vault.policy.code_identity", 400, "BadParameter", "ReleasePolicyWithoutCodeIdentity",
     "Every entry of the release policy must demand, by equals, an attestation type and the claims that "
     "identify the code: "
     "x-ms-sevsnpvm-launchmeasurement and x-truce-simulation-root for sim, x-ms-sevsnpvm-hostdata with "
     "x-ms-sevsnpvm-launchmeasurement or x-ms-compliance-status for sevsnpvm, x-ms-sgx-mrenclave for sgx."},
    {"vault.policy.required", 400, "BadParameter", NULL, "An exportable key needs a release policy."},
    {"vault.policy.not_exportable", 400, "BadParameter", NULL,
     "A release policy needs attributes.exportable to be true."},
    {"vault.kind.hsm", 400, "BadParameter", "HsmNotAvailable",
     "There is no HSM behind this vault; create a key of kind RSA or EC."},
    {"vault.release.policy", 403, "Forbidden", "ReleasePolicyNotSatisfied",
     "The attestation token does not satisfy the release policy of the key: %s."},
    {"vault.release.run_used", 409, "Conflict", "RunRequestUsed",
     "This key was released to another attempt of the same run request; sign a new one."},
    {"vault.authority.unknown", 403, "Forbidden", "AuthorityNotTrusted",
     "The token's authority is not one that this vault and the key's release policy accept."},
    {"vault.authority.unreachable", 503, "ServiceUnavailable", "AuthorityUnreachable",
     "The keys of the attestation authority could not be fetched; try again later."},
    {"http.method", 405, "MethodNotAllowed", NULL, "This vault does not support that method here."},
    {"http.path.unknown", 404, "NotFound", NULL, "This vault has nothing at that path."},
};

static const struct saying *saying_of(const char *why)
{
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        if (strcmp(sayings[i].why, why) == 0) {
            return &sayings[i];
        }
    }
    return NULL;
}

static struct saying general_saying(struct result failure)
{
    int status = result_code_http_status(failure.code);
    const char *code = "InternalServerError";
    if (status == 400 || status == 413) {
        code = "BadParameter";
    } else if (status == 401) {
        code = "Unauthorized";
    } else if (status == 403) {
        code = "Forbidden";
    } else if (status == 404) {
        code = "NotFound";
    } else if (status == 409) {
        code = "Conflict";
    } else if (status >= 503) {
        code = "ServiceUnavailable";
    }
    return (struct saying){failure.why, status, code, NULL, NULL};
}

static fallible make_message(struct arena *arena, const struct saying *saying, struct result failure,
                             struct text *out)
{
    const char *where = failure.where != NULL ? failure.where : "";
    const char *mark = saying->message != NULL ? strstr(saying->message, "%s") : NULL;
    if (saying->message == NULL) {
        return arena_printf(arena, out, "%s%s%s%s: %s", failure.why, *where ? " (" : "", where,
                            *where ? ")" : "", result_code_advice(failure.code));
    }
    if (mark == NULL) {
        *out = text_of(saying->message);
        return OK;
    }
    return arena_printf(arena, out, "%.*s%s%s", (int)(mark - saying->message), saying->message, where,
                        mark + 2);
}

/* The challenge names the resource under which the client reached us, so that clients which compare it with
 * the host are content. */
static fallible add_challenge(const struct vault *vault, struct http_request *request,
                              struct http_reply *reply)
{
    struct text resource = vault->aliases[0].resource;
    struct text host = http_header(request, "Host");
    for (size_t i = 0; i < 2; i++) {
        if (text_equal(vault->aliases[i].host_and_port, host)) {
            resource = vault->aliases[i].resource;
        }
    }
    struct text challenge;
    TRY(arena_printf(request->arena, &challenge, "Bearer authorization=\"%.*s/%.*s\", resource=\"%.*s\"",
                     TEXT_ARGS(vault->url), TEXT_ARGS(vault->tenant), TEXT_ARGS(resource)));
    return reply_header(request, reply, "WWW-Authenticate", challenge);
}

fallible vault_headers(struct http_request *request, struct http_reply *reply)
{
    struct text network;
    TRY(arena_printf(request->arena, &network, "conn_type=Ipv4;addr=%.*s;act_addr_fam=InterNetwork;",
                     TEXT_ARGS(request->peer)));
    TRY(reply_header(request, reply, "x-ms-keyvault-region", TEXT("local")));
    TRY(reply_header(request, reply, "x-ms-keyvault-service-version", TEXT("truce")));
    return reply_header(request, reply, "x-ms-keyvault-network-info", network);
}

static fallible fail(const struct vault *vault, struct http_request *request, struct result failure,
                     struct http_reply *reply)
{
    struct saying general = general_saying(failure);
    const struct saying *saying = saying_of(failure.why);
    saying = saying != NULL ? saying : &general;
    scoped_json *body = json_object();
    json_t *error = json_object();
    struct text message;
    TRY(json_set(body, "error", error));
    TRY(make_message(request->arena, saying, failure, &message));
    TRY(json_set_text(error, "code", text_of(saying->code)));
    TRY(json_set_text(error, "message", message));
    if (saying->inner != NULL) {
        json_t *inner = json_object();
        TRY(json_set(error, "innererror", inner));
        TRY(json_set_text(inner, "code", text_of(saying->inner)));
    }
    if (saying->status == 401) {
        TRY(add_challenge(vault, request, reply));
    }
    TRY(vault_headers(request, reply));
    return reply_json(request, reply, saying->status, body);
}

void vault_fail(void *self, struct http_request *request, struct result failure, struct http_reply *reply)
{
    struct result result = fail(self, request, failure, reply);
    if (!result_is_ok(result)) {
        reply->status = 0; /* the server's own form of it */
    }
}
