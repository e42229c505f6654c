#include "service/vault/authority.h"

#include "attest/x5c.h"
#include "service/http/client.h"
#include "service/setup/file.h"

#include <stdlib.h>

struct authority {
    struct arena arena; /* of `file` */
    struct authority_file file;
    pthread_mutex_t turn;
    struct arena keys_arena; /* of the kids in `keys` */
    struct jwt_keys keys;
    int64_t fetched;     /* unix seconds; 0: never */
    int64_t retry_after; /* not before then, unix seconds */
};

/* ---- Files ---- */

fallible authority_file_read(struct arena *arena, const json_t *untrusted_json, struct authority_file *out)
{
    static const char *const members[] = {"type", "issuer", "keys", "policy_hash", "ca", NULL};
    struct authority_file file = {0};
    struct text type;
    struct url url;
    TRY(json_only(arena, untrusted_json, members));
    TRY(json_get_text(untrusted_json, "type", &type));
    REQUIRE(text_is(type, "connection/authority/1"), INVALID, "vault.authority_file.type");
    TRY(json_get_text(untrusted_json, "issuer", &file.issuer));
    TRY(json_get_text(untrusted_json, "ca", &file.ca));
    TRY(url_parse(arena, file.issuer, &url));
    REQUIRE(text_is(url.scheme, "https"), INVALID, "vault.authority_file.issuer");
    if (json_has(untrusted_json, "policy_hash")) {
        TRY(json_get_text(untrusted_json, "policy_hash", &file.policy_hash));
    }
    const json_t *pins = json_object_get(untrusted_json, "keys");
    REQUIRE(pins == NULL || json_is_array(pins), INVALID, "vault.authority_file.keys");
    REQUIRE(json_array_size(pins) <= TOKEN_AUTHORITY_KEYS_MAX, LIMIT, "vault.authority_file.keys");
    for (; file.pin_count < json_array_size(pins); file.pin_count++) {
        struct text pin;
        TRY(json_text(json_array_get(pins, file.pin_count), &pin));
        TRY(digest_from_text(pin, &file.pins[file.pin_count]));
    }
    TRY(arena_copy_text(arena, file.issuer, &file.issuer));
    TRY(arena_copy_text(arena, file.ca, &file.ca));
    TRY(arena_copy_text(arena, file.policy_hash, &file.policy_hash));
    *out = file;
    return OK;
}

static void authority_free(struct authority *authority)
{
    jwt_keys_release(&authority->keys);
    arena_release(&authority->keys_arena);
    arena_release(&authority->arena);
    pthread_mutex_destroy(&authority->turn);
    free(authority);
}

static struct authority *find(const struct authorities *authorities, struct text issuer)
{
    for (size_t i = 0; i < authorities->count; i++) {
        if (token_issuer_equal(authorities->rows[i]->file.issuer, issuer)) {
            return authorities->rows[i];
        }
    }
    return NULL;
}

static fallible load_file(struct authorities *authorities, struct arena *arena, struct text name)
{
    struct text path;
    scoped_json *json = NULL;
    TRY(arena_printf(arena, &path, "%.*s/%.*s", TEXT_ARGS(authorities->folder), TEXT_ARGS(name)));
    TRY(file_read_json(arena, path, &json));
    struct authority *authority = calloc(1, sizeof *authority);
    REQUIRE(authority != NULL, NO_MEMORY, "vault.memory");
    arena_init(&authority->arena, SETUP_FILE_BYTES_MAX);
    arena_init(&authority->keys_arena, JWT_SIZE_MAX);
    ASSERT(pthread_mutex_init(&authority->turn, NULL) == 0);
    struct result result = authority_file_read(&authority->arena, json, &authority->file);
    if (!result_is_ok(result) || find(authorities, authority->file.issuer) != NULL ||
        authorities->count == AUTHORITIES_MAX) {
        authority_free(authority);
        return result;
    }
    authorities->rows[authorities->count++] = authority;
    return OK;
}

/* Rows are added and never removed, so that a pointer to one stays good. */
static fallible load_files(struct authorities *authorities)
{
    scoped_arena arena;
    struct text names[AUTHORITIES_MAX];
    size_t count;
    arena_init(&arena, (size_t)AUTHORITIES_MAX * 2 * SETUP_FILE_BYTES_MAX);
    TRY(folder_list(&arena, authorities->folder, ".json", AUTHORITIES_MAX, names, &count));
    for (size_t i = 0; i < count; i++) {
        struct result result = load_file(authorities, &arena, names[i]);
        if (!result_is_ok(result)) {
            return FAIL(CORRUPT, "vault.authority_file.unreadable");
        }
    }
    return OK;
}

void authorities_init(struct authorities *authorities, struct text folder, const struct world *world)
{
    *authorities = (struct authorities){.folder = folder, .world = world};
    ASSERT(pthread_mutex_init(&authorities->turn, NULL) == 0);
}

void authorities_release(struct authorities *authorities)
{
    if (authorities->world == NULL) {
        return;
    }
    for (size_t i = 0; i < authorities->count; i++) {
        authority_free(authorities->rows[i]);
    }
    pthread_mutex_destroy(&authorities->turn);
    *authorities = (struct authorities){0};
}

/* ---- Keys ---- */

