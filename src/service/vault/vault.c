#include "service/vault/vault.h"

#include "base/encode.h"
#include "crypto/aead.h"
#include "service/http/url.h"
#include "service/setup/file.h"
#include "service/setup/program.h"
#include "service/setup/tls.h"
#include "service/vault/parts.h"

#include <stdlib.h>

enum { VAULT_ARENA_BYTES_MAX = 4 * 1024 * 1024, VAULT_STOP_MS = 5000 };

/* ---- The table of calls ---- */

/* What each operation needs; ACCESS_NONE: no credential (the issuer's own documents). */
static const enum access_action action_of[OPERATION_COUNT] = {
    [OPERATION_KEY_CREATE] = ACCESS_KEY_CREATE,      [OPERATION_KEY_GET] = ACCESS_KEY_READ,
    [OPERATION_KEY_UPDATE] = ACCESS_KEY_UPDATE,      [OPERATION_KEY_LIST] = ACCESS_KEY_READ,
    [OPERATION_KEY_LIST_VERSIONS] = ACCESS_KEY_READ, [OPERATION_KEY_WRAP] = ACCESS_KEY_WRAP,
    [OPERATION_KEY_UNWRAP] = ACCESS_KEY_UNWRAP,      [OPERATION_KEY_SIGN] = ACCESS_KEY_SIGN,
    [OPERATION_KEY_RELEASE] = ACCESS_KEY_RELEASE,    [OPERATION_RELEASES_LIST] = ACCESS_RELEASES_READ,
};

static const char *const vault_api_versions[] = {"7.3", "7.4", "7.5", "7.6", "2025-07-01"};

static fallible check_api_version(struct http_request *request, struct text *out)
{
    struct text version = http_query(request, "api-version");
    for (size_t i = 0; i < sizeof vault_api_versions / sizeof *vault_api_versions; i++) {
        if (text_is(version, vault_api_versions[i])) {
            *out = version;
            return OK;
        }
    }
    return FAIL(INVALID, "vault.api_version");
}

static fallible roles_of(struct vault *vault, const struct principal *principal, json_t **out)
{
    scoped_state_transaction transaction = {0};
    TRY(state_begin(vault->state, &transaction));
    struct result result = state_get_json(&transaction, "assignment", principal->object, out);
    return result.code == RESULT_NOT_FOUND ? FAIL(DENIED, "vault.access") : result;
}

static fallible check_access(struct vault *vault, const struct principal *principal,
                             enum access_action action)
{
    scoped_json *assignment = NULL;
    struct text roles[ACCESS_ROLES_MAX] = {{0}};
    size_t count = 0;
    struct result refused = FAIL_AT(DENIED, "vault.access", access_action_name(action));
    struct result result = roles_of(vault, principal, &assignment);
    if (result.code == RESULT_DENIED) {
        return refused;
    }
    TRY(result);
    const json_t *list = json_object_get(assignment, "roles");
    for (; count < json_array_size(list) && count < ACCESS_ROLES_MAX; count++) {
        TRY(json_text(json_array_get(list, count), &roles[count]));
    }
    return access_decide(roles, count, action) == VERDICT_ALLOW ? OK : refused;
}

/* Who, then which version of the protocol, then whether they may: all before the body is read. */
static fallible admit(void *self, struct http_request *request, struct http_reply *reply)
{
    struct vault *vault = self;
    struct vault_call *call;
    (void)reply;
    TRY(ARENA_NEW(request->arena, struct vault_call, &call));
    call->operation = (enum vault_operation)request->route->tag;
    request->local = call;
    TRY(identity_verify(request->arena, &vault->trust, http_bearer(request), world_now(vault->world),
                        &call->principal));
    if (call->operation != OPERATION_RELEASES_LIST) {
        TRY(check_api_version(request, &call->api_version));
    }
    return check_access(vault, &call->principal, action_of[call->operation]);
}

const struct vault_call *vault_call_of(const struct http_request *request)
{
    ASSERT(request->local != NULL);
    return request->local;
}

static fallible answer_metadata(void *self, struct http_request *request, struct http_reply *reply)
{
    return issuer_answer_metadata(((struct vault *)self)->issuer, request, reply);
}

