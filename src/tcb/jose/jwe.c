#include "jose/jwe.h"

#include "base/encode.h"
#include "crypto/aead.h"
#include "jose/compact.h"
#include "jose/jws.h"

static const char algorithm[] = "ECDH-ES+A256KW";

/* RFC 7518 §4.6.2: AlgorithmID, empty PartyUInfo and PartyVInfo, SuppPubInfo = 256 bits. */
static fallible derive_kek(const struct key *private_key, const struct key *public_key, struct secret *out)
{
    static const char other_info[] = "\0\0\0\16"
                                     "ECDH-ES+A256KW"
                                     "\0\0\0\0"
                                     "\0\0\0\0"
                                     "\0\0\1\0";
    scoped_secret shared = {0};
    TRY(key_agree(private_key, public_key, &shared));
    struct bytes info = {(const uint8_t *)other_info, sizeof other_info - 1};
    return digest_concat_kdf(&shared, info, AEAD_KEY_BYTES, out);
}

/* --- writing ------------------------------------------------------------------------------------- */

static fallible make_recipient(struct arena *arena, const struct key *recipient,
                               const struct secret *content_key, json_t *entries)
{
    scoped_key ephemeral = {0};
    TRY(key_generate(KEY_EC_P256, 0, &ephemeral));
    scoped_secret kek = {0};
    TRY(derive_kek(&ephemeral, recipient, &kek));
    scoped_buffer wrapped;
    buffer_init(&wrapped, 256);
    TRY(keywrap_seal(&kek, content_key, &wrapped));
    struct text kid;
    TRY(jws_kid(arena, recipient, &kid));
    json_t *epk;
    TRY(key_to_jwk(&ephemeral, &epk));
    json_t *entry =
        json_pack("{s:{s:s,s:o,s:s%}}", "header", "alg", algorithm, "epk", epk, "kid", TEXT_SIZED(kid));
    TRY(json_add(entries, entry));
    return json_set_base64url(entry, "encrypted_key", buffer_view(&wrapped));
}

static fallible make_recipients(struct arena *arena, const struct key recipients[], size_t count,
                                const struct secret *content_key, json_t *entries)
{
    struct digest seen[JWE_RECIPIENTS_MAX];
    for (size_t i = 0; i < count; i++) {
        REQUIRE(recipients[i].kind == KEY_EC_P256, INVALID, "jwe.recipients");
        TRY(key_thumbprint(&recipients[i], &seen[i]));
        for (size_t before = 0; before < i; before++) {
            REQUIRE(!digest_equal(&seen[before], &seen[i]), INVALID, "jwe.recipients");
        }
        TRY(make_recipient(arena, &recipients[i], content_key, entries));
    }
    return OK;
}

/* Encrypts and sets protected, iv, ciphertext and tag. */
static fallible make_content(struct arena *arena, const struct world *world, const char *typ,
                             struct bytes plaintext, const struct secret *content_key, json_t *document)
{
    struct text protected_text;
    scoped_json *header = json_pack("{s:s,s:s}", "enc", "A256GCM", "typ", typ);
    REQUIRE(header != NULL, NO_MEMORY, "json.memory");
    TRY(jose_encode(arena, header, &protected_text));
    uint8_t nonce[AEAD_NONCE_BYTES];
    TRY(world_random(world, nonce, sizeof nonce));
    scoped_buffer sealed;
    buffer_init(&sealed, JSON_SIZE_MAX);
    uint8_t *at;
    TRY(buffer_extend(&sealed, plaintext.size + AEAD_TAG_BYTES, &at));
    scoped_aead aead = {0};
    TRY(aead_open_for_sealing(content_key, &aead));
    TRY(aead_seal(&aead, nonce, bytes_of_text(protected_text), plaintext, at));
    struct bytes view = buffer_view(&sealed);
    TRY(json_set_text(document, "protected", protected_text));
    TRY(json_set_base64url(document, "iv", BYTES_OF(nonce)));
    TRY(json_set_base64url(document, "ciphertext", bytes_slice(view, 0, plaintext.size)));
    return json_set_base64url(document, "tag", bytes_slice(view, plaintext.size, AEAD_TAG_BYTES));
}

