/* party/home/address_book.h: whom a party knows.
 *
 * One file per party in `trusted/`: its card, the fingerprint that somebody compared, and when. Nothing
 * enters without a fingerprint from another channel, except the next card of a party whose known key signed
 * it. Cards are verified again each time they are read. The party itself is always known. One process at a
 * time writes. */
#pragma once

#include "party/home/card.h"

enum { ADDRESS_BOOK_MAX = 256 };

struct acquaintance {
    struct card card;
    int64_t since;
    bool is_self;
};

struct address_book {
    struct acquaintance rows[ADDRESS_BOOK_MAX];
    size_t count;
};

void address_book_release(struct address_book *book);
#define scoped_address_book defer(address_book_release) struct address_book

/* Reads all cards of the party in `folder`, itself first. CORRUPT "trust.entry" with `where` = the file. */
fallible address_book_open(struct arena *arena, const char *folder, struct address_book *out);
const struct acquaintance *address_book_by_name(const struct address_book *book, struct text name);
const struct acquaintance *address_book_by_fingerprint(const struct address_book *book,
                                                       const struct digest *fingerprint);

/* Takes a card in. `fingerprint` is what somebody compared, or NULL, which is enough only for a card that the
 * known key of that party signed. UNTRUSTED "trust.fingerprint.mismatch", "trust.fingerprint.missing",
 * "card.not_signed_by_known_key"; CONFLICT "trust.key.other_name", "trust.self". */
fallible address_book_add(struct arena *arena, const struct world *world, const char *folder,
                          struct bytes untrusted_card, const struct digest *fingerprint,
                          struct text *out_name);