static fallible answer_keys(void *self, struct http_request *request, struct http_reply *reply)
{
    return issuer_answer_keys(((struct vault *)self)->issuer, request, reply);
}

static fallible answer_token(void *self, struct http_request *request, struct http_reply *reply)
{
    return issuer_answer_token(((struct vault *)self)->issuer, request, reply);
}

#define CALL(method_, pattern_, operation_, body_max_, handler_)                                             \
    {                                                                                                        \
        .method = HTTP_##method_, .pattern = (pattern_), .tag = OPERATION_##operation_,                      \
        .body_bytes_max = (body_max_), .admit = admit, .handle = (handler_)                                  \
    }
#define OPEN(method_, pattern_, operation_, body_max_, handler_)                                             \
    {                                                                                                        \
        .method = HTTP_##method_, .pattern = (pattern_), .tag = OPERATION_##operation_,                      \
        .body_bytes_max = (body_max_), .handle = (handler_)                                                  \
    }

static const struct http_route routes[] = {
    CALL(POST, "/keys/{name}/create", KEY_CREATE, VAULT_BODY_BYTES_MAX, vault_key_create),
    CALL(POST, "/keys/{name}/release", KEY_RELEASE, VAULT_BODY_BYTES_MAX, vault_key_release),
    CALL(POST, "/keys/{name}/{version}/release", KEY_RELEASE, VAULT_BODY_BYTES_MAX, vault_key_release),
    CALL(POST, "/keys/{name}/{version}/wrapkey", KEY_WRAP, VAULT_BODY_BYTES_MAX, vault_key_wrap),
    CALL(POST, "/keys/{name}/{version}/unwrapkey", KEY_UNWRAP, VAULT_BODY_BYTES_MAX, vault_key_unwrap),
    CALL(POST, "/keys/{name}/{version}/sign", KEY_SIGN, VAULT_BODY_BYTES_MAX, vault_key_sign),
    CALL(GET, "/keys/{name}/versions", KEY_LIST_VERSIONS, 0, vault_key_list_versions),
    CALL(GET, "/keys/{name}/{version}", KEY_GET, 0, vault_key_get),
    CALL(GET, "/keys/{name}", KEY_GET, 0, vault_key_get),
    CALL(PATCH, "/keys/{name}/{version}", KEY_UPDATE, VAULT_BODY_BYTES_MAX, vault_key_update),
    CALL(PATCH, "/keys/{name}", KEY_UPDATE, VAULT_BODY_BYTES_MAX, vault_key_update),
    CALL(GET, "/keys", KEY_LIST, 0, vault_key_list),
    CALL(GET, "/truce/releases", RELEASES_LIST, 0, vault_releases_list),
    OPEN(GET, ISSUER_PATTERN_METADATA, ISSUER, 0, answer_metadata),
    OPEN(GET, ISSUER_PATTERN_METADATA_V1, ISSUER, 0, answer_metadata),
    OPEN(GET, ISSUER_PATTERN_KEYS, ISSUER, 0, answer_keys),
    OPEN(GET, ISSUER_PATTERN_KEYS_V1, ISSUER, 0, answer_keys),
    OPEN(POST, ISSUER_PATTERN_TOKEN, TOKEN, ISSUER_FORM_BYTES_MAX, answer_token),
};

/* ---- Opening ---- */

static fallible copy_member(struct vault *vault, const json_t *config, const char *name, struct text *out)
{
    struct text text;
    TRY(json_get_text(config, name, &text));
    return arena_copy_text(&vault->arena, text, out);
}

static fallible read_config(struct vault *vault)
{
    static const char *const members[] = {
        "type", "party", "url", "listen", "tenant", "emulate_hsm_kinds", "one_release_per_run", NULL};
    scoped_json *config = NULL;
    struct text path;
    struct text type;
    struct url url;
    TRY(path_join(&vault->arena, vault->folder, "config.json", &path));
    TRY(file_read_json(&vault->arena, path, &config));
    TRY(json_only(&vault->arena, config, members));
    TRY(json_get_text(config, "type", &type));
    REQUIRE(text_is(type, "vault-config/1"), INVALID, "vault.config.type");
    TRY(copy_member(vault, config, "party", &vault->party));
    TRY(copy_member(vault, config, "url", &vault->url));
    TRY(copy_member(vault, config, "listen", &vault->listen));
    TRY(copy_member(vault, config, "tenant", &vault->tenant));
    TRY(json_get_bool(config, "emulate_hsm_kinds", &vault->emulate_hsm_kinds));
    if (json_has(config, "one_release_per_run")) {
        TRY(json_get_bool(config, "one_release_per_run", &vault->one_release_per_run));
    }
    TRY(url_parse(&vault->arena, vault->url, &url));
    vault->host = url.host;
    return OK;
}

