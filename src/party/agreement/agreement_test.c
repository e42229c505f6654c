#include "contract/contract_test_set.h"
#include "party/agreement/agreement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct agreed {
    struct arena arena;
    struct test_keys keys;
    struct contract contract;
    struct address_book book;
};

/* The set's contract, and a book whose cards have the same names and keys. */
static int setup(void **state)
{
    struct agreed *agreed = calloc(1, sizeof *agreed);
    assert_non_null(agreed);
    arena_init(&agreed->arena, 64 * 1024 * 1024);
    test_keys_make(&agreed->keys);
    static const struct test_change nothing;
    scoped_json *set = test_set_make(&agreed->arena, &agreed->keys, &nothing);
    struct text text;
    assert_true(result_is_ok(json_encode_text(&agreed->arena, json_object_get(set, "contract"), &text)));
    assert_true(result_is_ok(contract_parse(&agreed->arena, bytes_of_text(text), &agreed->contract)));
    for (size_t i = 0; i < TEST_PARTIES; i++) {
        struct card *card = &agreed->book.rows[i].card;
        card->name = agreed->contract.parties[i].name;
        card->fingerprint = agreed->contract.parties[i].fingerprint;
        assert_true(result_is_ok(key_share(&agreed->contract.parties[i].result, &card->result)));
    }
    agreed->book.count = TEST_PARTIES;
    *state = agreed;
    return 0;
}

static int teardown(void **state)
{
    struct agreed *agreed = *state;
    address_book_release(&agreed->book);
    contract_release(&agreed->contract);
    test_keys_release(&agreed->keys);
    arena_release(&agreed->arena);
    free(agreed);
    return 0;
}

static void result_keys_are_those_of_the_cards(void **state)
{
    struct agreed *agreed = *state;
    assert_true(result_is_ok(agreement_check_result_keys(&agreed->arena, &agreed->contract, &agreed->book)));
}

static void another_result_key_is_refused(void **state)
{
    struct agreed *agreed = *state;
    for (size_t i = 0; i < TEST_PARTIES; i++) {
        struct card *card = &agreed->book.rows[i].card;
        struct key own = {0};
        key_move(&card->result, &own);
        assert_true(result_is_ok(key_share(&agreed->keys.stranger, &card->result)));
        struct result result = agreement_check_result_keys(&agreed->arena, &agreed->contract, &agreed->book);
        assert_int_equal(result.code, RESULT_UNTRUSTED);
        assert_string_equal(result.why, "contract.party.result_key");
        assert_true(text_is(agreed->contract.parties[i].name, result.where));
        key_release(&card->result);
        key_move(&own, &card->result);
    }
}

static void a_party_without_a_card_is_refused(void **state)
{
    struct agreed *agreed = *state;
    agreed->book.rows[TEST_INSURER].card.fingerprint = (struct digest){0};
    struct result result = agreement_check_result_keys(&agreed->arena, &agreed->contract, &agreed->book);
    assert_int_equal(result.code, RESULT_UNTRUSTED);
    assert_string_equal(result.why, "contract.party.not_known");
    assert_string_equal(result.where, "insurer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(result_keys_are_those_of_the_cards, setup, teardown),
        cmocka_unit_test_setup_teardown(another_result_key_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_party_without_a_card_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
