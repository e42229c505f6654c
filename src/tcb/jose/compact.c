#include "jose/compact.h"

#include "base/encode.h"

fallible jose_object(struct arena *arena, struct text untrusted_text, const char *name, json_t **out)
{
    struct bytes octets;
    struct result result = decode_base64url(arena, untrusted_text, &octets);
    scoped_json *value = NULL;
    if (result_is_ok(result)) {
        result = json_decode(octets, &value);
    }
    if (result_is_ok(result) && !json_is_object(value)) {
        result = FAIL(INVALID, "json.not_object");
    }
    if (!result_is_ok(result)) {
        result.where = name;
        return result;
    }
    *out = json_incref(value);
    return OK;
}

fallible jose_encode(struct arena *arena, const json_t *value, struct text *out)
{
    scoped_buffer text;
    buffer_init(&text, JSON_SIZE_MAX);
    TRY(json_encode(value, &text));
    return encode_base64url(arena, buffer_view(&text), out);
}

fallible jose_signing_digest(struct text left, struct text right, struct digest *out)
{
    scoped_hasher hasher = {0};
    TRY(hasher_init(&hasher));
    TRY(hasher_add(&hasher, bytes_of_text(left)));
    TRY(hasher_add(&hasher, bytes_of_text(TEXT("."))));
    TRY(hasher_add(&hasher, bytes_of_text(right)));
    return hasher_finish(&hasher, out);
}