/* `NAME.vault.SUFFIX` → the resource `https://vault.SUFFIX`, which clients compare with the host; any other
 * host is its own resource. */
static fallible make_alias(struct vault *vault, struct text host, uint16_t port, struct vault_alias *out)
{
    struct text port_text = {0};
    if (port != 443) {
        TRY(arena_printf(&vault->arena, &port_text, ":%u", port));
    }
    TRY(arena_printf(&vault->arena, &out->host_and_port, "%.*s%.*s", TEXT_ARGS(host), TEXT_ARGS(port_text)));
    const char *dot = memchr(host.data, '.', host.size);
    struct text rest = {0};
    if (dot != NULL) {
        rest = (struct text){dot + 1, host.size - (size_t)(dot + 1 - host.data)};
    }
    struct text resource_host = text_starts_with(rest, TEXT("vault.")) ? rest : host;
    return arena_printf(&vault->arena, &out->resource, "https://%.*s%.*s", TEXT_ARGS(resource_host),
                        TEXT_ARGS(port_text));
}

static fallible make_aliases(struct vault *vault)
{
    struct url url;
    struct text local;
    TRY(url_parse(&vault->arena, vault->url, &url));
    TRY(arena_printf(&vault->arena, &local, "%.*s.vault.localhost", TEXT_ARGS(vault->party)));
    TRY(make_alias(vault, url.host, url.port, &vault->aliases[0]));
    return make_alias(vault, local, url.port, &vault->aliases[1]);
}

static fallible open_state(struct vault *vault)
{
    scoped_secret master_key = {0};
    struct text path;
    TRY(path_join(&vault->arena, vault->folder, "master.key", &path));
    TRY(file_read_secret(path, &master_key));
    TRY(path_join(&vault->arena, vault->folder, "state.db", &path));
    return state_open(path, &master_key, vault->world, &vault->state);
}

static fallible open_issuer(struct vault *vault)
{
    struct issuer_options options = {
        .url = vault->url,
        .tenant = vault->tenant,
        .resources = {TEXT("https://vault.azure.net"), vault->url, vault->aliases[0].resource,
                      vault->aliases[1].resource},
        .state = vault->state,
        .world = vault->world,
    };
    TRY(issuer_open(&options, &vault->issuer));
    vault->trust = (struct identity_trust){
        .issuer = issuer_name(vault->issuer),
        .tenant = vault->tenant,
        .keys = issuer_keys(vault->issuer),
    };
    memcpy(vault->trust.audiences, options.resources, 4 * sizeof *options.resources);
    return OK;
}

static fallible load_release_key(struct vault *vault)
{
    scoped_state_transaction transaction = {0};
    scoped_secret pkcs8 = {0};
    TRY(state_begin(vault->state, &transaction));
    struct result result = state_get(&transaction, "service", TEXT("release-signing-key"), &pkcs8);
    if (result.code != RESULT_NOT_FOUND) {
        TRY(result);
        return key_from_pkcs8(&pkcs8, &vault->release_key);
    }
    TRY(key_generate(KEY_RSA, 2048, &vault->release_key));
    TRY(key_to_pkcs8(&vault->release_key, &pkcs8));
    TRY(state_put(&transaction, "service", TEXT("release-signing-key"), &pkcs8));
    return state_commit(&transaction);
}

static fallible make_release_chain(struct vault *vault, const struct tls_names *names)
{
    struct arena *arena = &vault->arena;
    struct bytes leaf;
    struct bytes authority;
    struct digest thumbprint;
    TRY(load_release_key(vault));
    TRY(key_thumbprint(&vault->release_key, &thumbprint));
    TRY(encode_base64url(arena, digest_view(&thumbprint), &vault->release_kid));
    TRY(tls_issue_chain(vault->world, arena, vault->folder, names, &vault->release_key, &leaf, &authority));
    TRY(encode_base64(arena, leaf, &vault->release_leaf));
    TRY(encode_base64(arena, authority, &vault->release_authority));
    struct digest leaf_digest = digest_of(leaf);
    return encode_base64url(arena, digest_view(&leaf_digest), &vault->release_thumbprint);
}

