#include "attest/runtime_data.h"

void runtime_data_release(struct runtime_data *runtime_data)
{
    key_release(&runtime_data->encryption_key);
    key_release(&runtime_data->receipt_key);
    *runtime_data = (struct runtime_data){0};
}

/* What a key of runtime data must be; the same rows write and read. */
struct key_row {
    const char *kid;
    const char *use;
    enum key_kind kind;
};

static const struct key_row wrap_row = {"truce-wrap", "enc", KEY_RSA};
static const struct key_row receipt_row = {"truce-receipt", "sig", KEY_EC_P256};
static const struct key_row instance_row = {"truce-instance", "enc", KEY_EC_P256};

static fallible add_key(json_t *keys, const struct key_row *row, const struct key *key)
{
    REQUIRE(key->kind == row->kind, INVALID, "runtime.key.kind");
    json_t *jwk;
    TRY(key_to_jwk(key, &jwk));
    TRY(json_add(keys, jwk));
    TRY(json_set_text(jwk, "kid", text_of(row->kid)));
    return json_set_text(jwk, "use", text_of(row->use));
}

fallible runtime_data_build(struct arena *arena, const struct runtime_data *from, struct bytes *out)
{
    scoped_json *object = json_object();
    TRY(json_set_base64url(object, "nonce", BYTES_OF(from->nonce)));
    TRY(json_set(object, "keys", json_array()));
    json_t *keys = json_object_get(object, "keys");
    if (from->purpose == RUNTIME_RUN) {
        TRY(json_set_text(object, "purpose", TEXT("run")));
        TRY(json_set(object, "contract", digest_to_json(&from->contract)));
        TRY(json_set(object, "run_request", digest_to_json(&from->run_request)));
        TRY(add_key(keys, &wrap_row, &from->encryption_key));
        TRY(add_key(keys, &receipt_row, &from->receipt_key));
    } else {
        REQUIRE(from->purpose == RUNTIME_INSTANCE, INVALID, "runtime.purpose");
        TRY(json_set_text(object, "purpose", TEXT("instance")));
        TRY(add_key(keys, &instance_row, &from->encryption_key));
    }
    struct text text;
    TRY(json_encode_text(arena, object, &text));
    *out = bytes_of_text(text);
    return OK;
}

static const char *const rsa_members[] = {"kid", "use", "kty", "n", "e", NULL};
static const char *const ec_members[] = {"kid", "use", "kty", "crv", "x", "y", NULL};

static fallible read_key(struct arena *arena, const json_t *keys, size_t index, const struct key_row *row,
                         struct key *out)
{
    const json_t *jwk = json_array_get(keys, index);
    struct text kid, use;
    TRY(json_only(arena, jwk, row->kind == KEY_RSA ? rsa_members : ec_members));
    TRY(json_get_text(jwk, "kid", &kid));
    TRY(json_get_text(jwk, "use", &use));
    REQUIRE(text_is(kid, row->kid), INVALID, "runtime.key.kid");
    REQUIRE(text_is(use, row->use), INVALID, "runtime.key.use");
    scoped_key key = {0};
    TRY(key_from_jwk(jwk, &key));
    REQUIRE(key.kind == row->kind, INVALID, "runtime.key.kind");
    key_move(&key, out);
    return OK;
}

static fallible read_digest(const json_t *object, const char *name, struct digest *out)
{
    struct text text;
    TRY(json_get_text(object, name, &text));
    return result_at(digest_from_text(text, out), name);
}

static fallible read_run(struct arena *arena, const json_t *object, const json_t *keys,
                         struct runtime_data *out)
{
    static const char *const members[] = {"purpose", "contract", "run_request", "nonce", "keys", NULL};
    TRY(json_only(arena, object, members));
    TRY(read_digest(object, "contract", &out->contract));
    TRY(read_digest(object, "run_request", &out->run_request));
    REQUIRE(json_array_size(keys) == 2, INVALID, "runtime.key.count");
    TRY(read_key(arena, keys, 0, &wrap_row, &out->encryption_key));
    TRY(read_key(arena, keys, 1, &receipt_row, &out->receipt_key));
    out->purpose = RUNTIME_RUN;
    return OK;
}

