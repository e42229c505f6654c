/* party/home/card.h: the signed card by which a party makes its keys known (doc/formats.md §1.1).
 *
 * A card is signed by its own key, which proves possession and nothing about who it is: trust comes from the
 * fingerprint that people compare over another channel, or from the previous key, which signs the card of a
 * rotation as well. Any thread. */
#pragma once

#include "base/world.h"
#include "crypto/key.h"

struct card {
    struct text name;
    struct key signing;
    struct key result;
    struct digest fingerprint; /* thumbprint of the signing key */
    int64_t created;
    bool has_previous;
    struct digest previous; /* thumbprint of the former signing key */
    struct bytes document;  /* the signed text, in the arena */
};

void card_release(struct card *card);
#define scoped_card defer(card_release) struct card

/* Makes and signs a card. `previous` is NULL for a first card, else the former signing key, which signs as
 * well. */
fallible card_make(const struct world *world, struct text name, const struct key *signing,
                   const struct key *result, const struct key *previous, struct buffer *out);
/* Checks the form and the card's own signature, as `party_card_parse` and `party_card_verify` do. */
fallible card_read(struct arena *arena, struct bytes untrusted_document, struct card *out);
/* Checks that `card` follows `known`: it names the known key as its previous one and carries that key's
 * signature. UNTRUSTED "card.not_signed_by_known_key". */
fallible card_follows(struct arena *arena, const struct card *card, const struct card *known);
