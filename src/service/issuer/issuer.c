#include "service/issuer/issuer.h"

#include "base/encode.h"
#include "service/http/url.h"
#include "service/issuer/client.h"
#include "service/issuer/throttle.h"
#include "service/setup/program.h"

#include <stdlib.h>

enum { SIGNING_BITS = 2048, TOKEN_BYTES_MAX = 16 * 1024 };

struct issuer {
    struct issuer_options options;
    struct arena arena;
    struct text name;
    struct key signing_key;
    struct text kid;
    struct jwt_keys keys;
    struct throttle throttle;
};

/* What Entra ID answers when it refuses. */
struct refusal {
    int status;
    const char *error;
    int code;
    const char *description;
};

static const struct refusal unknown_tenant = {400, "invalid_request", 90002, "The tenant was not found."};
static const struct refusal malformed = {
    400, "invalid_request", 900144,
    "The request body is not a form with the members grant_type, client_id, scope and client_secret."};
static const struct refusal wrong_grant = {400, "unsupported_grant_type", 70003,
                                           "Only the grant client_credentials is supported."};
static const struct refusal unknown_client = {400, "unauthorized_client", 700016,
                                              "The application was not found in this tenant."};
static const struct refusal wrong_secret = {401, "invalid_client", 7000215,
                                            "Invalid client secret provided."};
static const struct refusal wrong_scope = {400, "invalid_scope", 70011,
                                           "The scope must be one resource followed by /.default."};
static const struct refusal unknown_resource = {400, "invalid_resource", 500011,
                                                "The resource was not found in this tenant."};
static const struct refusal too_many = {429, "temporarily_unavailable", 90055,
                                        "Too many failed requests; wait and try again."};

/* ---- Opening ---- */

static fallible load_signing_key(struct issuer *issuer)
{
    scoped_state_transaction transaction = {0};
    scoped_secret pkcs8 = {0};
    struct text name = TEXT("issuer-signing-key");
    TRY(state_begin(issuer->options.state, &transaction));
    struct result result = state_get(&transaction, "service", name, &pkcs8);
    if (result.code != RESULT_NOT_FOUND) {
        TRY(result);
        return key_from_pkcs8(&pkcs8, &issuer->signing_key);
    }
    TRY(key_generate(KEY_RSA, SIGNING_BITS, &issuer->signing_key));
    TRY(key_to_pkcs8(&issuer->signing_key, &pkcs8));
    TRY(state_put(&transaction, "service", name, &pkcs8));
    return state_commit(&transaction);
}

static fallible load(struct issuer *issuer)
{
    struct digest thumbprint;
    const struct issuer_options *options = &issuer->options;
    TRY(load_signing_key(issuer));
    TRY(key_thumbprint(&issuer->signing_key, &thumbprint));
    TRY(encode_base64url(&issuer->arena, digest_view(&thumbprint), &issuer->kid));
    TRY(arena_printf(&issuer->arena, &issuer->name, "%.*s/%.*s/", TEXT_ARGS(options->url),
                     TEXT_ARGS(options->tenant)));
    TRY(key_share(&issuer->signing_key, &issuer->keys.rows[0].key));
    TRY(key_pin(&issuer->signing_key, &issuer->keys.rows[0].pin));
    issuer->keys.rows[0].kid = issuer->kid;
    issuer->keys.count = 1;
    return OK;
}

fallible issuer_open(const struct issuer_options *options, struct issuer **out)
{
    struct issuer *issuer = calloc(1, sizeof *issuer);
    REQUIRE(issuer != NULL, NO_MEMORY, "issuer.memory");
    issuer->options = *options;
    arena_init(&issuer->arena, 65536);
    throttle_init(&issuer->throttle);
    struct result result = load(issuer);
    if (!result_is_ok(result)) {
        issuer_close(issuer);
        return result;
    }
    *out = issuer;
    return OK;
}

void issuer_close(struct issuer *issuer)
{
    if (issuer == NULL) {
        return;
    }
    jwt_keys_release(&issuer->keys);
    key_release(&issuer->signing_key);
    throttle_release(&issuer->throttle);
    arena_release(&issuer->arena);
    free(issuer);
}

struct text issuer_name(const struct issuer *issuer)
{
    return issuer->name;
}

const struct jwt_keys *issuer_keys(const struct issuer *issuer)
{
    return &issuer->keys;
}

/* ---- Answers ---- */

