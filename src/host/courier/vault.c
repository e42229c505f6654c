/* A vault, in the protocol of Azure Key Vault: challenge, client credentials, release. */
#include "base/encode.h"
#include "crypto/secret.h"
#include "host/courier/courier.h"
#include "service/http/percent.h"

enum { ARENA_BYTES = 16 * 1024 * 1024, EXPIRY_MARGIN_SECONDS = 120, KEY_NAME_MAX = 127 };

struct release_request {
    struct text party;
    struct text vault;
    struct text key;
    struct text version;
    struct text token;
    struct text nonce;
    struct text enc;
};

static bool is_key_name(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool is_fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
        if (!is_fine) {
            return false;
        }
    }
    return text.size > 0 && text.size <= KEY_NAME_MAX;
}

static fallible parse(struct arena *arena, struct bytes untrusted_request, json_t **object,
                      struct release_request *out)
{
    static const char *const members[] = {"party", "vault", "key", "version", "token", "nonce", "enc", NULL};
    TRY(json_decode(untrusted_request, object));
    TRY(json_only(arena, *object, members));
    struct release_request request;
    TRY(json_get_text(*object, "party", &request.party));
    TRY(json_get_text(*object, "vault", &request.vault));
    TRY(json_get_text(*object, "key", &request.key));
    TRY(json_get_text(*object, "version", &request.version));
    TRY(json_get_text(*object, "token", &request.token));
    TRY(json_get_text(*object, "nonce", &request.nonce));
    TRY(json_get_text(*object, "enc", &request.enc));
    REQUIRE(is_key_name(request.key) && is_key_name(request.version), INVALID, "courier.request");
    *out = request;
    return OK;
}

/* ---- The access token ---- */

static bool take_credential(struct courier *courier, size_t index, struct arena *arena, struct text *out)
{
    bool is_there = false;
    pthread_mutex_lock(&courier->mutex);
    const struct courier_credential *credential = &courier->credentials[index];
    if (credential->size > 0 && credential->expires > world_now(courier->world)) {
        is_there =
            result_is_ok(arena_copy_text(arena, (struct text){credential->token, credential->size}, out));
    }
    pthread_mutex_unlock(&courier->mutex);
    return is_there;
}

static void keep_credential(struct courier *courier, size_t index, struct text token, int64_t seconds)
{
    pthread_mutex_lock(&courier->mutex);
    struct courier_credential *credential = &courier->credentials[index];
    credential->size = token.size <= sizeof credential->token ? token.size : 0;
    memcpy(credential->token, token.data == NULL ? "" : token.data, credential->size);
    credential->expires = world_now(courier->world) + seconds - EXPIRY_MARGIN_SECONDS;
    pthread_mutex_unlock(&courier->mutex);
}

/* The value of `name="…"` in a challenge (RFC 9110 §11.6.1), or empty. */
static struct text challenge_value(struct text challenge, const char *name)
{
    char opening[32];
    size_t size = strlen(name);
    ASSERT(size + 2 < sizeof opening);
    memcpy(opening, name, size);
    memcpy(opening + size, "=\"", 2);
    size += 2;
    const char *at = challenge.size == 0 ? NULL : memmem(challenge.data, challenge.size, opening, size);
    if (at == NULL) {
        return (struct text){0};
    }
    const char *start = at + size;
    const char *end = memchr(start, '"', challenge.size - (size_t)(start - challenge.data));
    return end == NULL ? (struct text){0} : (struct text){start, (size_t)(end - start)};
}

/* The host of `resource` is the vault's own or a domain above it, as Microsoft's clients demand. */
static bool is_resource_of(struct arena *arena, struct text resource, struct text vault)
{
    struct url resource_url;
    struct url vault_url;
    if (!result_is_ok(url_parse(arena, resource, &resource_url)) ||
        !result_is_ok(url_parse(arena, vault, &vault_url))) {
        return false;
    }
    struct text above = resource_url.host;
    bool is_domain = vault_url.host.size > above.size && text_ends_with(vault_url.host, above) &&
                     vault_url.host.data[vault_url.host.size - above.size - 1] == '.';
    return text_is(resource_url.scheme, "https") && (text_equal(vault_url.host, above) || is_domain);
}

