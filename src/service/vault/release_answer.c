#include "service/vault/release_answer.h"

#include "base/encode.h"
#include "jose/jwt.h"

/* The `key_hsm` member: the wrapped key in the shape of Key Vault's key transfer objects. */
static fallible make_key_hsm(const struct world *world, struct arena *arena,
                             const struct release_answer *answer, const struct secret *material,
                             struct text *out)
{
    scoped_json *object = json_object();
    scoped_buffer wrapped;
    struct text text;
    buffer_init(&wrapped, RELEASE_ANSWER_BYTES_MAX);
    TRY(key_rsa_aes_wrap(world, answer->wrapping_key, answer->oaep, material, &wrapped));
    json_t *header = json_object();
    TRY(json_set(object, "header", header));
    TRY(json_set_text(header, "alg", TEXT("dir")));
    TRY(json_set_text(header, "enc", answer->enc));
    TRY(json_set_text(header, "kid", answer->wrapping_kid));
    TRY(json_set_text(object, "schema_version", TEXT("1.0")));
    TRY(json_set_base64url(object, "ciphertext", buffer_view(&wrapped)));
    TRY(json_encode_text(arena, object, &text));
    return encode_base64url(arena, bytes_of_text(text), out);
}

static fallible make_request(const struct release_answer *answer, json_t *payload)
{
    json_t *request = json_object();
    TRY(json_set(payload, "request", request));
    TRY(json_set_text(request, "api-version", answer->api_version));
    TRY(json_set_text(request, "enc", answer->enc));
    TRY(json_set_text(request, "kid", answer->kid));
    return answer->nonce.data != NULL ? json_set_text(request, "nonce", answer->nonce) : OK;
}

static fallible make_response(const struct release_answer *answer, struct text key_hsm, json_t *payload)
{
    json_t *response = json_object();
    TRY(json_set(payload, "response", response));
    json_t *outer = json_object();
    TRY(json_set(response, "key", outer));
    json_t *key = json_object();
    TRY(json_set(outer, "key", key));
    const json_t *from = json_object_get(answer->bundle, "key");
    TRY(json_set_text(key, "kid", answer->kid));
    TRY(json_set(key, "kty", json_incref(json_object_get(from, "kty"))));
    TRY(json_set(key, "key_ops", json_incref(json_object_get(from, "key_ops"))));
    TRY(json_set_text(key, "key_hsm", key_hsm));
    TRY(json_set(outer, "attributes", json_incref(json_object_get(answer->bundle, "attributes"))));
    return json_set(outer, "release_policy", json_incref(json_object_get(answer->bundle, "release_policy")));
}

static fallible make_header(const struct release_signer *signer, json_t *header)
{
    json_t *chain = json_array();
    TRY(json_set(header, "x5c", chain));
    TRY(json_add_text(chain, signer->leaf));
    TRY(json_add_text(chain, signer->authority));
    TRY(json_set_text(header, "kid", signer->kid));
    TRY(json_set_text(header, "typ", TEXT("JWT")));
    return json_set_text(header, "x5t#S256", signer->thumbprint);
}

fallible release_answer_make(const struct world *world, struct arena *arena,
                             const struct release_answer *answer, const struct secret *material,
                             const struct release_signer *signer, struct buffer *out)
{
    scoped_json *payload = json_object();
    scoped_json *header = json_object();
    struct text key_hsm;
    TRY(make_key_hsm(world, arena, answer, material, &key_hsm));
    TRY(make_request(answer, payload));
    TRY(make_response(answer, key_hsm, payload));
    TRY(make_header(signer, header));
    return jwt_sign(header, payload, signer->key, KEY_RS256, out);
}
