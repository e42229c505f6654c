#include "jose/jwt.h"

#include "base/encode.h"
#include "jose/compact.h"

static struct text algorithm_name(enum key_algorithm algorithm)
{
    switch (algorithm) {
    case KEY_ES256:
        return TEXT("ES256");
    case KEY_ES384:
        return TEXT("ES384");
    case KEY_RS256:
        return TEXT("RS256");
    case KEY_PS256:
        return TEXT("PS256");
    case KEY_ALGORITHM_NONE:
        break;
    }
    return (struct text){0};
}

/* --- key sets ------------------------------------------------------------------------------------- */

void jwt_keys_release(struct jwt_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        key_release(&keys->rows[i].key);
    }
    *keys = (struct jwt_keys){0};
}

static bool is_for_signatures(const json_t *jwk)
{
    struct text use;
    bool has_numbers = json_has(jwk, "n") || json_has(jwk, "x");
    bool is_other = result_is_ok(json_get_text(jwk, "use", &use)) && !text_is(use, "sig");
    return json_has(jwk, "kid") && has_numbers && !is_other;
}

static fallible add_key(struct arena *arena, const json_t *jwk, struct jwt_keys *keys)
{
    REQUIRE(json_is_object(jwk), INVALID, "jwt.keys.form");
    if (!is_for_signatures(jwk)) {
        return OK;
    }
    struct text kid;
    TRY(json_get_text(jwk, "kid", &kid));
    scoped_key key = {0};
    struct result result = key_from_jwk(jwk, &key);
    if (result.code == RESULT_UNSUPPORTED) {
        return OK;
    }
    TRY(result);
    REQUIRE(keys->count < JWT_KEYS_MAX, LIMIT, "jwt.keys.count");
    struct digest pin;
    TRY(key_pin(&key, &pin));
    TRY(arena_copy_text(arena, kid, &keys->rows[keys->count].kid));
    keys->rows[keys->count].pin = pin;
    key_move(&key, &keys->rows[keys->count].key);
    keys->count++;
    return OK;
}

fallible jwt_keys_from_jwks(struct arena *arena, struct bytes untrusted_jwks, struct jwt_keys *out)
{
    REQUIRE(untrusted_jwks.size <= JWT_SIZE_MAX, LIMIT, "jwt.keys.size");
    scoped_json *document = NULL;
    TRY(json_decode(untrusted_jwks, &document));
    json_t *entries;
    TRY(json_get_array(document, "keys", &entries));
    scoped_jwt_keys keys = {0};
    for (size_t i = 0; i < json_array_size(entries); i++) {
        TRY(add_key(arena, json_array_get(entries, i), &keys));
    }
    *out = keys;
    keys = (struct jwt_keys){0};
    return OK;
}

/* --- tokens --------------------------------------------------------------------------------------- */

void jwt_release(struct jwt *jwt)
{
    json_decref(jwt->header);
    json_decref(jwt->claims);
    *jwt = (struct jwt){0};
}

static fallible split(struct text token, struct text parts[static 3])
{
    size_t part = 0;
    size_t start = 0;
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] == '.') {
            REQUIRE(part < 2, INVALID, "jwt.form");
            parts[part++] = (struct text){token.data + start, i - start};
            start = i + 1;
        }
    }
    REQUIRE(part == 2, INVALID, "jwt.form");
    parts[2] = (struct text){token.data + start, token.size - start};
    return OK;
}

fallible jwt_parse(struct arena *arena, struct text untrusted_token, struct jwt *out)
{
    REQUIRE(untrusted_token.size <= JWT_SIZE_MAX, LIMIT, "jwt.size");
    struct text parts[3] = {0};
    TRY(split(untrusted_token, parts));
    scoped_jwt jwt = {0};
    TRY(jose_object(arena, parts[0], "header", &jwt.header));
    TRY(jose_object(arena, parts[1], "claims", &jwt.claims));
    TRY(decode_base64url(arena, parts[2], &jwt.signature));
    struct text algorithm;
    TRY(json_get_text(jwt.header, "alg", &algorithm));
    REQUIRE(!json_has(jwt.header, "crit"), INVALID, "jwt.crit");
    if (json_has(jwt.header, "kid")) {
        TRY(json_get_text(jwt.header, "kid", &jwt.kid));
    }
    jwt.signing_input = (struct text){untrusted_token.data, parts[0].size + 1 + parts[1].size};
    *out = jwt;
    jwt = (struct jwt){0};
    return OK;
}