/* The scope to ask for. Where the challenge names another issuer than the connected one, nothing is sent
 * there. */
static fallible judge_challenge(struct arena *arena, const struct connection *connection,
                                const struct http_answer *answer, struct text *out_scope)
{
    struct text challenge = http_answer_header(answer, "www-authenticate");
    struct text authorization = url_without_slash(challenge_value(challenge, "authorization"));
    struct text expected;
    TRY(arena_printf(arena, &expected, "%.*s/%.*s", TEXT_ARGS(connection->authority),
                     TEXT_ARGS(connection->tenant)));
    bool is_ours = text_equal(authorization, expected) || text_equal(authorization, connection->authority);
    REQUIRE(is_ours, UNTRUSTED, "courier.vault.challenge");
    struct text scope = challenge_value(challenge, "scope");
    struct text resource = challenge_value(challenge, "resource");
    if (scope.size > 0) {
        *out_scope = scope;
        return OK;
    }
    REQUIRE(is_resource_of(arena, resource, connection->url), UNTRUSTED, "courier.vault.challenge");
    return arena_printf(arena, out_scope, "%.*s/.default", TEXT_ARGS(url_without_slash(resource)));
}

static fallible build_form(struct arena *arena, const struct connection *connection, struct text scope,
                           struct text *out)
{
    struct text client_id;
    struct text client_secret;
    struct text encoded_scope;
    TRY(percent_encode(arena, connection->client_id, &client_id));
    TRY(percent_encode(arena, connection->client_secret, &client_secret));
    TRY(percent_encode(arena, scope, &encoded_scope));
    return arena_printf(arena, out,
                        "grant_type=client_credentials&client_id=%.*s&client_secret=%.*s&scope=%.*s",
                        TEXT_ARGS(client_id), TEXT_ARGS(client_secret), TEXT_ARGS(encoded_scope));
}

static struct result as_unreachable(struct result result, struct result refusal)
{
    bool is_passing = result_code_may_retry(result.code);
    struct result failure = is_passing ? FAIL(UNAVAILABLE, "courier.vault.unreachable") : refusal;
    return result_is_ok(result) ? result : failure;
}

static fallible read_credential(struct arena *arena, struct bytes body, struct text *out_token,
                                int64_t *out_seconds)
{
    scoped_json *object = NULL;
    TRY(json_decode(body, &object));
    struct text token;
    TRY(json_get_text(object, "access_token", &token));
    TRY(json_get_i64(object, "expires_in", out_seconds));
    return arena_copy_text(arena, token, out_token);
}

static fallible log_in(struct courier_session *session, size_t index, struct arena *arena, struct text scope,
                       struct text *out_token)
{
    const struct connection *connection = &session->courier->connections->rows[index];
    struct text form;
    TRY(build_form(arena, connection, scope, &form));
    struct http_call call = {.method = HTTP_POST,
                             .body = bytes_of_text(form),
                             .headers = {{"Content-Type", TEXT("application/x-www-form-urlencoded")}},
                             .timeout_ms = session->courier->settings.call_timeout_ms};
    TRY(arena_printf(arena, &call.url, "%.*s/%.*s/oauth2/v2.0/token", TEXT_ARGS(connection->authority),
                     TEXT_ARGS(connection->tenant)));
    struct http_answer answer;
    struct result refusal = FAIL(DENIED, "courier.vault.credential");
    TRY(as_unreachable(courier_call(session, index, arena, &call, &answer), refusal));
    TRY(as_unreachable(http_answer_check(&answer), refusal));
    int64_t seconds;
    struct result read = read_credential(arena, answer.body, out_token, &seconds);
    REQUIRE(result_is_ok(read), INVALID, "courier.vault.answer");
    keep_credential(session->courier, index, *out_token, seconds);
    return OK;
}

