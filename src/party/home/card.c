#include "party/home/card.h"

#include "jose/jws.h"

static const char card_typ[] = "truce-party+jws";

void card_release(struct card *card)
{
    key_release(&card->signing);
    key_release(&card->result);
}

static fallible set_key(json_t *payload, const char *name, const struct key *key)
{
    json_t *jwk = NULL;
    TRY(key_to_jwk(key, &jwk));
    return json_set(payload, name, jwk);
}

static fallible make_payload(struct arena *arena, const struct world *world, struct text name,
                             const struct key *signing, const struct key *result, const struct key *previous,
                             json_t *payload)
{
    TRY(json_set_text(payload, "type", TEXT("party/1")));
    TRY(json_set_text(payload, "name", name));
    TRY(set_key(payload, "signing", signing));
    TRY(set_key(payload, "result", result));
    TRY(json_set_time(payload, "created", world_now(world)));
    if (previous != NULL) {
        struct digest thumbprint;
        struct text text;
        TRY(key_thumbprint(previous, &thumbprint));
        TRY(digest_to_text(arena, &thumbprint, &text));
        TRY(json_set_text(payload, "previous", text));
    }
    return OK;
}

fallible card_make(const struct world *world, struct text name, const struct key *signing, const struct key *result,
                   const struct key *previous, struct buffer *out)
{
    REQUIRE(text_is_name(name), INVALID, "card.name");
    scoped_arena arena;
    arena_init(&arena, 256 * 1024);
    scoped_json *payload = json_object();
    TRY(make_payload(&arena, world, name, signing, result, previous, payload));
    if (previous == NULL) {
        return jws_sign(payload, card_typ, NULL, signing, out);
    }
    scoped_buffer once;
    buffer_init(&once, JWS_SIZE_MAX);
    TRY(jws_sign(payload, card_typ, NULL, signing, &once));
    scoped_jws jws = {0};
    TRY(jws_parse(&arena, buffer_view(&once), card_typ, NULL, &jws));
    return jws_add_signature(&arena, &jws, card_typ, NULL, previous, out);
}

static fallible read_key(const json_t *payload, const char *name, struct key *out)
{
    json_t *jwk;
    TRY(json_get_object(payload, name, &jwk));
    scoped_key key = {0};
    TRY(key_from_jwk(jwk, &key));
    if (key.kind != KEY_EC_P256) {
        return FAIL_AT(INVALID, "card.key.kind", name);
    }
    key_move(&key, out);
    return OK;
}

static fallible read_payload(struct arena *arena, const json_t *payload, struct card *card)
{
    static const char *const members[] = {"type", "name", "signing", "result", "created", "previous", NULL};
    struct text type;
    TRY(json_only(arena, payload, members));
    TRY(json_get_text(payload, "type", &type));
    REQUIRE(text_is(type, "party/1"), INVALID, "card.type");
    struct text name;
    TRY(json_get_text(payload, "name", &name));
    REQUIRE(text_is_name(name), INVALID, "card.name");
    TRY(arena_copy_text(arena, name, &card->name));
    TRY(json_get_time(payload, "created", &card->created));
    card->has_previous = json_has(payload, "previous");
    if (card->has_previous) {
        struct text previous;
        TRY(json_get_text(payload, "previous", &previous));
        TRY(digest_from_text(previous, &card->previous));
    }
    TRY(read_key(payload, "signing", &card->signing));
    return read_key(payload, "result", &card->result);
}

fallible card_read(struct arena *arena, struct bytes untrusted_document, struct card *out)
{
    scoped_jws jws = {0};
    scoped_card card = {0};
    TRY(jws_parse(arena, untrusted_document, card_typ, NULL, &jws));
    TRY(read_payload(arena, jws.content, &card));
    size_t index;
    TRY(jws_find(&jws, &card.signing, &index));
    TRY(jws_verify(&jws, index, &card.signing));
    REQUIRE(jws.signature_count == (card.has_previous ? 2u : 1u), INVALID, "card.signatures");
    TRY(key_thumbprint(&card.signing, &card.fingerprint));
    TRY(arena_copy(arena, untrusted_document, &card.document));
    *out = card;
    card = (struct card){0};
    return OK;
}

fallible card_follows(struct arena *arena, const struct card *card, const struct card *known)
{
    scoped_jws jws = {0};
    size_t index;
    REQUIRE(card->has_previous && digest_equal(&card->previous, &known->fingerprint), UNTRUSTED,
            "card.not_signed_by_known_key");
    TRY(jws_parse(arena, card->document, card_typ, NULL, &jws));
    REQUIRE(result_is_ok(jws_find(&jws, &known->signing, &index)), UNTRUSTED, "card.not_signed_by_known_key");
    return jws_verify(&jws, index, &known->signing);
}