fallible jwe_encrypt(const struct world *world, const char *typ, struct bytes plaintext,
                     const struct key recipients[], size_t recipient_count, struct buffer *out)
{
    REQUIRE(recipient_count > 0 && recipient_count <= JWE_RECIPIENTS_MAX, INVALID, "jwe.recipients");
    REQUIRE(plaintext.size <= JWE_PLAINTEXT_MAX, LIMIT, "jwe.size");
    scoped_arena arena;
    arena_init(&arena, 64 * 1024);
    scoped_secret content_key = {0};
    TRY(secret_random(world, AEAD_KEY_BYTES, &content_key));
    scoped_json *entries = json_array();
    TRY(make_recipients(&arena, recipients, recipient_count, &content_key, entries));
    scoped_json *document = json_object();
    TRY(make_content(&arena, world, typ, plaintext, &content_key, document));
    TRY(json_set(document, "recipients", json_incref(entries)));
    return json_encode(document, out);
}

/* --- reading ------------------------------------------------------------------------------------- */

struct recipient {
    struct text kid;
    json_t *epk; /* borrowed from the document */
    struct bytes wrapped_key;
};

struct document {
    json_t *tree;
    struct text protected_text;
    struct text typ;
    struct recipient recipients[JWE_RECIPIENTS_MAX];
    size_t recipient_count;
};

static void document_release(struct document *document)
{
    json_decref(document->tree);
}
#define scoped_document defer(document_release) struct document

static fallible parse_recipient(struct arena *arena, const json_t *entry, struct recipient *out)
{
    static const char *const members[] = {"header", "encrypted_key", NULL};
    static const char *const header_members[] = {"alg", "epk", "kid", NULL};
    static const char *const epk_members[] = {"kty", "crv", "x", "y", NULL};
    TRY(json_only(arena, entry, members));
    json_t *header;
    TRY(json_get_object(entry, "header", &header));
    TRY(json_only(arena, header, header_members));
    struct text said;
    TRY(json_get_text(header, "alg", &said));
    REQUIRE(text_is(said, algorithm), INVALID, "jwe.alg");
    TRY(json_get_object(header, "epk", &out->epk));
    TRY(json_only(arena, out->epk, epk_members));
    struct bytes kid;
    TRY(json_get_base64url(arena, header, "kid", &kid));
    REQUIRE(kid.size == DIGEST_BYTES, INVALID, "jwe.kid");
    TRY(json_get_text(header, "kid", &out->kid));
    TRY(json_get_base64url(arena, entry, "encrypted_key", &out->wrapped_key));
    REQUIRE(out->wrapped_key.size == AEAD_KEY_BYTES + 8, INVALID, "jwe.encrypted_key.size");
    return OK;
}

static fallible parse_recipients(struct arena *arena, struct document *document)
{
    json_t *entries;
    TRY(json_get_array(document->tree, "recipients", &entries));
    size_t count = json_array_size(entries);
    REQUIRE(count > 0, INVALID, "jwe.recipients");
    REQUIRE(count <= JWE_RECIPIENTS_MAX, LIMIT, "jwe.recipients.count");
    for (size_t i = 0; i < count; i++) {
        struct recipient *recipient = &document->recipients[i];
        TRY(parse_recipient(arena, json_array_get(entries, i), recipient));
        for (size_t before = 0; before < i; before++) {
            REQUIRE(!text_equal(document->recipients[before].kid, recipient->kid), INVALID, "jwe.kid.twice");
        }
    }
    document->recipient_count = count;
    return OK;
}

static fallible parse_protected(struct arena *arena, struct document *document)
{
    static const char *const members[] = {"enc", "typ", NULL};
    TRY(json_get_text(document->tree, "protected", &document->protected_text));
    scoped_json *header = NULL;
    TRY(jose_object(arena, document->protected_text, "protected", &header));
    TRY(json_only(arena, header, members));
    struct text encryption;
    TRY(json_get_text(header, "enc", &encryption));
    REQUIRE(text_is(encryption, "A256GCM"), INVALID, "jwe.enc");
    struct text typ;
    TRY(json_get_text(header, "typ", &typ));
    return arena_copy_text(arena, typ, &document->typ);
}

