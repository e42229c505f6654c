#include "contract/party_card.h"

#include "contract/contract_test_set.h"
#include "contract/quote.h"
#include "contract/revocation.h"
#include "crypto/test_support.h"

enum { ARENA_BYTES = 16 * 1024 * 1024 };

static int make_keys(void **state)
{
    struct test_keys *keys = malloc(sizeof *keys);
    assert_non_null(keys);
    test_keys_make(keys);
    *state = keys;
    return 0;
}

static int drop_keys(void **state)
{
    test_keys_release(*state);
    free(*state);
    return 0;
}

/* A card of signing key 0, signed by the keys given; NULL ends. */
static struct bytes make_card(struct arena *arena, const struct test_keys *keys, const char *member,
                              const char *value, const struct key *first, const struct key *second)
{
    struct party_card card = {
        .name = TEXT("bureau"), .signing = keys->signing[0], .result = keys->result[0], .created = TEST_NOW};
    scoped_json *payload = NULL;
    assert_ok(party_card_build(&card, &payload));
    if (member != NULL && value == NULL) {
        json_object_del(payload, member);
    } else if (member != NULL) {
        assert_ok(json_set(payload, member, json_loads(value, JSON_DECODE_ANY, NULL)));
    }
    scoped_buffer buffer;
    buffer_init(&buffer, 65536);
    assert_ok(jws_sign(payload, PARTY_CARD_TYP, NULL, first, &buffer));
    if (second != NULL) {
        scoped_jws jws = {0};
        struct text text;
        assert_ok(arena_copy_text(arena, buffer_text(&buffer), &text));
        assert_ok(jws_parse(arena, bytes_of_text(text), PARTY_CARD_TYP, NULL, &jws));
        buffer_clear(&buffer);
        assert_ok(jws_add_signature(arena, &jws, PARTY_CARD_TYP, NULL, second, &buffer));
    }
    struct bytes out;
    assert_ok(arena_copy(arena, buffer_view(&buffer), &out));
    return out;
}

static void a_card_is_signed_by_itself(void **state)
{
    const struct test_keys *keys = *state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_party_card card = {0};
    struct digest want;
    assert_ok(party_card_parse(&arena, make_card(&arena, keys, NULL, NULL, &keys->signing[0], NULL), &card));
    assert_ok(party_card_verify(&card, NULL));
    assert_ok(key_thumbprint(&keys->signing[0], &want));
    assert_true(digest_equal(&card.fingerprint, &want));
    assert_true(text_is(card.name, "bureau"));
    assert_why(party_card_verify(&card, &keys->stranger), UNTRUSTED, "party.previous");
    scoped_party_card by_other = {0};
    assert_ok(
        party_card_parse(&arena, make_card(&arena, keys, NULL, NULL, &keys->signing[1], NULL), &by_other));
    assert_why(party_card_verify(&by_other, NULL), NOT_FOUND, "jws.no_signature_by_key");
    scoped_party_card by_two = {0};
    assert_ok(party_card_parse(
        &arena, make_card(&arena, keys, NULL, NULL, &keys->signing[0], &keys->signing[1]), &by_two));
    assert_why(party_card_verify(&by_two, NULL), UNTRUSTED, "party.signatures");
}

