#include "attest/x5c.h"

#include "base/encode.h"
#include "crypto/certificate.h"

static fallible leaf_key(struct arena *arena, const json_t *jwk, struct key *out)
{
    struct text text;
    struct bytes der;
    TRY(json_text(json_array_get(json_object_get(jwk, "x5c"), 0), &text));
    TRY(decode_base64(arena, text, &der));
    scoped_certificate certificate = {0};
    TRY(certificate_from_der(der, &certificate));
    return certificate_key(&certificate, out);
}

/* One entry of the set: both forms where both are there. */
static fallible add_key(struct arena *arena, const json_t *jwk, struct jwt_keys *out)
{
    scoped_key key = {0};
    struct digest pin;
    TRY(leaf_key(arena, jwk, &key));
    TRY(key_pin(&key, &pin));
    if (json_has(jwk, "n")) {
        scoped_key plain = {0};
        struct digest plain_pin;
        TRY(key_from_jwk(jwk, &plain));
        TRY(key_pin(&plain, &plain_pin));
        REQUIRE(digest_equal(&pin, &plain_pin), UNTRUSTED, "x5c.key_differs");
    }
    struct text kid;
    TRY(json_get_text(jwk, "kid", &kid));
    TRY(arena_copy_text(arena, kid, &out->rows[out->count].kid));
    out->rows[out->count].pin = pin;
    key_move(&key, &out->rows[out->count].key);
    out->count++;
    return OK;
}

fallible x5c_keys_from_jwks(struct arena *arena, struct bytes untrusted_jwks, struct jwt_keys *out)
{
    REQUIRE(untrusted_jwks.size <= JWT_SIZE_MAX, LIMIT, "x5c.size");
    scoped_json *set = NULL;
    TRY(json_decode(untrusted_jwks, &set));
    json_t *list;
    TRY(json_get_array(set, "keys", &list));
    REQUIRE(json_array_size(list) <= JWT_KEYS_MAX, LIMIT, "x5c.keys");
    scoped_jwt_keys keys = {0};
    size_t plain_count = 0;
    const json_t *jwk;
    size_t index;
    json_array_foreach (list, index, jwk) {
        if (json_has(jwk, "x5c")) {
            TRY(add_key(arena, jwk, &keys));
        } else {
            plain_count++;
        }
    }
    REQUIRE(plain_count == 0 || keys.count == 0, UNSUPPORTED, "x5c.mixed");
    if (keys.count == 0) {
        return jwt_keys_from_jwks(arena, untrusted_jwks, out);
    }
    *out = keys;
    keys = (struct jwt_keys){0};
    return OK;
}
