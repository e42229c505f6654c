#include "jose/jws.h"

#include "base/encode.h"
#include "jose/compact.h"

enum { HEADER_MEMBERS_MAX = 16, SIGNATURE_BYTES = 64 };

/* Members that would let a message choose the key or the rules by which it is judged. */
static const char *const forbidden[] = {"jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256", "crit", "b64", NULL};

void jws_release(struct jws *jws)
{
    for (size_t i = 0; i < jws->signature_count; i++) {
        json_decref(jws->signatures[i].header);
    }
    json_decref(jws->content);
    json_decref(jws->document);
    *jws = (struct jws){0};
}

/* --- reading ------------------------------------------------------------------------------------- */

static fallible refuse_forbidden(const json_t *header)
{
    for (size_t i = 0; forbidden[i] != NULL; i++) {
        REQUIRE_AT(!json_has(header, forbidden[i]), INVALID, "jws.header.forbidden", forbidden[i]);
    }
    return OK;
}

static fallible check_header_members(struct arena *arena, const json_t *header,
                                     const char *const header_members[])
{
    TRY(refuse_forbidden(header));
    const char *names[HEADER_MEMBERS_MAX + 4] = {"alg", "kid", "typ"};
    for (size_t i = 0; header_members != NULL && header_members[i] != NULL; i++) {
        ASSERT(i < HEADER_MEMBERS_MAX);
        names[3 + i] = header_members[i];
    }
    return json_only(arena, header, names);
}

static fallible check_kid(struct arena *arena, const json_t *header, struct text *out)
{
    struct bytes octets;
    TRY(json_get_base64url(arena, header, "kid", &octets));
    REQUIRE_AT(octets.size == DIGEST_BYTES, INVALID, "jws.kid", "kid");
    return json_get_text(header, "kid", out);
}

/* Fills `out`, which the caller releases also on failure. */
static fallible parse_signature(struct arena *arena, const json_t *entry, const char *typ,
                                const char *const header_members[], struct jws_signature *out)
{
    static const char *const members[] = {"protected", "signature", NULL};
    TRY(json_only(arena, entry, members));
    TRY(json_get_text(entry, "protected", &out->protected_text));
    TRY(jose_object(arena, out->protected_text, "protected", &out->header));
    TRY(check_header_members(arena, out->header, header_members));
    struct text algorithm;
    TRY(json_get_text(out->header, "alg", &algorithm));
    REQUIRE(text_is(algorithm, "ES256"), INVALID, "jws.alg");
    TRY(json_get_text(out->header, "typ", &out->typ));
    REQUIRE(text_is(out->typ, typ), INVALID, "jws.typ");
    TRY(check_kid(arena, out->header, &out->kid));
    TRY(json_get_base64url(arena, entry, "signature", &out->signature));
    REQUIRE(out->signature.size == SIGNATURE_BYTES, INVALID, "jws.signature.size");
    return OK;
}

static fallible parse_signatures(struct arena *arena, const char *typ, const char *const header_members[],
                                 struct jws *jws)
{
    json_t *entries;
    TRY(json_get_array(jws->document, "signatures", &entries));
    size_t count = json_array_size(entries);
    REQUIRE(count > 0, INVALID, "jws.signatures.none");
    REQUIRE(count <= JWS_SIGNATURES_MAX, LIMIT, "jws.signatures.count");
    for (size_t i = 0; i < count; i++) {
        struct jws_signature *signature = &jws->signatures[i];
        jws->signature_count = i + 1;
        TRY(parse_signature(arena, json_array_get(entries, i), typ, header_members, signature));
        for (size_t before = 0; before < i; before++) {
            REQUIRE(!text_equal(jws->signatures[before].kid, signature->kid), INVALID, "jws.kid.twice");
        }
    }
    return OK;
}

fallible jws_parse(struct arena *arena, struct bytes untrusted_bytes, const char *typ,
                   const char *const header_members[], struct jws *out)
{
    static const char *const members[] = {"payload", "signatures", NULL};
    REQUIRE(untrusted_bytes.size <= JWS_SIZE_MAX, LIMIT, "jws.size");
    scoped_jws jws = {0};
    TRY(json_decode(untrusted_bytes, &jws.document));
    TRY(json_only(arena, jws.document, members));
    TRY(json_get_text(jws.document, "payload", &jws.payload_text));
    TRY(json_get_base64url(arena, jws.document, "payload", &jws.payload));
    TRY(jose_object(arena, jws.payload_text, "payload", &jws.content));
    TRY(parse_signatures(arena, typ, header_members, &jws));
    jws.digest = digest_of(jws.payload);
    *out = jws;
    jws = (struct jws){0};
    return OK;
}

