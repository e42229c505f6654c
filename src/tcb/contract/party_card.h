/* contract/party_card.h: who a party is: its name, signing key and result key, signed by itself.
 *
 * A card proves possession of the signing key, nothing about the name: whose it is, people compare by the
 * fingerprint (the RFC 7638 thumbprint of the signing key). After a rotation the former key signs too, so who
 * trusted it can follow. Formats §1.1. One arena per parse. */
#pragma once

#include "privacy/document.h"

#define PARTY_CARD_TYP "truce-party+jws"

struct party_card {
    struct jws document;
    struct text name;
    struct key signing;
    struct key result;
    struct digest fingerprint;
    int64_t created;
    bool has_previous;
    struct digest previous; /* thumbprint of the former signing key */
};

fallible party_card_parse(struct arena *arena, struct bytes untrusted_bytes, struct party_card *out);
void party_card_release(struct party_card *card);
#define scoped_party_card defer(party_card_release) struct party_card

/* The payload for `jws_sign` with PARTY_CARD_TYP by the signing key; after a rotation also
 * `jws_add_signature` by the former one. */
fallible party_card_build(const struct party_card *card, json_t **out);

/* That the card is signed by its own signing key and, when it names a previous key, by a key with that
 * thumbprint and nobody else. `previous` is that key where the caller knows it (its signature is then
 * checked), or NULL: then only the card's own signature is checked, and the caller must compare the
 * fingerprint anew. UNTRUSTED "party.signatures", "party.previous" or the reason of `jws_verify`. */
fallible party_card_verify(const struct party_card *card, const struct key *previous);