static fallible check_algorithm(const struct jwt *jwt, enum key_algorithm algorithm)
{
    struct text said;
    TRY(json_get_text(jwt->header, "alg", &said));
    struct text want = algorithm_name(algorithm);
    REQUIRE(want.size > 0 && text_equal(said, want), UNTRUSTED, "jwt.algorithm");
    return OK;
}

fallible jwt_verify_by_key(const struct jwt *jwt, const struct key *key, enum key_algorithm algorithm)
{
    TRY(check_algorithm(jwt, algorithm));
    REQUIRE(key_fits(key, algorithm), UNTRUSTED, "jwt.algorithm");
    struct result result = key_verify(key, algorithm, bytes_of_text(jwt->signing_input), jwt->signature);
    bool high = strcmp(result.why, "key.signature.high_s") == 0;
    REQUIRE(result_is_ok(result) || high, UNTRUSTED, "jwt.signature");
    return result;
}

fallible jwt_verify(const struct jwt *jwt, const struct jwt_keys *keys, enum key_algorithm algorithm)
{
    TRY(check_algorithm(jwt, algorithm));
    struct result result = FAIL(UNTRUSTED, "jwt.key_unknown");
    for (size_t i = 0; i < keys->count && jwt->kid.size > 0; i++) {
        if (!text_equal(keys->rows[i].kid, jwt->kid)) {
            continue;
        }
        result = jwt_verify_by_key(jwt, &keys->rows[i].key, algorithm);
        if (result_is_ok(result)) {
            return OK;
        }
    }
    return result;
}

static fallible check_not_after(const json_t *claims, const char *name, int64_t latest)
{
    int64_t seconds;
    if (!json_has(claims, name)) {
        return OK;
    }
    TRY(json_get_i64(claims, name, &seconds));
    REQUIRE_AT(seconds <= latest, UNTRUSTED, "jwt.not_yet_valid", name);
    return OK;
}

fallible jwt_check_times(const struct jwt *jwt, int64_t unix_seconds, int64_t skew_seconds)
{
    int64_t expiry;
    TRY(json_get_i64(jwt->claims, "exp", &expiry));
    REQUIRE(expiry > unix_seconds - skew_seconds, EXPIRED, "jwt.expired");
    TRY(check_not_after(jwt->claims, "nbf", unix_seconds + skew_seconds));
    return check_not_after(jwt->claims, "iat", unix_seconds + skew_seconds);
}

fallible jwt_sign(const json_t *header, const json_t *claims, const struct key *key,
                  enum key_algorithm algorithm, struct buffer *out)
{
    scoped_json *all = header == NULL ? json_object() : json_copy((json_t *)(uintptr_t)header);
    REQUIRE(all != NULL, NO_MEMORY, "json.memory");
    REQUIRE(json_is_object(all) && !json_has(all, "alg") && !json_has(all, "crit"), INVALID,
            "jwt.header.reserved");
    REQUIRE(json_is_object(claims), INVALID, "jwt.claims.not_object");
    TRY(json_set_text(all, "alg", algorithm_name(algorithm)));
    scoped_arena arena;
    arena_init(&arena, (size_t)4 * JWT_SIZE_MAX);
    struct text left;
    struct text right;
    TRY(jose_encode(&arena, all, &left));
    TRY(jose_encode(&arena, claims, &right));
    struct text input;
    TRY(arena_printf(&arena, &input, "%.*s.%.*s", TEXT_ARGS(left), TEXT_ARGS(right)));
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    TRY(key_sign(key, algorithm, bytes_of_text(input), signature, &size));
    struct text encoded;
    TRY(encode_base64url(&arena, (struct bytes){signature, size}, &encoded));
    REQUIRE(input.size + 1 + encoded.size <= JWT_SIZE_MAX, LIMIT, "jwt.size");
    struct text token;
    TRY(arena_printf(&arena, &token, "%.*s.%.*s", TEXT_ARGS(input), TEXT_ARGS(encoded)));
    return buffer_add_text(out, token);
}