static fallible refuse(struct issuer *issuer, struct http_request *request, struct http_reply *reply,
                       const struct refusal *refusal)
{
    scoped_json *body = json_object();
    struct text description;
    struct text timestamp;
    TRY(encode_time(request->arena, world_now(issuer->options.world), &timestamp));
    TRY(arena_printf(request->arena, &description, "AADSTS%d: %s Trace ID: %.*s", refusal->code,
                     refusal->description, TEXT_ARGS(request->id)));
    TRY(json_set_text(body, "error", text_of(refusal->error)));
    TRY(json_set_text(body, "error_description", description));
    json_t *codes = json_array();
    TRY(json_set(body, "error_codes", codes));
    TRY(json_add(codes, json_integer(refusal->code)));
    TRY(json_set_text(body, "timestamp", timestamp));
    TRY(json_set_text(body, "trace_id", request->id));
    TRY(json_set_text(body, "correlation_id",
                      request->client_id.size > 0 ? request->client_id : request->id));
    reply->failure = FAIL(UNAUTHENTICATED, "issuer.refused");
    return reply_json(request, reply, refusal->status, body);
}

static bool is_own_tenant(const struct issuer *issuer, const struct http_request *request)
{
    return text_equal(request->captures.rows[0], issuer->options.tenant);
}

static fallible set_url(const struct issuer *issuer, struct arena *arena, json_t *body, const char *name,
                        const char *path)
{
    struct text url;
    TRY(arena_printf(arena, &url, "%.*s/%.*s/%s", TEXT_ARGS(issuer->options.url),
                     TEXT_ARGS(issuer->options.tenant), path));
    return json_set_text(body, name, url);
}

fallible issuer_answer_metadata(struct issuer *issuer, struct http_request *request, struct http_reply *reply)
{
    if (!is_own_tenant(issuer, request)) {
        return refuse(issuer, request, reply, &unknown_tenant);
    }
    scoped_json *body =
        json_pack("{s:[s], s:[s], s:[s], s:[s]}", "response_types_supported", "token",
                  "subject_types_supported", "pairwise", "id_token_signing_alg_values_supported", "RS256",
                  "token_endpoint_auth_methods_supported", "client_secret_post");
    REQUIRE(body != NULL, NO_MEMORY, "issuer.memory");
    bool is_v2 = text_is(request->target.segments[1], "v2.0");
    TRY(set_url(issuer, request->arena, body, "issuer", is_v2 ? "v2.0" : ""));
    TRY(set_url(issuer, request->arena, body, "token_endpoint", "oauth2/v2.0/token"));
    TRY(set_url(issuer, request->arena, body, "authorization_endpoint", "oauth2/v2.0/authorize"));
    TRY(set_url(issuer, request->arena, body, "jwks_uri", "discovery/v2.0/keys"));
    return reply_json(request, reply, 200, body);
}

fallible issuer_answer_keys(struct issuer *issuer, struct http_request *request, struct http_reply *reply)
{
    if (!is_own_tenant(issuer, request)) {
        return refuse(issuer, request, reply, &unknown_tenant);
    }
    scoped_json *body = json_object();
    json_t *keys = json_array();
    json_t *jwk;
    TRY(json_set(body, "keys", keys));
    TRY(key_to_jwk(&issuer->signing_key, &jwk));
    TRY(json_add(keys, jwk));
    TRY(json_set_text(jwk, "kid", issuer->kid));
    TRY(json_set_text(jwk, "use", TEXT("sig")));
    TRY(json_set_text(jwk, "alg", TEXT("RS256")));
    return reply_json(request, reply, 200, body);
}

/* ---- Tokens ---- */

static fallible make_claims(struct issuer *issuer, struct arena *arena, const struct client_record *client,
                            struct text id, struct text resource, json_t *claims)
{
    struct text token_id;
    int64_t now = world_now(issuer->options.world);
    TRY(program_uuid(issuer->options.world, arena, &token_id));
    TRY(json_set_text(claims, "iss", issuer->name));
    TRY(json_set_text(claims, "idp", issuer->name));
    TRY(json_set_text(claims, "aud", resource));
    TRY(json_set_text(claims, "appid", id));
    TRY(json_set_text(claims, "appidacr", TEXT("1")));
    TRY(json_set_text(claims, "idtyp", TEXT("app")));
    TRY(json_set_text(claims, "oid", client->object));
    TRY(json_set_text(claims, "sub", client->object));
    TRY(json_set_text(claims, "tid", issuer->options.tenant));
    TRY(json_set_text(claims, "uti", token_id));
    TRY(json_set_text(claims, "ver", TEXT("1.0")));
    TRY(json_set(claims, "roles", json_incref(client->roles)));
    TRY(json_set_i64(claims, "iat", now));
    TRY(json_set_i64(claims, "nbf", now));
    return json_set_i64(claims, "exp", now + ISSUER_TOKEN_SECONDS);
}