/* The keys must come from where the issuer is: metadata cannot send us elsewhere. */
static fallible check_metadata(struct arena *arena, const struct authority *authority, const json_t *metadata,
                               struct text *out_jwks_uri)
{
    struct text issuer;
    struct url own;
    struct url jwks;
    REQUIRE(result_is_ok(json_get_text(metadata, "issuer", &issuer)) &&
                result_is_ok(json_get_text(metadata, "jwks_uri", out_jwks_uri)) &&
                token_issuer_equal(issuer, authority->file.issuer),
            UNTRUSTED, "vault.authority.metadata");
    TRY(url_parse(arena, authority->file.issuer, &own));
    REQUIRE(result_is_ok(url_parse(arena, *out_jwks_uri, &jwks)) && text_equal(own.scheme, jwks.scheme) &&
                text_equal(own.host, jwks.host) && own.port == jwks.port,
            UNTRUSTED, "vault.authority.metadata");
    return OK;
}

static fallible fetch(struct http_client *client, struct arena *arena, struct text url,
                      struct http_answer *out)
{
    struct http_call call = {
        .method = HTTP_GET,
        .url = url,
        .timeout_ms = AUTHORITY_TIMEOUT_MS,
        .answer_bytes_max = AUTHORITY_ANSWER_BYTES_MAX,
    };
    struct result result = http_client_call(client, arena, &call, out);
    REQUIRE(result.code != RESULT_UNTRUSTED, UNTRUSTED, "vault.authority.certificate");
    REQUIRE(result_is_ok(result) && out->status == 200, UNAVAILABLE, "vault.authority.unreachable");
    return OK;
}

static fallible fetch_keys(struct authority *authority, struct arena *arena, struct bytes *out_jwks)
{
    scoped_http_client client = {0};
    scoped_json *metadata = NULL;
    struct http_answer answer;
    struct text url;
    struct text issuer = url_without_slash(authority->file.issuer);
    struct http_client_options options = {.ca_pem = bytes_of_text(authority->file.ca)};
    TRY(http_client_open(&options, &client));
    TRY(arena_printf(arena, &url, "%.*s/.well-known/openid-configuration", TEXT_ARGS(issuer)));
    TRY(fetch(&client, arena, url, &answer));
    REQUIRE(result_is_ok(json_decode(answer.body, &metadata)), UNTRUSTED, "vault.authority.metadata");
    TRY(check_metadata(arena, authority, metadata, &url));
    TRY(fetch(&client, arena, url, &answer));
    *out_jwks = answer.body;
    return OK;
}

static fallible refresh(struct authority *authority, int64_t now)
{
    scoped_arena arena;
    struct bytes jwks;
    arena_init(&arena, 4 * AUTHORITY_ANSWER_BYTES_MAX);
    authority->retry_after = now + AUTHORITY_RETRY_SECONDS;
    TRY(fetch_keys(authority, &arena, &jwks));
    jwt_keys_release(&authority->keys);
    arena_release(&authority->keys_arena);
    arena_init(&authority->keys_arena, JWT_SIZE_MAX);
    REQUIRE(result_is_ok(x5c_keys_from_jwks(&authority->keys_arena, jwks, &authority->keys)), UNTRUSTED,
            "vault.authority.keys");
    authority->fetched = now;
    authority->retry_after = now + AUTHORITY_REFETCH_SECONDS;
    return OK;
}

static bool has_key(const struct authority *authority, struct text kid)
{
    for (size_t i = 0; i < authority->keys.count; i++) {
        if (text_equal(authority->keys.rows[i].kid, kid)) {
            return true;
        }
    }
    return false;
}

/* Neither bad tokens nor an authority that is down can make us call it again and again. */
static fallible have_keys(struct authority *authority, struct text kid, int64_t now)
{
    int64_t age = now - authority->fetched;
    bool is_fresh = authority->fetched != 0 && age >= 0 && age < AUTHORITY_KEYS_SECONDS;
    if ((!is_fresh || !has_key(authority, kid)) && now >= authority->retry_after) {
        return refresh(authority, now);
    }
    REQUIRE(is_fresh, UNAVAILABLE, "vault.authority.unreachable");
    return OK;
}

static fallible verify(struct authority *authority, struct arena *arena, struct text kid,
                       struct text untrusted_token, int64_t now, json_t **out_claims)
{
    TRY(have_keys(authority, kid, now));
    struct token_authority trusted = {
        .issuer = authority->file.issuer,
        .policy_hash = authority->file.policy_hash,
        .key_count = authority->file.pin_count,
    };
    memcpy(trusted.keys, authority->file.pins, sizeof trusted.keys);
    if (authority->file.pin_count == 0) {
        for (; trusted.key_count < authority->keys.count && trusted.key_count < TOKEN_AUTHORITY_KEYS_MAX;
             trusted.key_count++) {
            TRY(key_pin(&authority->keys.rows[trusted.key_count].key, &trusted.keys[trusted.key_count]));
        }
    }
    struct token_demand demand = {.unix_seconds = now, .skew_seconds = TOKEN_SKEW_SECONDS};
    return token_verify(arena, untrusted_token, &authority->keys, &trusted, &demand, out_claims);
}

fallible authorities_verify(struct authorities *authorities, struct arena *arena, struct text issuer,
                            struct text untrusted_token, json_t **out_claims)
{
    scoped_jwt jwt = {0};
    TRY(jwt_parse(arena, untrusted_token, &jwt));
    ASSERT(pthread_mutex_lock(&authorities->turn) == 0);
    struct authority *authority = find(authorities, issuer);
    struct result result = authority == NULL ? load_files(authorities) : OK;
    authority = find(authorities, issuer);
    pthread_mutex_unlock(&authorities->turn);
    TRY(result);
    REQUIRE(authority != NULL, DENIED, "vault.authority.unknown");
    ASSERT(pthread_mutex_lock(&authority->turn) == 0);
    result = verify(authority, arena, jwt.kid, untrusted_token, world_now(authorities->world), out_claims);
    pthread_mutex_unlock(&authority->turn);
    return result;
}
