#include "party/home/card.h"

#include "contract/party_card.h"

void card_release(struct card *card)
{
    key_release(&card->signing);
    key_release(&card->result);
}

fallible card_make(const struct world *world, struct text name, const struct key *signing,
                   const struct key *result, const struct key *previous, struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, 256 * 1024);
    scoped_json *payload = NULL;
    scoped_party_card card = {.name = name, .created = world_now(world), .has_previous = previous != NULL};
    REQUIRE(text_is_name(name), INVALID, "card.name");
    TRY(key_share(signing, &card.signing));
    TRY(key_share(result, &card.result));
    if (previous == NULL) {
        TRY(party_card_build(&card, &payload));
        return jws_sign(payload, PARTY_CARD_TYP, NULL, signing, out);
    }
    scoped_buffer once;
    scoped_jws jws = {0};
    buffer_init(&once, JWS_SIZE_MAX);
    TRY(key_thumbprint(previous, &card.previous));
    TRY(party_card_build(&card, &payload));
    TRY(jws_sign(payload, PARTY_CARD_TYP, NULL, signing, &once));
    TRY(jws_parse(&arena, buffer_view(&once), PARTY_CARD_TYP, NULL, &jws));
    return jws_add_signature(&arena, &jws, PARTY_CARD_TYP, NULL, previous, out);
}

fallible card_read(struct arena *arena, struct bytes untrusted_document, struct card *out)
{
    scoped_party_card parsed = {0};
    struct card card = {0};
    TRY(party_card_parse(arena, untrusted_document, &parsed));
    TRY(party_card_verify(&parsed, NULL));
    TRY(arena_copy(arena, untrusted_document, &card.document));
    TRY(arena_copy_text(arena, parsed.name, &card.name));
    card.fingerprint = parsed.fingerprint;
    card.created = parsed.created;
    card.has_previous = parsed.has_previous;
    card.previous = parsed.previous;
    key_move(&parsed.signing, &card.signing);
    key_move(&parsed.result, &card.result);
    *out = card;
    return OK;
}

fallible card_follows(struct arena *arena, const struct card *card, const struct card *known)
{
    scoped_party_card parsed = {0};
    REQUIRE(card->has_previous && digest_equal(&card->previous, &known->fingerprint), UNTRUSTED,
            "card.not_signed_by_known_key");
    TRY(party_card_parse(arena, card->document, &parsed));
    return party_card_verify(&parsed, &known->signing);
}