static void cards_are_strict(void **state)
{
    const struct test_keys *keys = *state;
    static const struct {
        const char *member;
        const char *value;
        const char *want_why;
        const char *want_where;
    } rows[] = {
        {"name", "\"Bureau\"", "document.name", "name"},
        {"name", NULL, "json.member.missing", "name"},
        {"created", "\"today\"", "time.form", "created"},
        {"type", "\"party/2\"", "document.type", "type"},
        {"more", "1", "json.member.unknown", "more"},
        {"signing", "\"key\"", "json.member.not_object", "signing"},
        {"signing", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\",\"d\":\"AA\"}",
         "json.member.unknown", "signing.d"},
        {"previous", "\"sha256:\"", "digest.form", "previous"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_arena arena;
        arena_init(&arena, ARENA_BYTES);
        scoped_party_card card = {0};
        struct bytes document =
            make_card(&arena, keys, rows[i].member, rows[i].value, &keys->signing[0], NULL);
        struct result result = party_card_parse(&arena, document, &card);
        assert_string_equal(result.why, rows[i].want_why);
        assert_string_equal(result.where, rows[i].want_where);
    }
}

static void a_card_has_two_p256_keys(void **state)
{
    struct test_keys other = *(struct test_keys *)*state; /* borrows the keys */
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_party_card card = {0};
    other.result[0] = other.signing[0];
    assert_why(
        party_card_parse(&arena, make_card(&arena, &other, NULL, NULL, &other.signing[0], NULL), &card),
        INVALID, "party.key_reused");
    scoped_key large = {0};
    assert_ok(key_generate(KEY_EC_P384, 0, &large));
    other.result[0] = large;
    assert_why(
        party_card_parse(&arena, make_card(&arena, &other, NULL, NULL, &other.signing[0], NULL), &card),
        INVALID, "document.key_kind");
}

/* A member's text: the thumbprint of a key as a digest. */
static const char *thumbprint_json(struct arena *arena, const struct key *key)
{
    struct digest digest;
    struct text text;
    struct text quoted;
    assert_ok(key_thumbprint(key, &digest));
    assert_ok(digest_to_text(arena, &digest, &text));
    assert_ok(arena_printf(arena, &quoted, "\"%.*s\"", TEXT_ARGS(text)));
    const char *out;
    assert_ok(arena_cstring(arena, quoted, &out));
    return out;
}

static void a_rotation_is_signed_by_both_keys(void **state)
{
    const struct test_keys *keys = *state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    const struct key *own = &keys->signing[0];
    const struct key *former = &keys->signing[1];
    const char *previous = thumbprint_json(&arena, former);
    scoped_party_card card = {0};
    assert_ok(party_card_parse(&arena, make_card(&arena, keys, "previous", previous, own, former), &card));
    assert_ok(party_card_verify(&card, former));
    assert_ok(party_card_verify(&card, NULL));
    assert_why(party_card_verify(&card, &keys->stranger), UNTRUSTED, "jws.signature");
    scoped_party_card lacking = {0};
    assert_ok(party_card_parse(&arena, make_card(&arena, keys, "previous", previous, own, NULL), &lacking));
    assert_why(party_card_verify(&lacking, former), UNTRUSTED, "party.signatures");
    scoped_party_card other = {0};
    assert_ok(party_card_parse(&arena, make_card(&arena, keys, "previous", previous, own, &keys->stranger),
                               &other));
    assert_why(party_card_verify(&other, NULL), UNTRUSTED, "party.previous");
    scoped_party_card itself = {0};
    assert_why(party_card_parse(&arena,
                                make_card(&arena, keys, "previous", thumbprint_json(&arena, own), own, NULL),
                                &itself),
               INVALID, "party.previous");
}

static void make_revocation(struct arena *arena, const struct revocation *from, const struct key *key,
                            struct revocation *out)
{
    scoped_json *payload = NULL;
    scoped_buffer buffer;
    struct bytes document;
    buffer_init(&buffer, 65536);
    assert_ok(revocation_build(from, &payload));
    assert_ok(jws_sign(payload, REVOCATION_TYP, NULL, key, &buffer));
    assert_ok(arena_copy(arena, buffer_view(&buffer), &document));
    assert_ok(revocation_parse(arena, document, out));
}

static void a_revocation_is_by_a_party(void **state)
{
    const struct test_keys *keys = *state;
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    struct test_change none = {0};
    scoped_json *set = test_set_make(&arena, keys, &none);
    scoped_bundle bundle = {0};
    assert_ok(bundle_parse(&arena, set, &bundle));
    const struct contract *contract = &bundle.contract;
    struct revocation good = {
        .contract = contract->document.digest, .party = TEXT("bureau"), .time = TEST_NOW};
    scoped_revocation revocation = {0};
    make_revocation(&arena, &good, &keys->signing[TEST_BUREAU], &revocation);
    assert_ok(revocation_verify(&revocation, contract));
    assert_int_equal(revocation.time, TEST_NOW);
    scoped_revocation by_other = {0};
    make_revocation(&arena, &good, &keys->signing[TEST_ANALYST], &by_other);
    assert_why(revocation_verify(&by_other, contract), UNTRUSTED, "jws.signature");
    struct revocation changed = good;
    changed.party = TEXT("nobody");
    scoped_revocation by_nobody = {0};
    make_revocation(&arena, &changed, &keys->signing[TEST_BUREAU], &by_nobody);
    assert_why(revocation_verify(&by_nobody, contract), DENIED, "revocation.party");
    changed = good;
    changed.contract.octets[0] ^= 1;
    scoped_revocation of_other = {0};
    make_revocation(&arena, &changed, &keys->signing[TEST_BUREAU], &of_other);
    assert_why(revocation_verify(&of_other, contract), UNTRUSTED, "revocation.contract");
}

static void quoted_text_stays_behind_its_bar(void **state)
{
    (void)state;
    static const struct {
        struct text text;
        const char *want;
    } rows[] = {
        {TEXT(""), "  | \n"},
        {TEXT("a\nPARTIES\n"), "  | a\n  | PARTIES\n  | \n"},
        {TEXT("a\rb\tc\x1b[2J"), "  | a\\u{000D}b\\u{0009}c\\u{001B}[2J\n"},
        {TEXT("\xe2\x80\xae\xef\xbb\xbf\xe2\x80\x8b"), "  | \\u{202E}\\u{FEFF}\\u{200B}\n"},
        {TEXT("\xff\xc3"), "  | \\x{FF}\\x{C3}\n"},
        {TEXT("é 日本 \\u{41}"), "  | é 日本 \\\\u{41}\n"},
        {TEXT("e\xcc\x81"), "  | e\\u{0301}\n"},
        {TEXT("\xf3\xa0\x80\xa1"), "  | \\u{E0021}\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_buffer out;
        buffer_init(&out, 4096);
        assert_ok(quote_block(&out, 2, rows[i].text));
        if (!text_is(buffer_text(&out), rows[i].want)) {
            print_error("%.*s", TEXT_ARGS(buffer_text(&out)));
            fail();
        }
    }
    char spaces[300];
    memset(spaces, ' ', sizeof spaces);
    scoped_buffer out;
    buffer_init(&out, 4096);
    assert_ok(quote_block(&out, 0, (struct text){spaces, sizeof spaces}));
    for (size_t at = 0; at < out.size;) {
        const char *end = memchr(out.data + at, '\n', out.size - at);
        size_t size = (size_t)(end - (const char *)out.data) - at;
        assert_true(size <= QUOTE_WIDTH + 2);
        assert_true(out.data[at] == (at == 0 ? '|' : ':'));
        at += size + 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_is_signed_by_itself), cmocka_unit_test(cards_are_strict),
        cmocka_unit_test(a_card_has_two_p256_keys),   cmocka_unit_test(a_rotation_is_signed_by_both_keys),
        cmocka_unit_test(a_revocation_is_by_a_party), cmocka_unit_test(quoted_text_stays_behind_its_bar),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
