/* Handlers: wrapKey, unwrapKey, sign. */
#include "base/encode.h"
#include "service/vault/record.h"
#include "service/vault/request.h"

struct use {
    struct request_use request;
    struct key_record record;
    struct key key;
};

static void use_release(struct use *use)
{
    /* The value may be a key that is being wrapped; its decoded copy lies in the request's arena. */
    wipe((void *)(uintptr_t)use->request.value.data, use->request.value.size);
    key_record_release(&use->record);
    key_release(&use->key);
}

static fallible read_use(struct http_request *request, struct request_use *out)
{
    scoped_json *body = NULL;
    TRY(http_body_json(request, &body));
    struct request_use use;
    struct result result = request_use_read(request->arena, body, &use);
    const json_t *value = json_object_get(body, "value");
    if (json_is_string(value)) {
        wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
    TRY(result);
    TRY(arena_copy_text(request->arena, use.algorithm, &use.algorithm));
    *out = use;
    return OK;
}

static fallible begin_use(struct vault *vault, struct http_request *request, const char *operation,
                          bool in_time, struct use *out)
{
    scoped_state_transaction transaction = {0};
    scoped_secret material = {0};
    struct text name = request->captures.rows[0];
    struct text version = request->captures.rows[1];
    REQUIRE(request_name_is_valid(name), INVALID, "vault.key.name");
    TRY(read_use(request, &out->request));
    TRY(state_begin(vault->state, &transaction));
    TRY(key_record_load(&transaction, request->arena, name, version, &out->record));
    TRY(key_record_check_usable(&out->record, in_time, world_now(vault->world)));
    TRY(key_record_check_operation(&out->record, operation));
    TRY(key_record_material(&transaction, request->arena, &out->record, &material));
    return key_from_pkcs8(&material, &out->key);
}

/* {"kid","value"}. The value may be an unwrapped key: every copy that this file makes is overwritten. */
static fallible reply_value(struct vault *vault, struct http_request *request, struct http_reply *reply,
                            const struct use *use, struct bytes value)
{
    struct text kid;
    struct text encoded;
    struct text body;
    TRY(key_record_kid(vault, request->arena, &use->record, &kid));
    TRY(encode_base64url(request->arena, value, &encoded));
    struct result result = arena_printf(request->arena, &body, "{\"kid\":\"%.*s\",\"value\":\"%.*s\"}",
                                        TEXT_ARGS(kid), TEXT_ARGS(encoded));
    wipe((void *)(uintptr_t)encoded.data, encoded.size);
    TRY(result);
    TRY(vault_headers(request, reply));
    reply->wipe_body = true;
    return reply_bytes(request, reply, 200, "application/json; charset=utf-8", bytes_of_text(body));
}

static fallible oaep_of(const struct use *use, enum key_oaep *out)
{
    REQUIRE(use->key.kind == KEY_RSA, INVALID, "vault.algorithm.key_kind");
    if (text_is(use->request.algorithm, "RSA-OAEP")) {
        *out = KEY_OAEP_SHA1;
        return OK;
    }
    REQUIRE(text_is(use->request.algorithm, "RSA-OAEP-256"), UNSUPPORTED, "vault.algorithm.unsupported");
    *out = KEY_OAEP_SHA256;
    return OK;
}

fallible vault_key_wrap(void *self, struct http_request *request, struct http_reply *reply)
{
    defer(use_release) struct use use = {0};
    scoped_secret plaintext = {0};
    scoped_buffer wrapped;
    enum key_oaep oaep;
    buffer_init(&wrapped, KEY_SIGNATURE_BYTES_MAX);
    TRY(begin_use(self, request, "wrapKey", true, &use));
    TRY(oaep_of(&use, &oaep));
    TRY(secret_from(use.request.value, &plaintext));
    TRY(key_oaep_encrypt(&use.key, oaep, &plaintext, &wrapped));
    return reply_value(self, request, reply, &use, buffer_view(&wrapped));
}

/* Like Azure, an expired key still unwraps for its owner: what it wrapped must stay readable. */
fallible vault_key_unwrap(void *self, struct http_request *request, struct http_reply *reply)
{
    defer(use_release) struct use use = {0};
    scoped_secret plaintext = {0};
    enum key_oaep oaep;
    TRY(begin_use(self, request, "unwrapKey", false, &use));
    TRY(oaep_of(&use, &oaep));
    struct result result = key_oaep_decrypt(&use.key, oaep, use.request.value, &plaintext);
    REQUIRE(result_is_ok(result), INVALID, "vault.unwrap");
    return reply_value(self, request, reply, &use, secret_view(&plaintext));
}

static fallible signature_algorithm(const struct use *use, enum key_algorithm *out)
{
    static const struct {
        const char *name;
        enum key_algorithm algorithm;
        enum key_kind kind;
    } rows[] = {
        {"ES256", KEY_ES256, KEY_EC_P256},
        {"RS256", KEY_RS256, KEY_RSA},
        {"PS256", KEY_PS256, KEY_RSA},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (text_is(use->request.algorithm, rows[i].name)) {
            REQUIRE(use->key.kind == rows[i].kind, INVALID, "vault.algorithm.key_kind");
            *out = rows[i].algorithm;
            return OK;
        }
    }
    return FAIL(UNSUPPORTED, "vault.algorithm.unsupported");
}

fallible vault_key_sign(void *self, struct http_request *request, struct http_reply *reply)
{
    defer(use_release) struct use use = {0};
    enum key_algorithm algorithm;
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    TRY(begin_use(self, request, "sign", true, &use));
    TRY(signature_algorithm(&use, &algorithm));
    REQUIRE(use.request.value.size == DIGEST_BYTES, INVALID, "vault.sign.digest_size");
    TRY(key_sign_digest(&use.key, algorithm, use.request.value, signature, &size));
    return reply_value(self, request, reply, &use, (struct bytes){signature, size});
}