/* Fills `out`, which the caller releases also on failure. */
static fallible parse(struct arena *arena, struct bytes untrusted_document, struct document *out)
{
    static const char *const members[] = {"protected", "recipients", "iv", "ciphertext", "tag", NULL};
    REQUIRE(untrusted_document.size <= JSON_SIZE_MAX, LIMIT, "jwe.size");
    TRY(json_decode(untrusted_document, &out->tree));
    TRY(json_only(arena, out->tree, members));
    TRY(parse_protected(arena, out));
    return parse_recipients(arena, out);
}

fallible jwe_recipients(struct arena *arena, struct bytes untrusted_document,
                        struct text out[JWE_RECIPIENTS_MAX], size_t *out_count)
{
    scoped_document document = {0};
    TRY(parse(arena, untrusted_document, &document));
    struct text kids[JWE_RECIPIENTS_MAX];
    for (size_t i = 0; i < document.recipient_count; i++) {
        TRY(arena_copy_text(arena, document.recipients[i].kid, &kids[i]));
    }
    memcpy(out, kids, document.recipient_count * sizeof *kids);
    *out_count = document.recipient_count;
    return OK;
}

static fallible find_recipient(struct arena *arena, const struct document *document, const struct key *key,
                               const struct recipient **out)
{
    struct text kid;
    TRY(jws_kid(arena, key, &kid));
    for (size_t i = 0; i < document->recipient_count; i++) {
        if (text_equal(document->recipients[i].kid, kid)) {
            *out = &document->recipients[i];
            return OK;
        }
    }
    return FAIL(DENIED, "jwe.not_a_recipient");
}

static fallible unwrap_content_key(const struct recipient *recipient, const struct key *private_key,
                                   struct secret *out)
{
    scoped_key ephemeral = {0};
    TRY(key_from_jwk(recipient->epk, &ephemeral));
    REQUIRE(ephemeral.kind == KEY_EC_P256, INVALID, "jwe.epk");
    scoped_secret kek = {0};
    TRY(derive_kek(private_key, &ephemeral, &kek));
    struct result result = keywrap_open(&kek, recipient->wrapped_key, out);
    REQUIRE(result.code != RESULT_UNTRUSTED, UNTRUSTED, "jwe.content");
    return result;
}

static fallible open_content(struct arena *arena, const struct document *document,
                             const struct secret *content_key, struct buffer *out)
{
    struct bytes nonce;
    struct bytes tag;
    struct bytes ciphertext;
    TRY(json_get_base64url(arena, document->tree, "iv", &nonce));
    TRY(json_get_base64url(arena, document->tree, "tag", &tag));
    REQUIRE(nonce.size == AEAD_NONCE_BYTES, INVALID, "jwe.iv.size");
    REQUIRE(tag.size == AEAD_TAG_BYTES, INVALID, "jwe.tag.size");
    TRY(json_get_base64url(arena, document->tree, "ciphertext", &ciphertext));
    /* Opened in the buffer itself: ciphertext and tag first, then the plaintext over them. */
    size_t before = out->size;
    uint8_t *at;
    TRY(buffer_extend(out, ciphertext.size + AEAD_TAG_BYTES, &at));
    if (ciphertext.size > 0) {
        memcpy(at, ciphertext.data, ciphertext.size);
    }
    memcpy(at + ciphertext.size, tag.data, AEAD_TAG_BYTES);
    scoped_aead aead = {0};
    struct result result = aead_open_for_opening(content_key, &aead);
    if (result_is_ok(result)) {
        struct bytes sealed = {at, ciphertext.size + AEAD_TAG_BYTES};
        result = aead_open(&aead, nonce.data, bytes_of_text(document->protected_text), sealed, at);
    }
    out->size = result_is_ok(result) ? before + ciphertext.size : before;
    REQUIRE(result.code != RESULT_UNTRUSTED, UNTRUSTED, "jwe.content");
    return result;
}

fallible jwe_decrypt(struct arena *arena, struct bytes untrusted_document, const char *typ,
                     const struct key *private_key, struct buffer *out)
{
    scoped_document document = {0};
    TRY(parse(arena, untrusted_document, &document));
    REQUIRE(text_is(document.typ, typ), INVALID, "jwe.typ");
    const struct recipient *recipient;
    TRY(find_recipient(arena, &document, private_key, &recipient));
    scoped_secret content_key = {0};
    TRY(unwrap_content_key(recipient, private_key, &content_key));
    return open_content(arena, &document, &content_key, out);
}
