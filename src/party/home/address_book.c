#include "party/home/address_book.h"

#include "party/home/file.h"
#include "party/home/keystore.h"

void address_book_release(struct address_book *book)
{
    for (size_t i = 0; i < book->count; i++) {
        card_release(&book->rows[i].card);
    }
    book->count = 0;
}

static fallible read_entry(struct arena *arena, struct bytes content, struct acquaintance *out)
{
    static const char *const members[] = {"type", "name", "fingerprint", "since", "card", "former", NULL};
    scoped_json *entry = NULL;
    struct text type;
    struct text name;
    struct text fingerprint_text;
    struct text card_text;
    json_t *card_json;
    struct digest fingerprint;
    TRY(json_decode(content, &entry));
    TRY(json_only(arena, entry, members));
    TRY(json_get_text(entry, "type", &type));
    REQUIRE(text_is(type, "trusted/1"), INVALID, "trust.type");
    TRY(json_get_text(entry, "name", &name));
    TRY(json_get_text(entry, "fingerprint", &fingerprint_text));
    TRY(digest_from_text(fingerprint_text, &fingerprint));
    TRY(json_get_time(entry, "since", &out->since));
    TRY(json_get_object(entry, "card", &card_json));
    TRY(json_encode_text(arena, card_json, &card_text));
    scoped_card card = {0};
    TRY(card_read(arena, bytes_of_text(card_text), &card));
    REQUIRE(text_equal(card.name, name), CORRUPT, "trust.name");
    REQUIRE(digest_equal(&card.fingerprint, &fingerprint), CORRUPT, "trust.fingerprint");
    out->card = card;
    card = (struct card){0};
    return OK;
}

static fallible read_all(struct arena *arena, const char *folder, struct address_book *book)
{
    const char *trusted;
    const char **names;
    size_t count;
    TRY(keystore_card(arena, folder, &book->rows[0].card));
    book->rows[0].since = book->rows[0].card.created;
    book->rows[0].is_self = true;
    book->count = 1;
    TRY(file_path(arena, folder, "trusted", &trusted));
    TRY(file_list(arena, trusted, &names, &count));
    for (size_t i = 0; i < count; i++) {
        const char *path;
        struct bytes content;
        REQUIRE(book->count < ADDRESS_BOOK_MAX, LIMIT, "trust.too_many");
        TRY(file_path(arena, trusted, names[i], &path));
        TRY(file_read(arena, path, &content));
        struct acquaintance *row = &book->rows[book->count];
        *row = (struct acquaintance){0};
        if (!result_is_ok(read_entry(arena, content, row))) {
            return FAIL_AT(CORRUPT, "trust.entry", path);
        }
        book->count++;
    }
    return OK;
}

fallible address_book_open(struct arena *arena, const char *folder, struct address_book *out)
{
    struct address_book *book;
    TRY(ARENA_NEW(arena, struct address_book, &book));
    struct result result = read_all(arena, folder, book);
    if (!result_is_ok(result)) {
        address_book_release(book);
        return result;
    }
    *out = *book;
    return OK;
}

const struct acquaintance *address_book_by_name(const struct address_book *book, struct text name)
{
    for (size_t i = 0; i < book->count; i++) {
        if (text_equal(book->rows[i].card.name, name)) {
            return &book->rows[i];
        }
    }
    return NULL;
}

const struct acquaintance *address_book_by_fingerprint(const struct address_book *book,
                                                       const struct digest *fingerprint)
{
    for (size_t i = 0; i < book->count; i++) {
        if (digest_equal(&book->rows[i].card.fingerprint, fingerprint)) {
            return &book->rows[i];
        }
    }
    return NULL;
}

static fallible judge(struct arena *arena, const struct address_book *book, const struct card *card,
                      const struct digest *fingerprint)
{
    if (fingerprint != NULL) {
        REQUIRE(digest_equal(fingerprint, &card->fingerprint), UNTRUSTED, "trust.fingerprint.mismatch");
    }
    const struct acquaintance *holder = address_book_by_fingerprint(book, &card->fingerprint);
    REQUIRE(holder == NULL || text_equal(holder->card.name, card->name), CONFLICT, "trust.key.other_name");
    const struct acquaintance *known = address_book_by_name(book, card->name);
    if (known == NULL) {
        REQUIRE(fingerprint != NULL, UNTRUSTED, "trust.fingerprint.missing");
        return OK;
    }
    REQUIRE(!known->is_self, CONFLICT, "trust.self");
    if (digest_equal(&known->card.fingerprint, &card->fingerprint)) {
        REQUIRE(fingerprint != NULL, UNTRUSTED, "trust.fingerprint.missing");
        return OK;
    }
    return card_follows(arena, card, &known->card);
}

static fallible write_entry(struct arena *arena, const struct world *world, const char *folder,
                            const struct card *card, const struct acquaintance *known)
{
    scoped_json *entry = json_object();
    json_t *document = NULL;
    struct text fingerprint;
    struct text content;
    const char *path;
    TRY(digest_to_text(arena, &card->fingerprint, &fingerprint));
    TRY(json_decode(card->document, &document));
    TRY(json_set(entry, "card", document));
    TRY(json_set_text(entry, "type", TEXT("trusted/1")));
    TRY(json_set_text(entry, "name", card->name));
    TRY(json_set_text(entry, "fingerprint", fingerprint));
    TRY(json_set_time(entry, "since", world_now(world)));
    if (known != NULL && !digest_equal(&known->card.fingerprint, &card->fingerprint)) {
        struct text former;
        TRY(digest_to_text(arena, &known->card.fingerprint, &former));
        TRY(json_set_text(entry, "former", former));
    }
    TRY(json_encode_text(arena, entry, &content));
    TRY(file_path(arena, folder, arena_where(arena, "trusted/%.*s.json", TEXT_ARGS(card->name)), &path));
    return file_write(path, bytes_of_text(content), FILE_PRIVATE);
}

fallible address_book_add(struct arena *arena, const struct world *world, const char *folder,
                          struct bytes untrusted_card, const struct digest *fingerprint,
                          struct text *out_name)
{
    scoped_address_book book = {0};
    scoped_card card = {0};
    TRY(card_read(arena, untrusted_card, &card));
    TRY(address_book_open(arena, folder, &book));
    TRY(judge(arena, &book, &card, fingerprint));
    TRY(write_entry(arena, world, folder, &card, address_book_by_name(&book, card.name)));
    *out_name = card.name;
    return OK;
}
