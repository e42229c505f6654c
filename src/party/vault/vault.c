#include "party/vault/vault.h"

#include "base/encode.h"
#include "service/http/percent.h"

#define API_VERSION "7.4"

void vault_close(struct vault *vault)
{
    http_client_close(&vault->client);
}

void vault_key_release(struct vault_key *key)
{
    key_release(&key->public_key);
}

static const char *error_words(struct arena *arena, struct bytes untrusted_body)
{
    scoped_json *json = NULL;
    json_t *error;
    struct text code;
    struct text message;
    if (!result_is_ok(json_decode(untrusted_body, &json)) ||
        !result_is_ok(json_get_object(json, "error", &error)) ||
        !result_is_ok(json_get_text(error, "code", &code)) ||
        !result_is_ok(json_get_text(error, "message", &message))) {
        return "no reason given";
    }
    return arena_where(arena, "%.*s: %.*s", TEXT_ARGS(code), TEXT_ARGS(message));
}

/* The value of `name="…"` in a WWW-Authenticate header. */
static struct text challenge_value(struct text header, const char *name)
{
    size_t size = strlen(name);
    for (size_t at = 0; at + size + 2 < header.size; at++) {
        bool starts = at == 0 || header.data[at - 1] == ' ' || header.data[at - 1] == ',';
        if (starts && memcmp(header.data + at, name, size) == 0 && header.data[at + size] == '=' &&
            header.data[at + size + 1] == '"') {
            const char *value = header.data + at + size + 2;
            const char *end = memchr(value, '"', (size_t)(header.data + header.size - value));
            return end != NULL ? (struct text){value, (size_t)(end - value)} : (struct text){0};
        }
    }
    return (struct text){0};
}

static bool is_in_domain(struct text host, struct text domain)
{
    return text_equal(host, domain) || (text_ends_with(host, domain) && host.size > domain.size &&
                                        host.data[host.size - domain.size - 1] == '.');
}

/* Which resource the vault wants tokens for. */
static fallible ask_resource(struct vault *vault, struct arena *arena, struct text *out)
{
    struct http_call call = {.method = HTTP_GET};
    struct http_answer answer = {0};
    struct url vault_url;
    struct url resource_url;
    TRY(arena_printf(arena, &call.url, "%.*s/keys?api-version=" API_VERSION,
                     TEXT_ARGS(vault->connection.vault)));
    TRY(http_client_call(&vault->client, arena, &call, &answer));
    REQUIRE(answer.status == 401, UNTRUSTED, "vault.challenge");
    struct text resource = challenge_value(http_answer_header(&answer, "www-authenticate"), "resource");
    TRY(url_parse(arena, vault->connection.vault, &vault_url));
    if (!result_is_ok(url_parse(arena, resource, &resource_url)) ||
        !is_in_domain(vault_url.host, resource_url.host)) {
        return FAIL(UNTRUSTED, "vault.challenge.resource");
    }
    return arena_copy_text(arena, resource, out);
}

static fallible find_token_endpoint(struct vault *vault, struct arena *arena, struct text *out)
{
    struct text url;
    scoped_json *metadata = NULL;
    struct text endpoint;
    const struct connection_vault *connection = &vault->connection;
    TRY(arena_printf(arena, &url, "%.*s/%.*s/v2.0/.well-known/openid-configuration",
                     TEXT_ARGS(connection->authority), TEXT_ARGS(connection->tenant)));
    TRY(http_client_get_json(&vault->client, arena, url, &metadata));
    TRY(json_get_text(metadata, "token_endpoint", &endpoint));
    struct text prefix;
    TRY(arena_printf(arena, &prefix, "%.*s/", TEXT_ARGS(connection->authority)));
    REQUIRE(text_starts_with(endpoint, prefix), UNTRUSTED, "vault.token_endpoint");
    return arena_copy_text(arena, endpoint, out);
}

static fallible get_token(struct vault *vault, struct arena *arena, struct text resource)
{
    struct http_call call = {
        .method = HTTP_POST,
        .headers = {{"Content-Type", TEXT("application/x-www-form-urlencoded")}},
    };
    struct http_answer answer = {0};
    struct text scope;
    struct text id;
    struct text secret;
    struct text form;
    struct text token;
    scoped_json *json = NULL;
    TRY(find_token_endpoint(vault, arena, &call.url));
    TRY(arena_printf(arena, &scope, "%.*s/.default", TEXT_ARGS(resource)));
    TRY(percent_encode(arena, scope, &scope));
    TRY(percent_encode(arena, vault->connection.client_id, &id));
    TRY(percent_encode(arena, vault->connection.client_secret, &secret));
    TRY(arena_printf(arena, &form,
                     "grant_type=client_credentials&client_id=%.*s&client_secret=%.*s&scope=%.*s",
                     TEXT_ARGS(id), TEXT_ARGS(secret), TEXT_ARGS(scope)));
    call.body = bytes_of_text(form);
    TRY(http_client_call(&vault->client, arena, &call, &answer));
    REQUIRE(answer.status == 200, UNAUTHENTICATED, "vault.credentials");
    TRY(json_decode(answer.body, &json));
    TRY(json_get_text(json, "access_token", &token));
    return arena_printf(arena, &vault->authorization, "Bearer %.*s", TEXT_ARGS(token));
}