static fallible certificate_names(struct vault *vault, struct tls_names *out)
{
    struct text local;
    TRY(arena_printf(&vault->arena, &local, "%.*s.vault.localhost", TEXT_ARGS(vault->party)));
    tls_names_init(out, vault->host);
    tls_names_add(out, local);
    tls_names_add(out, TEXT("*.vault.localhost"));
    const char *dot = memchr(vault->host.data, '.', vault->host.size);
    if (dot != NULL && strncmp(dot, ".vault.", 7) == 0) {
        struct text wild;
        size_t size = vault->host.size - (size_t)(dot - vault->host.data);
        TRY(arena_printf(&vault->arena, &wild, "*%.*s", (int)size, dot));
        tls_names_add(out, wild);
    }
    return OK;
}

static fallible start_server(struct vault *vault, const struct tls_names *names)
{
    struct tls_identity tls;
    TRY(tls_load(vault->world, &vault->arena, vault->folder, names, &tls));
    struct http_server_options options = {
        .listen = vault->listen,
        .certificate_pem = tls.certificate_pem,
        .key_pem = tls.key_pem,
        .routes = routes,
        .route_count = sizeof routes / sizeof *routes,
        .case_blind_paths = true,
        .threads = 8, /* a release may wait for an authority */
        .self = vault,
        .fail = vault_fail,
        .done = vault_audit_done,
        .world = vault->world,
    };
    struct result result = http_server_start(&options, &vault->server);
    wipe((void *)(uintptr_t)tls.key_pem.data, tls.key_pem.size);
    return result;
}

static fallible open_parts(struct vault *vault, const struct vault_options *options)
{
    struct tls_names names;
    struct text authorities;
    TRY(arena_copy_text(&vault->arena, options->folder, &vault->folder));
    TRY(folder_create(options->folder)); /* refuses one that others may enter */
    TRY(read_config(vault));
    TRY(program_check_url(vault->url, options->url));
    if (options->listen.size > 0) {
        TRY(arena_copy_text(&vault->arena, options->listen, &vault->listen));
    }
    TRY(make_aliases(vault));
    TRY(open_state(vault));
    TRY(open_issuer(vault));
    TRY(path_join(&vault->arena, vault->folder, "authorities", &authorities));
    TRY(folder_create(authorities));
    authorities_init(&vault->authorities, authorities, vault->world);
    TRY(certificate_names(vault, &names));
    TRY(make_release_chain(vault, &names));
    TRY(audit_open(&vault->arena, vault->folder, &vault->audit));
    return start_server(vault, &names);
}

fallible vault_open(const struct world *world, const struct vault_options *options, struct vault **out)
{
    struct vault *vault = calloc(1, sizeof *vault);
    REQUIRE(vault != NULL, NO_MEMORY, "vault.memory");
    vault->world = world;
    vault->log = options->log;
    vault->audit.file = -1;
    arena_init(&vault->arena, VAULT_ARENA_BYTES_MAX);
    struct result result = open_parts(vault, options);
    if (!result_is_ok(result)) {
        vault_close(vault);
        result.where = NULL; /* it may have lived in the vault's arena */
        return result;
    }
    event_service_started(options->log, vault->url);
    *out = vault;
    return OK;
}

void vault_close(struct vault *vault)
{
    if (vault == NULL) {
        return;
    }
    if (vault->server != NULL) {
        event_service_stopped(vault->log, vault->url);
    }
    http_server_stop(vault->server, VAULT_STOP_MS);
    audit_close(&vault->audit);
    authorities_release(&vault->authorities);
    key_release(&vault->release_key);
    issuer_close(vault->issuer);
    state_close(vault->state);
    arena_release(&vault->arena);
    free(vault);
}

struct text vault_url(const struct vault *vault)
{
    return vault->url;
}

uint16_t vault_port(const struct vault *vault)
{
    return http_server_port(vault->server);
}