fallible jws_verify(const struct jws *jws, size_t index, const struct key *key)
{
    REQUIRE(index < jws->signature_count, INVALID, "jws.index");
    const struct jws_signature *signature = &jws->signatures[index];
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text kid;
    TRY(jws_kid(&arena, key, &kid));
    REQUIRE(text_equal(kid, signature->kid), UNTRUSTED, "jws.signature");
    struct digest digest;
    TRY(jose_signing_digest(signature->protected_text, jws->payload_text, &digest));
    struct result result = key_verify_digest(key, KEY_ES256, digest_view(&digest), signature->signature);
    /* A malleated signature keeps its own name: it says that somebody who had a good one changed it. */
    bool high = strcmp(result.why, "key.signature.high_s") == 0;
    REQUIRE(result_is_ok(result) || high, UNTRUSTED, "jws.signature");
    return result;
}

fallible jws_find(const struct jws *jws, const struct key *key, size_t *out_index)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text kid;
    TRY(jws_kid(&arena, key, &kid));
    for (size_t i = 0; i < jws->signature_count; i++) {
        if (text_equal(jws->signatures[i].kid, kid)) {
            *out_index = i;
            return OK;
        }
    }
    return FAIL(NOT_FOUND, "jws.no_signature_by_key");
}

/* --- writing ------------------------------------------------------------------------------------- */

fallible jws_kid(struct arena *arena, const struct key *key, struct text *out)
{
    struct digest thumbprint;
    TRY(key_thumbprint(key, &thumbprint));
    return encode_base64url(arena, digest_view(&thumbprint), out);
}

static fallible make_header(struct arena *arena, const char *typ, const json_t *further,
                            const struct key *key, struct text *out)
{
    scoped_json *header = further == NULL ? json_object() : json_copy((json_t *)(uintptr_t)further);
    REQUIRE(header != NULL, NO_MEMORY, "json.memory");
    REQUIRE(json_is_object(header), INVALID, "jws.header.reserved");
    bool reserved = json_has(header, "alg") || json_has(header, "kid") || json_has(header, "typ") ||
                    !result_is_ok(refuse_forbidden(header));
    REQUIRE(!reserved, INVALID, "jws.header.reserved");
    struct text kid;
    TRY(jws_kid(arena, key, &kid));
    TRY(json_set_text(header, "alg", TEXT("ES256")));
    TRY(json_set_text(header, "kid", kid));
    TRY(json_set_text(header, "typ", text_of(typ)));
    return jose_encode(arena, header, out);
}

/* One entry of `signatures`, appended to the array. */
static fallible add_entry(struct arena *arena, json_t *entries, struct text payload_text, const char *typ,
                          const json_t *header, const struct key *key)
{
    struct text protected_text;
    TRY(make_header(arena, typ, header, key, &protected_text));
    struct digest digest;
    TRY(jose_signing_digest(protected_text, payload_text, &digest));
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    TRY(key_sign_digest(key, KEY_ES256, digest_view(&digest), signature, &size));
    scoped_json *entry = json_object();
    TRY(json_set_text(entry, "protected", protected_text));
    TRY(json_set_base64url(entry, "signature", (struct bytes){signature, size}));
    return json_add(entries, json_incref(entry));
}

static fallible write_document(struct text payload_text, json_t *entries, struct buffer *out)
{
    scoped_json *document = json_object();
    TRY(json_set_text(document, "payload", payload_text));
    TRY(json_set(document, "signatures", json_incref(entries)));
    return json_encode(document, out);
}

fallible jws_sign(const json_t *payload, const char *typ, const json_t *header, const struct key *key,
                  struct buffer *out)
{
    REQUIRE(json_is_object(payload), INVALID, "jws.payload.not_object");
    scoped_arena arena;
    arena_init(&arena, (size_t)2 * JWS_SIZE_MAX);
    struct text payload_text;
    TRY(jose_encode(&arena, payload, &payload_text));
    REQUIRE(payload_text.size <= JWS_SIZE_MAX - 64 * 1024, LIMIT, "jws.size");
    scoped_json *entries = json_array();
    TRY(add_entry(&arena, entries, payload_text, typ, header, key));
    return write_document(payload_text, entries, out);
}

fallible jws_add_signature(struct arena *arena, const struct jws *jws, const char *typ, const json_t *header,
                           const struct key *key, struct buffer *out)
{
    size_t index;
    struct result found = jws_find(jws, key, &index);
    REQUIRE(!result_is_ok(found), CONFLICT, "jws.signed_already");
    if (found.code != RESULT_NOT_FOUND) {
        return found;
    }
    REQUIRE(jws->signature_count > 0 && text_is(jws->signatures[0].typ, typ), INVALID, "jws.typ");
    REQUIRE(jws->signature_count < JWS_SIGNATURES_MAX, LIMIT, "jws.signatures.count");
    json_t *before;
    TRY(json_get_array(jws->document, "signatures", &before));
    scoped_json *entries = json_copy(before);
    REQUIRE(entries != NULL, NO_MEMORY, "json.memory");
    TRY(add_entry(arena, entries, jws->payload_text, typ, header, key));
    return write_document(jws->payload_text, entries, out);
}