fallible vault_open(struct arena *arena, const char *folder, struct vault *out)
{
    scoped_vault vault = {0};
    struct text resource;
    TRY(connection_vault_open(arena, folder, &vault.connection));
    struct http_client_options options = {
        .ca_pem = bytes_of_text(vault.connection.ca),
        .system_store = vault.connection.ca.size == 0, /* Azure's own services */
        .user_agent = "truce",
    };
    TRY(http_client_open(&options, &vault.client));
    TRY(ask_resource(&vault, arena, &resource));
    TRY(get_token(&vault, arena, resource));
    *out = vault;
    vault = (struct vault){0};
    return OK;
}

/* One call with a JSON body (NULL for none) and a JSON answer. */
static fallible call_url(struct vault *vault, struct arena *arena, enum http_method method, struct text url,
                         const json_t *body, json_t **out)
{
    struct http_call call = {
        .method = method,
        .url = url,
        .headers = {{"Authorization", vault->authorization}, {"Content-Type", TEXT("application/json")}},
    };
    struct http_answer answer = {0};
    if (body != NULL) {
        struct text text;
        TRY(json_encode_text(arena, body, &text));
        call.body = bytes_of_text(text);
    }
    TRY(http_client_call(&vault->client, arena, &call, &answer));
    struct result result = http_answer_check(&answer);
    if (!result_is_ok(result)) {
        return (struct result){result.code, "vault.refused", error_words(arena, answer.body)};
    }
    return json_decode(answer.body, out);
}

/* `path` starts with '/'. */
static fallible call_vault(struct vault *vault, struct arena *arena, enum http_method method,
                           const char *path, const json_t *body, json_t **out)
{
    struct text url;
    TRY(arena_printf(arena, &url, "%.*s%s?api-version=" API_VERSION, TEXT_ARGS(vault->connection.vault),
                     path));
    return call_url(vault, arena, method, url, body, out);
}

static fallible make_creation(struct bytes policy, int64_t expires, json_t *body)
{
    json_t *attributes = json_object();
    json_t *release_policy = json_object();
    json_t *operations = json_array();
    TRY(json_set(body, "attributes", attributes));
    TRY(json_set(body, "release_policy", release_policy));
    TRY(json_set(body, "key_ops", operations));
    TRY(json_add_text(operations, TEXT("wrapKey")));
    TRY(json_add_text(operations, TEXT("unwrapKey")));
    TRY(json_set_text(body, "kty", TEXT("RSA")));
    TRY(json_set_i64(body, "key_size", VAULT_RSA_BITS));
    TRY(json_set(attributes, "enabled", json_true()));
    TRY(json_set(attributes, "exportable", json_true()));
    TRY(json_set_i64(attributes, "exp", expires));
    TRY(json_set_text(release_policy, "contentType", TEXT("application/json; charset=utf-8")));
    TRY(json_set(release_policy, "immutable", json_true()));
    return json_set_base64url(release_policy, "data", policy);
}

/* kid is https://vault/keys/name/version. */
static fallible take_version(struct vault *vault, struct arena *arena, const json_t *bundle, struct text name,
                             struct text *out)
{
    json_t *key;
    struct text kid;
    struct text prefix;
    TRY(json_get_object(bundle, "key", &key));
    TRY(json_get_text(key, "kid", &kid));
    TRY(arena_printf(arena, &prefix, "%.*s/keys/%.*s/", TEXT_ARGS(vault->connection.vault), TEXT_ARGS(name)));
    REQUIRE(text_starts_with(kid, prefix) && kid.size > prefix.size, UNTRUSTED, "vault.key.kid");
    struct text version = {kid.data + prefix.size, kid.size - prefix.size};
    REQUIRE(memchr(version.data, '/', version.size) == NULL, UNTRUSTED, "vault.key.kid");
    return arena_copy_text(arena, version, out);
}

/* An HSM says RSA-HSM where the public key is an ordinary RSA one. */
static fallible take_public_key(const json_t *bundle, struct key *out)
{
    json_t *key;
    scoped_json *jwk = NULL;
    struct text kind;
    scoped_key public_key = {0};
    TRY(json_get_object(bundle, "key", &key));
    TRY(json_get_text(key, "kty", &kind));
    jwk = json_copy(key);
    REQUIRE(jwk != NULL, NO_MEMORY, "vault.memory");
    if (text_is(kind, "RSA-HSM")) {
        TRY(json_set_text(jwk, "kty", TEXT("RSA")));
    }
    TRY(key_from_jwk(jwk, &public_key));
    REQUIRE(key_rsa_bits(&public_key) >= VAULT_RSA_BITS, UNTRUSTED, "vault.key.size");
    key_move(&public_key, out);
    return OK;
}

