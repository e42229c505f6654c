/* privacy/document_test_envelope.h: a payload in an envelope whose signature is nonsense, for fuzz targets.
 *
 * Parsers look at the form before anybody looks at signatures, so a fuzz target works on payloads: they are
 * made canonical and wrapped here. Input that is an envelope already is taken as it is. */
#pragma once

#include "base/encode.h"
#include "privacy/document.h"

/* False where the input is no JSON object. */
static inline bool envelope_of(struct arena *arena, struct bytes input, const char *typ, const char *further,
                               struct bytes *out)
{
    scoped_json *content = NULL;
    struct text canonical;
    struct text payload;
    struct text header;
    struct text protected_text;
    struct text document;
    static const uint8_t octets[64];
    struct text kid;
    struct text signature;
    if (!result_is_ok(json_decode(input, &content)) || !json_is_object(content)) {
        return false;
    }
    if (json_has(content, "signatures")) {
        *out = input;
        return true;
    }
    if (!result_is_ok(json_encode_text(arena, content, &canonical)) ||
        !result_is_ok(encode_base64url(arena, bytes_of_text(canonical), &payload)) ||
        !result_is_ok(encode_base64url(arena, (struct bytes){octets, 32}, &kid)) ||
        !result_is_ok(encode_base64url(arena, (struct bytes){octets, 64}, &signature)) ||
        !result_is_ok(arena_printf(arena, &header, "{\"alg\":\"ES256\",\"kid\":\"%.*s\",\"typ\":\"%s\"%s}",
                                   TEXT_ARGS(kid), typ, further)) ||
        !result_is_ok(encode_base64url(arena, bytes_of_text(header), &protected_text)) ||
        !result_is_ok(arena_printf(
            arena, &document,
            "{\"payload\":\"%.*s\",\"signatures\":[{\"protected\":\"%.*s\",\"signature\":\"%.*s\"}]}",
            TEXT_ARGS(payload), TEXT_ARGS(protected_text), TEXT_ARGS(signature)))) {
        return false;
    }
    *out = bytes_of_text(document);
    return true;
}

/* What was parsed, built again, must be the payload that was parsed. */
static inline void assert_built(struct arena *arena, const struct jws *document, struct result built,
                                json_t *payload)
{
    struct text canonical;
    ASSERT(result_is_ok(built));
    ASSERT(result_is_ok(json_encode_text(arena, payload, &canonical)));
    ASSERT(bytes_equal(bytes_of_text(canonical), document->payload));
    json_decref(payload);
}
