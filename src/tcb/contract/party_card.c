#include "contract/party_card.h"

#include "base/encode.h"

static const struct document_member card_members[] = {
    MEMBER_OTHERS("type"),
    MEMBER(party_card, NAME, name),
    MEMBER(party_card, KEY, signing),
    MEMBER(party_card, KEY, result),
    MEMBER(party_card, TIME, created),
    {.name = "previous",
     .form = DOCUMENT_DIGEST,
     .at = offsetof(struct party_card, previous),
     .optional = true},
    {0},
};

static fallible complete(struct arena *arena, void *record)
{
    (void)arena;
    struct party_card *card = record;
    TRY(key_thumbprint(&card->signing, &card->fingerprint));
    struct digest result;
    TRY(key_thumbprint(&card->result, &result));
    REQUIRE_AT(!digest_equal(&card->fingerprint, &result), INVALID, "party.key_reused", "result");
    card->has_previous = json_has(card->document.content, "previous");
    REQUIRE_AT(!card->has_previous || !digest_equal(&card->previous, &card->fingerprint), INVALID,
               "party.previous", "previous");
    return OK;
}

static void release(void *card)
{
    party_card_release(card);
}

static const struct document_kind kind = {
    PARTY_CARD_TYP, "party/1", NULL, card_members, sizeof(struct party_card), complete, release,
};

fallible party_card_parse(struct arena *arena, struct bytes untrusted_bytes, struct party_card *out)
{
    return document_parse(arena, untrusted_bytes, &kind, out);
}

void party_card_release(struct party_card *card)
{
    jws_release(&card->document);
    key_release(&card->signing);
    key_release(&card->result);
    *card = (struct party_card){0};
}

fallible party_card_build(const struct party_card *card, json_t **out)
{
    scoped_json *object = NULL;
    TRY(document_begin("party/1", &object));
    TRY(json_set_text(object, "name", card->name));
    TRY(document_set_key(object, "signing", &card->signing));
    TRY(document_set_key(object, "result", &card->result));
    TRY(json_set_time(object, "created", card->created));
    if (card->has_previous) {
        TRY(document_set_digest(object, "previous", &card->previous));
    }
    *out = json_incref(object);
    return OK;
}

/* The former key's thumbprint is in the payload, so a kid tells which signature claims to be its. */
static fallible find_previous(const struct party_card *card, size_t *out_index)
{
    scoped_arena arena;
    arena_init(&arena, 1024);
    struct text kid;
    TRY(encode_base64url(&arena, digest_view(&card->previous), &kid));
    for (size_t i = 0; i < card->document.signature_count; i++) {
        if (text_equal(card->document.signatures[i].kid, kid)) {
            *out_index = i;
            return OK;
        }
    }
    return FAIL(UNTRUSTED, "party.previous");
}

fallible party_card_verify(const struct party_card *card, const struct key *previous)
{
    REQUIRE(card->document.signature_count == (card->has_previous ? 2 : 1), UNTRUSTED, "party.signatures");
    size_t own;
    TRY(jws_find(&card->document, &card->signing, &own));
    TRY(jws_verify(&card->document, own, &card->signing));
    REQUIRE(card->has_previous || previous == NULL, UNTRUSTED, "party.previous");
    if (!card->has_previous) {
        return OK;
    }
    size_t former;
    TRY(find_previous(card, &former));
    return previous == NULL ? OK : jws_verify(&card->document, former, previous);
}