static fallible check_attributes(const json_t *bundle, int64_t expires)
{
    json_t *attributes;
    bool enabled;
    bool exportable;
    int64_t stored;
    TRY(json_get_object(bundle, "attributes", &attributes));
    TRY(json_get_bool(attributes, "enabled", &enabled));
    TRY(json_get_bool(attributes, "exportable", &exportable));
    TRY(json_get_i64(attributes, "exp", &stored));
    REQUIRE(enabled && exportable && stored == expires, UNTRUSTED, "vault.key.attributes");
    return OK;
}

/* The policy may come back with other white space, but must say the same. */
static fallible take_policy(struct arena *arena, const json_t *bundle, struct bytes want, struct bytes *out)
{
    json_t *release_policy;
    struct bytes stored;
    scoped_json *stored_json = NULL;
    scoped_json *want_json = NULL;
    TRY(json_get_object(bundle, "release_policy", &release_policy));
    TRY(json_get_base64url(arena, release_policy, "data", &stored));
    TRY(json_decode(want, &want_json));
    if (!result_is_ok(json_decode(stored, &stored_json)) || json_equal(stored_json, want_json) != 1) {
        return FAIL(UNTRUSTED, "vault.key.policy");
    }
    *out = stored;
    return OK;
}

fallible vault_create_release_key(struct vault *vault, struct arena *arena, struct text name,
                                  struct bytes policy, int64_t expires, struct vault_key *out)
{
    scoped_json *body = json_object();
    scoped_json *created = NULL;
    scoped_json *bundle = NULL;
    scoped_vault_key key = {.name = name};
    TRY(make_creation(policy, expires, body));
    TRY(call_vault(vault, arena, HTTP_POST, arena_where(arena, "/keys/%.*s/create", TEXT_ARGS(name)), body,
                   &created));
    TRY(take_version(vault, arena, created, name, &key.version));
    TRY(call_vault(vault, arena, HTTP_GET,
                   arena_where(arena, "/keys/%.*s/%.*s", TEXT_ARGS(name), TEXT_ARGS(key.version)), NULL,
                   &bundle));
    TRY(check_attributes(bundle, expires));
    TRY(take_policy(arena, bundle, policy, &key.release_policy));
    TRY(take_public_key(bundle, &key.public_key));
    *out = key;
    key = (struct vault_key){0};
    return OK;
}

fallible vault_public_key(struct vault *vault, struct arena *arena, struct text name, struct text version,
                          struct key *out)
{
    scoped_json *bundle = NULL;
    TRY(call_vault(vault, arena, HTTP_GET,
                   arena_where(arena, "/keys/%.*s/%.*s", TEXT_ARGS(name), TEXT_ARGS(version)), NULL,
                   &bundle));
    return take_public_key(bundle, out);
}

fallible vault_disable_key(struct vault *vault, struct arena *arena, struct text name, struct text version)
{
    scoped_json *body = json_object();
    scoped_json *bundle = NULL;
    json_t *attributes = json_object();
    bool enabled;
    TRY(json_set(body, "attributes", attributes));
    TRY(json_set(attributes, "enabled", json_false()));
    TRY(call_vault(vault, arena, HTTP_PATCH,
                   arena_where(arena, "/keys/%.*s/%.*s", TEXT_ARGS(name), TEXT_ARGS(version)), body,
                   &bundle));
    TRY(json_get_object(bundle, "attributes", &attributes));
    TRY(json_get_bool(attributes, "enabled", &enabled));
    REQUIRE(!enabled, UNTRUSTED, "vault.key.still_enabled");
    return OK;
}

/* The next page's address, which must be the vault's own: the token goes there. Empty at the end. */
static fallible next_page(struct vault *vault, struct arena *arena, const json_t *page, struct text *out)
{
    struct text prefix;
    struct text next;
    *out = (struct text){0};
    if (!result_is_ok(json_get_text(page, "nextLink", &next))) {
        return OK;
    }
    TRY(arena_printf(arena, &prefix, "%.*s/truce/releases?", TEXT_ARGS(vault->connection.vault)));
    REQUIRE(text_starts_with(next, prefix), UNTRUSTED, "vault.next_link");
    return arena_copy_text(arena, next, out);
}

fallible vault_releases(struct vault *vault, struct arena *arena, json_t **out)
{
    scoped_json *all = json_object();
    json_t *rows = json_array();
    struct text url;
    TRY(json_set(all, "value", rows));
    TRY(arena_printf(arena, &url, "%.*s/truce/releases", TEXT_ARGS(vault->connection.vault)));
    for (size_t page = 0; url.size > 0; page++) {
        scoped_json *answer = NULL;
        json_t *value;
        REQUIRE(page < VAULT_RELEASE_PAGES_MAX, LIMIT, "vault.releases.too_many");
        TRY(call_url(vault, arena, HTTP_GET, url, NULL, &answer));
        TRY(json_get_array(answer, "value", &value));
        REQUIRE(json_array_extend(rows, value) == 0, NO_MEMORY, "vault.memory");
        TRY(next_page(vault, arena, answer, &url));
    }
    *out = all;
    all = NULL;
    return OK;
}