/* ---- The release ---- */

static fallible build_call(struct courier_session *session, size_t index, struct arena *arena,
                           const struct release_request *request, struct http_call *out)
{
    const struct connection *connection = &session->courier->connections->rows[index];
    scoped_json *body = json_object();
    TRY(json_set_text(body, "target", request->token));
    TRY(json_set_text(body, "nonce", request->nonce));
    TRY(json_set_text(body, "enc", request->enc));
    struct text json;
    TRY(json_encode_text(arena, body, &json));
    *out = (struct http_call){.method = HTTP_POST,
                              .body = bytes_of_text(json),
                              .headers = {{"Content-Type", TEXT("application/json")}},
                              .timeout_ms = session->courier->settings.call_timeout_ms};
    return arena_printf(arena, &out->url, "%.*s/keys/%.*s/%.*s/release?api-version=7.4",
                        TEXT_ARGS(connection->url), TEXT_ARGS(request->key), TEXT_ARGS(request->version));
}

/* As Microsoft's clients do: without a token yet the first request has no body, so nothing is sent before the
 * vault's challenge has been judged. */
static fallible call_vault(struct courier_session *session, size_t index, struct arena *arena,
                           struct http_call *call, struct http_answer *out)
{
    struct text credential = {0};
    bool has_credential = take_credential(session->courier, index, arena, &credential);
    struct bytes body = call->body;
    for (int round = 0;; round++) {
        struct text authorization = {0};
        if (has_credential) {
            TRY(arena_printf(arena, &authorization, "Bearer %.*s", TEXT_ARGS(credential)));
        }
        call->headers[1] = has_credential ? (struct http_call_header){"Authorization", authorization}
                                          : (struct http_call_header){0};
        call->body = has_credential ? body : (struct bytes){0};
        TRY(courier_call(session, index, arena, call, out));
        if (out->status != 401 || round == 2) {
            return OK;
        }
        struct text scope;
        TRY(judge_challenge(arena, &session->courier->connections->rows[index], out, &scope));
        TRY(log_in(session, index, arena, scope, &credential));
        has_credential = true;
    }
}

static fallible judge_answer(const struct http_answer *answer)
{
    struct result result = http_answer_check(answer);
    REQUIRE(answer->status != 401, DENIED, "courier.vault.credential");
    REQUIRE(answer->status != 404, NOT_FOUND, "courier.vault.key");
    REQUIRE(answer->status != 409, CONFLICT, "courier.vault.run_used");
    return as_unreachable(result, FAIL(DENIED, "courier.vault.refused"));
}

static fallible build_release(struct bytes body, struct buffer *out)
{
    scoped_json *answer = NULL;
    TRY(json_decode(body, &answer));
    struct text value;
    TRY(json_get_text(answer, "value", &value));
    scoped_json *payload = json_object();
    TRY(json_set_text(payload, "value", value));
    return json_encode(payload, out);
}

/* A failure of the transport; ours keep their names. */
static struct result named(struct result result)
{
    bool is_ours = result_is_ok(result) || text_starts_with(text_of(result.why), TEXT("courier."));
    return is_ours ? result : as_unreachable(result, FAIL(DENIED, "courier.vault.refused"));
}

fallible courier_release(struct courier_session *session, struct bytes untrusted_request, struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    session->calls = 0;
    scoped_json *object = NULL;
    struct release_request request;
    struct result parsed = parse(&arena, untrusted_request, &object, &request);
    REQUIRE(result_is_ok(parsed), INVALID, "courier.request");
    size_t index;
    TRY(connections_find_vault(session->courier->connections, request.party, request.vault, &index));
    struct http_call call;
    TRY(build_call(session, index, &arena, &request, &call));
    struct http_answer answer = {0};
    TRY(named(call_vault(session, index, &arena, &call, &answer)));
    TRY(judge_answer(&answer));
    struct result built = build_release(answer.body, out);
    REQUIRE(result_is_ok(built), INVALID, "courier.vault.answer");
    return OK;
}