static fallible read_instance(struct arena *arena, const json_t *object, const json_t *keys,
                              struct runtime_data *out)
{
    static const char *const members[] = {"purpose", "nonce", "keys", NULL};
    TRY(json_only(arena, object, members));
    REQUIRE(json_array_size(keys) == 1, INVALID, "runtime.key.count");
    TRY(read_key(arena, keys, 0, &instance_row, &out->encryption_key));
    out->purpose = RUNTIME_INSTANCE;
    return OK;
}

fallible runtime_data_parse(struct arena *arena, struct bytes untrusted_bytes, struct runtime_data *out)
{
    REQUIRE(untrusted_bytes.size <= RUNTIME_DATA_SIZE_MAX, LIMIT, "runtime.size");
    scoped_json *object = NULL;
    TRY(json_decode(untrusted_bytes, &object));
    scoped_runtime_data data = {0};
    struct text purpose;
    struct bytes nonce;
    json_t *keys;
    TRY(json_get_text(object, "purpose", &purpose));
    TRY(json_get_base64url(arena, object, "nonce", &nonce));
    REQUIRE(nonce.size == RUNTIME_NONCE_BYTES, INVALID, "runtime.nonce");
    memcpy(data.nonce, nonce.data, nonce.size);
    TRY(json_get_array(object, "keys", &keys));
    if (text_is(purpose, "run")) {
        TRY(read_run(arena, object, keys, &data));
    } else {
        REQUIRE(text_is(purpose, "instance"), INVALID, "runtime.purpose");
        TRY(read_instance(arena, object, keys, &data));
    }
    struct text canonical;
    TRY(json_encode_text(arena, object, &canonical));
    REQUIRE(bytes_equal(bytes_of_text(canonical), untrusted_bytes), INVALID, "runtime.not_canonical");
    *out = data;
    data = (struct runtime_data){0};
    return OK;
}

void runtime_data_bind(struct bytes runtime_data, uint8_t out[static RUNTIME_REPORT_DATA_BYTES])
{
    struct digest digest = digest_of(runtime_data);
    memset(out, 0, RUNTIME_REPORT_DATA_BYTES);
    memcpy(out, digest.octets, DIGEST_BYTES);
}

static bool is_for_encryption(const json_t *jwk)
{
    const json_t *operation;
    size_t index;
    const json_t *operations = json_object_get(jwk, "key_ops");
    json_array_foreach (operations, index, operation) {
        if (json_is_string(operation) && strcmp(json_string_value(operation), "encrypt") == 0) {
            return true;
        }
    }
    const json_t *use = json_object_get(jwk, "use");
    return json_is_string(use) && strcmp(json_string_value(use), "enc") == 0;
}

fallible runtime_wrapping_key(const json_t *untrusted_runtime, struct key *out, struct text *out_kid)
{
    json_t *keys;
    TRY(json_get_array(untrusted_runtime, "keys", &keys));
    const json_t *jwk, *found = NULL;
    size_t index;
    json_array_foreach (keys, index, jwk) {
        if (is_for_encryption(jwk)) {
            REQUIRE(found == NULL, INVALID, "runtime.key.several");
            found = jwk;
        }
    }
    REQUIRE(found != NULL, INVALID, "runtime.key.none");
    scoped_key key = {0};
    TRY(key_from_jwk(found, &key));
    REQUIRE(key.kind == KEY_RSA && key_rsa_bits(&key) >= KEY_RSA_BITS_MIN, INVALID, "runtime.key.kind");
    struct text kid = {0};
    if (json_has(found, "kid")) {
        TRY(json_get_text(found, "kid", &kid));
    }
    key_move(&key, out);
    *out_kid = kid;
    return OK;
}