static fallible give_token(struct issuer *issuer, struct http_request *request, struct http_reply *reply,
                           const struct client_record *client, struct text id, struct text resource)
{
    scoped_json *claims = json_object();
    scoped_json *header = json_pack("{s:s}", "typ", "JWT");
    scoped_json *body = json_pack("{s:s, s:i, s:i}", "token_type", "Bearer", "expires_in",
                                  ISSUER_TOKEN_SECONDS, "ext_expires_in", ISSUER_TOKEN_SECONDS);
    scoped_buffer token;
    buffer_init(&token, TOKEN_BYTES_MAX);
    REQUIRE(body != NULL, NO_MEMORY, "issuer.memory");
    TRY(json_set_text(header, "kid", issuer->kid));
    TRY(json_set_text(header, "x5t", issuer->kid));
    TRY(make_claims(issuer, request->arena, client, id, resource, claims));
    TRY(jwt_sign(header, claims, &issuer->signing_key, KEY_RS256, &token));
    TRY(json_set_text(body, "access_token", buffer_text(&token)));
    TRY(reply_header(request, reply, "Cache-Control", TEXT("no-store")));
    return reply_json(request, reply, 200, body);
}

/* `https://vault.azure.net/.default` → the resource before "/.default"; empty for another form. */
static struct text resource_of(struct text scope)
{
    struct text suffix = TEXT("/.default");
    bool usable = text_ends_with(scope, suffix) && memchr(scope.data, ' ', scope.size) == NULL;
    return usable ? (struct text){scope.data, scope.size - suffix.size} : (struct text){0};
}

static bool is_resource(const struct issuer *issuer, struct text resource)
{
    for (size_t i = 0; i < ISSUER_RESOURCES_MAX && issuer->options.resources[i].size > 0; i++) {
        if (url_equal_without_slash(resource, issuer->options.resources[i])) {
            return true;
        }
    }
    return false;
}

static const struct refusal *check_secret(struct issuer *issuer, const struct http_request *request,
                                          const struct client_record *client, struct text id,
                                          struct text secret)
{
    scoped_arena arena;
    arena_init(&arena, 8192);
    struct text subject_text;
    if (!result_is_ok(
            arena_printf(&arena, &subject_text, "%.*s\n%.*s", TEXT_ARGS(request->peer), TEXT_ARGS(id)))) {
        return &malformed;
    }
    struct digest subject = digest_of(bytes_of_text(subject_text));
    int64_t now_ms = world_monotonic_ms(issuer->options.world);
    if (throttle_wait_ms(&issuer->throttle, &subject, now_ms) > 0) {
        return &too_many;
    }
    bool right = client_check_secret(client, id, secret) == VERDICT_ALLOW;
    throttle_note(&issuer->throttle, &subject, now_ms, right);
    return right ? NULL : &wrong_secret;
}

static fallible answer_form(struct issuer *issuer, struct http_request *request, struct http_reply *reply,
                            const struct http_pairs *form)
{
    struct text id = pairs_get(form, "client_id");
    struct text secret = pairs_get(form, "client_secret");
    struct text resource = resource_of(pairs_get(form, "scope"));
    if (id.size == 0 || secret.size == 0 || pairs_get(form, "scope").size == 0) {
        return refuse(issuer, request, reply, &malformed);
    }
    if (!text_is(pairs_get(form, "grant_type"), "client_credentials")) {
        return refuse(issuer, request, reply, &wrong_grant);
    }
    scoped_client_record client = {0};
    struct result found = client_find(issuer->options.state, id, &client);
    if (found.code == RESULT_NOT_FOUND) {
        return refuse(issuer, request, reply, &unknown_client);
    }
    TRY(found);
    const struct refusal *refusal = check_secret(issuer, request, &client, id, secret);
    if (refusal == &too_many) {
        TRY(reply_header(request, reply, "Retry-After", TEXT("10")));
    }
    if (refusal == NULL && resource.size == 0) {
        refusal = &wrong_scope;
    }
    if (refusal == NULL && !is_resource(issuer, resource)) {
        refusal = &unknown_resource;
    }
    return refusal != NULL ? refuse(issuer, request, reply, refusal)
                           : give_token(issuer, request, reply, &client, id, resource);
}

fallible issuer_answer_token(struct issuer *issuer, struct http_request *request, struct http_reply *reply)
{
    struct http_pairs form;
    if (!is_own_tenant(issuer, request)) {
        return refuse(issuer, request, reply, &unknown_tenant);
    }
    if (!result_is_ok(form_decode(request->arena, text_of_bytes(request->body), &form))) {
        return refuse(issuer, request, reply, &malformed);
    }
    struct result result = answer_form(issuer, request, reply, &form);
    struct text secret = pairs_get(&form, "client_secret");
    wipe((void *)(uintptr_t)secret.data,
         secret.size); /* it lies in the request's arena, which is not overwritten */
    return result;
}
