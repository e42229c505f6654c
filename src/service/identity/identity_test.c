#include "crypto/test_support.h"
#include "service/identity/identity.h"

#define NOW 1800000000

struct fixture {
    struct arena arena;
    struct key key;
    struct key other_key;
    struct jwt_keys keys;
    struct identity_trust trust;
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    arena_init(&fixture->arena, 16 * 1024 * 1024);
    assert_ok(key_generate(KEY_RSA, 2048, &fixture->key));
    assert_ok(key_generate(KEY_RSA, 2048, &fixture->other_key));
    fixture->keys.rows[0].kid = TEXT("k1");
    assert_ok(key_share(&fixture->key, &fixture->keys.rows[0].key));
    fixture->keys.count = 1;
    fixture->trust = (struct identity_trust){
        .issuer = TEXT("https://h/t/"),
        .tenant = TEXT("t"),
        .audiences = {TEXT("https://vault.azure.net")},
        .keys = &fixture->keys,
    };
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    jwt_keys_release(&fixture->keys);
    key_release(&fixture->key);
    key_release(&fixture->other_key);
    arena_release(&fixture->arena);
    free(fixture);
    return 0;
}

static json_t *good_claims(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "iss", "https://h/t/", "aud",
                     "https://vault.azure.net", "tid", "t", "oid", "o", "appid", "a", "nbf", (json_int_t)NOW,
                     "exp", (json_int_t)(NOW + 3600));
}

static struct result verify(struct fixture *fixture, const json_t *claims, const struct key *key,
                            const char *kid, struct principal *out)
{
    scoped_json *header = json_pack("{s:s}", "kid", kid);
    scoped_buffer token;
    buffer_init(&token, 65536);
    assert_ok(jwt_sign(header, claims, key, KEY_RS256, &token));
    return identity_verify(&fixture->arena, &fixture->trust, buffer_text(&token), NOW, out);
}

static void a_good_token_names_its_caller(void **state)
{
    struct fixture *fixture = *state;
    scoped_json *claims = good_claims();
    struct principal principal;
    assert_ok(verify(fixture, claims, &fixture->key, "k1", &principal));
    assert_true(text_is(principal.object, "o"));
    assert_true(text_is(principal.application, "a"));
    assert_ok(json_set_text(claims, "aud", TEXT("https://vault.azure.net/")));
    assert_ok(json_set_i64(claims, "exp", NOW - 299));
    assert_ok(verify(fixture, claims, &fixture->key, "k1", &principal));
}

static void other_tokens_are_refused(void **state)
{
    static const struct {
        const char *claim;
        const char *text; /* NULL: the number; "" removes */
        int64_t number;
        const char *want_why;
    } rows[] = {
        {"iss", "https://h/u/", 0, "identity.issuer"},
        {"iss", "", 0, "identity.issuer"},
        {"aud", "https://vault.azure.net.example", 0, "identity.audience"},
        {"aud", "", 0, "identity.audience"},
        {"tid", "u", 0, "identity.tenant"},
        {"oid", "", 0, "identity.token.claims"},
        {"exp", NULL, NOW - 300, "identity.token.expired"},
        {"exp", "", 0, "identity.token.claims"},
        {"nbf", NULL, NOW + 301, "identity.token.not_yet_valid"},
        {"iat", NULL, NOW + 301, "identity.token.not_yet_valid"},
    };
    struct fixture *fixture = *state;
    struct principal principal;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_json *claims = good_claims();
        if (rows[i].text == NULL) {
            assert_ok(json_set_i64(claims, rows[i].claim, rows[i].number));
        } else if (rows[i].text[0] == 0) {
            assert_int_equal(json_object_del(claims, rows[i].claim), 0);
        } else {
            assert_ok(json_set_text(claims, rows[i].claim, text_of(rows[i].text)));
        }
        assert_why(verify(fixture, claims, &fixture->key, "k1", &principal), UNAUTHENTICATED,
                   rows[i].want_why);
    }
    scoped_json *claims = good_claims();
    assert_why(verify(fixture, claims, &fixture->other_key, "k1", &principal), UNAUTHENTICATED,
               "identity.token.signature");
    assert_why(verify(fixture, claims, &fixture->key, "k2", &principal), UNAUTHENTICATED,
               "identity.token.signature");
}

static void what_is_no_token_is_refused(void **state)
{
    static const struct {
        struct text token;
        const char *want_why;
    } rows[] = {
        {TEXT(""), "identity.token.missing"},
        {TEXT("tok"), "identity.token.form"},
        {TEXT("a.b.c"), "identity.token.form"},
        /* {"alg":"none"}.{"iss":"https://h/t/","aud":"https://vault.azure.net"} */
        {TEXT(
             "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2gvdC8iLCJhdWQiOiJodHRwczovL3ZhdWx0LmF6dXJlLm5ldCJ9."),
         "identity.token.signature"},
    };
    struct fixture *fixture = *state;
    struct principal principal;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result result =
            identity_verify(&fixture->arena, &fixture->trust, rows[i].token, NOW, &principal);
        assert_why(result, UNAUTHENTICATED, rows[i].want_why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_token_names_its_caller),
        cmocka_unit_test(other_tokens_are_refused),
        cmocka_unit_test(what_is_no_token_is_refused),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
