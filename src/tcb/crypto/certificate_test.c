#include "crypto/certificate.h"
#include "crypto/test_support.h"

enum { ARENA_BYTES = 1024 * 1024, NOW = 1800000000, DAY = 86400 };

/* root → between → leaf, and a second root. */
struct fixture {
    struct world world;
    struct arena arena;
    struct key keys[4];
    struct certificate root;
    struct certificate between;
    struct certificate leaf;
    struct certificate other;
};

static struct certificate issue(struct fixture *fixture, struct certificate_request request,
                                const struct certificate *issuer, const struct key *issuer_key)
{
    struct certificate made = {0};
    request.not_before = request.not_before ? request.not_before : NOW - DAY;
    request.not_after = request.not_after ? request.not_after : NOW + DAY;
    assert_ok(certificate_issue(&fixture->world, &request, issuer, issuer_key, &made));
    return made;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->world = world_of_system();
    arena_init(&fixture->arena, ARENA_BYTES);
    assert_ok(key_generate(KEY_EC_P384, 0, &fixture->keys[0]));
    assert_ok(key_generate(KEY_RSA, 2048, &fixture->keys[1]));
    assert_ok(key_generate(KEY_EC_P256, 0, &fixture->keys[2]));
    assert_ok(key_generate(KEY_EC_P256, 0, &fixture->keys[3]));
    struct key *keys = fixture->keys;
    fixture->root = issue(fixture,
                          (struct certificate_request){
                              .subject_key = &keys[0], .common_name = TEXT("root"), .is_authority = true},
                          NULL, &keys[0]);
    fixture->between =
        issue(fixture,
              (struct certificate_request){
                  .subject_key = &keys[1], .common_name = TEXT("between"), .is_authority = true},
              &fixture->root, &keys[0]);
    fixture->leaf = issue(fixture,
                          (struct certificate_request){.subject_key = &keys[2],
                                                       .common_name = TEXT("leaf é"),
                                                       .dns_names = {TEXT("localhost"), TEXT("vault.test")},
                                                       .ip_names = {TEXT("127.0.0.1"), TEXT("::1")},
                                                       .extension_oid = "1.3.6.1.4.1.99999.1",
                                                       .extension_value = bytes_of_text(TEXT("value"))},
                          &fixture->between, &keys[1]);
    fixture->other = issue(fixture,
                           (struct certificate_request){
                               .subject_key = &keys[3], .common_name = TEXT("root"), .is_authority = true},
                           NULL, &keys[3]);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    certificate_release(&fixture->root);
    certificate_release(&fixture->between);
    certificate_release(&fixture->leaf);
    certificate_release(&fixture->other);
    for (size_t i = 0; i < 4; i++) {
        key_release(&fixture->keys[i]);
    }
    arena_release(&fixture->arena);
    free(fixture);
    return 0;
}

static void a_certificate_says_what_was_asked(void **state)
{
    struct fixture *fixture = *state;
    struct text name;
    assert_ok(certificate_common_name(&fixture->leaf, &fixture->arena, &name));
    assert_true(text_is(name, "leaf é"));
    scoped_key key = {0};
    struct digest pin;
    struct digest want;
    assert_ok(certificate_key(&fixture->leaf, &key));
    assert_ok(key_pin(&key, &pin));
    assert_ok(key_pin(&fixture->keys[2], &want));
    assert_true(digest_equal(&pin, &want));
    struct bytes value;
    assert_ok(certificate_extension(&fixture->leaf, "1.3.6.1.4.1.99999.1", &fixture->arena, &value));
    assert_true(bytes_equal(value, bytes_of_text(TEXT("value"))));
    assert_ok(certificate_extension(&fixture->leaf, "2.5.29.17", &fixture->arena, &value));
    assert_hex(value, "302f82096c6f63616c686f7374820a7661756c742e7465737487047f0000018710"
                      "00000000000000000000000000000001");
    assert_why(certificate_extension(&fixture->leaf, "1.2.3", &fixture->arena, &value), NOT_FOUND,
               "certificate.extension");
    assert_why(certificate_extension(&fixture->leaf, "basicConstraints", &fixture->arena, &value), INVALID,
               "certificate.oid");
}

static void encodings_round_trip_and_are_strict(void **state)
{
    struct fixture *fixture = *state;
    scoped_buffer der;
    buffer_init(&der, 65536);
    assert_ok(certificate_to_der(&fixture->leaf, &der));
    scoped_certificate again = {0};
    assert_ok(certificate_from_der(buffer_view(&der), &again));
    struct digest one;
    struct digest other;
    assert_ok(certificate_digest(&fixture->leaf, &one));
    assert_ok(certificate_digest(&again, &other));
    assert_true(digest_equal(&one, &other));
    struct digest of_der = digest_of(buffer_view(&der));
    assert_true(digest_equal(&one, &of_der));
    scoped_certificate refused = {0};
    struct bytes view = buffer_view(&der);
    assert_why(certificate_from_der(bytes_slice(view, 0, view.size - 1), &refused), INVALID,
               "certificate.form");
    assert_why(certificate_from_der((struct bytes){0}, &refused), INVALID, "certificate.form");
    assert_why(certificate_from_der((struct bytes){view.data, 65 * 1024}, &refused), LIMIT,
               "certificate.size");
    assert_ok(buffer_add_byte(&der, 0));
    assert_why(certificate_from_der(buffer_view(&der), &refused), INVALID, "certificate.form");
    assert_null(refused.x509);
}

static void pem_is_strict(void **state)
{
    struct fixture *fixture = *state;
    scoped_buffer pem;
    buffer_init(&pem, 65536);
    assert_ok(buffer_add_text(&pem, TEXT("# leaf\n\n")));
    assert_ok(certificate_to_pem(&fixture->leaf, &pem));
    size_t one = pem.size;
    assert_ok(buffer_add_text(&pem, TEXT("# between\r\n  \n")));
    assert_ok(certificate_to_pem(&fixture->between, &pem));
    struct certificate all[2] = {0};
    size_t count = 0;
    assert_ok(certificates_from_pem(buffer_view(&pem), 2, all, &count));
    assert_int_equal(count, 2);
    struct digest left;
    struct digest right;
    assert_ok(certificate_digest(&all[1], &left));
    assert_ok(certificate_digest(&fixture->between, &right));
    assert_true(digest_equal(&left, &right));
    certificate_release(&all[0]);
    certificate_release(&all[1]);
    count = 77;
    struct bytes view = buffer_view(&pem);
    assert_why(certificates_from_pem(view, 1, all, &count), LIMIT, "certificate.pem.count");
    assert_why(certificates_from_pem(bytes_slice(view, 0, one - 10), 2, all, &count), INVALID,
               "certificate.pem.unfinished");
    assert_why(certificates_from_pem((struct bytes){0}, 2, all, &count), INVALID, "certificate.pem.empty");
    assert_why(certificates_from_pem(bytes_of_text(TEXT("text\n")), 2, all, &count), INVALID,
               "certificate.pem.form");
    assert_why(certificates_from_pem(bytes_of_text(TEXT("-----BEGIN PRIVATE KEY-----\n")), 2, all, &count),
               INVALID, "certificate.pem.form");
    assert_why(certificates_from_pem((struct bytes){view.data, 5 * 1024 * 1024}, 2, all, &count), LIMIT,
               "certificate.pem.size");
    assert_why(certificates_from_pem(
                   bytes_of_text(TEXT("-----BEGIN CERTIFICATE-----\nAA*=\n-----END CERTIFICATE-----\n")), 2,
                   all, &count),
               INVALID, "base64.character");
    assert_why(certificates_from_pem(
                   bytes_of_text(TEXT("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), 2,
                   all, &count),
               INVALID, "certificate.form");
    assert_ok(buffer_add_text(&pem, TEXT("trailing\n")));
    assert_why(certificates_from_pem(buffer_view(&pem), 2, all, &count), INVALID, "certificate.pem.form");
    assert_int_equal(count, 77);
}

static void chains_end_at_an_anchor(void **state)
{
    struct fixture *fixture = *state;
    struct certificate leaf = fixture->leaf;
    struct certificate between = fixture->between;
    struct certificate root = fixture->root;
    struct certificate other = fixture->other;
    const struct {
        struct certificate chain[4];
        size_t count;
        struct certificate anchors[2];
        size_t anchor_count;
        int64_t now;
        enum result_code code;
        const char *why;
    } rows[] = {
        {{leaf, between}, 2, {root}, 1, NOW, RESULT_OK, "ok"},
        {{leaf, between, root}, 3, {root}, 1, NOW, RESULT_OK, "ok"},
        {{leaf, between, root}, 3, {other, root}, 2, NOW, RESULT_OK, "ok"},
        {{leaf, between}, 2, {between}, 1, NOW, RESULT_OK, "ok"},
        {{leaf, between, root}, 3, {root, between}, 2, NOW, RESULT_OK, "ok"},
        {{leaf}, 1, {between}, 1, NOW, RESULT_OK, "ok"},
        {{leaf}, 1, {leaf}, 1, NOW, RESULT_OK, "ok"},
        {{root}, 1, {root}, 1, NOW, RESULT_OK, "ok"},
        {{leaf, between}, 2, {other}, 1, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{leaf, between, root}, 3, {other}, 1, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{leaf}, 1, {root}, 1, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{leaf, root}, 2, {root}, 1, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{between, leaf}, 2, {root}, 1, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{leaf, between, root, root}, 4, {root}, 1, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{leaf, other, between}, 3, {root}, 1, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{leaf, between}, 2, {root}, 0, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{leaf}, 0, {leaf}, 1, NOW, RESULT_UNTRUSTED, "certificate.chain"},
        {{leaf, between}, 2, {root}, 1, NOW + 2 * DAY, RESULT_EXPIRED, "certificate.validity"},
        {{leaf, between}, 2, {root}, 1, NOW - 2 * DAY, RESULT_EXPIRED, "certificate.validity"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result result = certificate_verify_chain(rows[i].chain, rows[i].count, rows[i].anchors,
                                                        rows[i].anchor_count, rows[i].now);
        assert_why_at(result, rows[i].code, rows[i].why, "row", (int)i);
    }
    struct certificate many[11];
    for (size_t i = 0; i < 11; i++) {
        many[i] = root;
    }
    assert_why(certificate_verify_chain(many, 11, &root, 1, NOW), UNTRUSTED, "certificate.chain");
}

/* Each is signed well and still no good. */
static void issuers_must_be_authorities(void **state)
{
    struct fixture *fixture = *state;
    struct key *keys = fixture->keys;
    scoped_certificate below_leaf =
        issue(fixture, (struct certificate_request){.subject_key = &keys[3], .common_name = TEXT("below")},
              &fixture->leaf, &keys[2]);
    struct certificate chain[] = {below_leaf, fixture->leaf, fixture->between};
    assert_why(certificate_verify_chain(chain, 3, &fixture->root, 1, NOW), UNTRUSTED, "certificate.chain");
    assert_why(certificate_verify_chain(chain, 1, &fixture->leaf, 1, NOW), UNTRUSTED, "certificate.chain");

    scoped_certificate old = issue(fixture,
                                   (struct certificate_request){.subject_key = &keys[3],
                                                                .common_name = TEXT("old"),
                                                                .is_authority = true,
                                                                .not_before = NOW - 3 * DAY,
                                                                .not_after = NOW - 2 * DAY},
                                   &fixture->root, &keys[0]);
    scoped_certificate below_old = issue(
        fixture, (struct certificate_request){.subject_key = &keys[2], .common_name = TEXT("below old")},
        &old, &keys[3]);
    struct certificate expired[] = {below_old, old};
    assert_why(certificate_verify_chain(expired, 2, &fixture->root, 1, NOW), EXPIRED, "certificate.validity");
}

/* An issuer of the same name with another key, and a certificate whose signature was changed. */
static void signatures_are_checked(void **state)
{
    struct fixture *fixture = *state;
    scoped_certificate forged = issue(
        fixture, (struct certificate_request){.subject_key = &fixture->keys[2], .common_name = TEXT("leaf")},
        &fixture->other, &fixture->keys[3]);
    assert_why(certificate_verify_chain(&forged, 1, &fixture->root, 1, NOW), UNTRUSTED, "certificate.chain");
    assert_ok(certificate_verify_chain(&forged, 1, &fixture->other, 1, NOW));
    scoped_buffer der;
    buffer_init(&der, 65536);
    assert_ok(certificate_to_der(&forged, &der));
    der.data[der.size - 1] ^= 1;
    scoped_certificate changed = {0};
    assert_ok(certificate_from_der(buffer_view(&der), &changed));
    assert_why(certificate_verify_chain(&changed, 1, &fixture->other, 1, NOW), UNTRUSTED,
               "certificate.chain");
}

static void bad_requests_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct key *keys = fixture->keys;
    scoped_key public_key = {0};
    assert_ok(certificate_key(&fixture->root, &public_key));
    const struct certificate_request good = {
        .subject_key = &keys[2], .common_name = TEXT("x"), .not_before = NOW, .not_after = NOW + 1};
    struct certificate_request rows[7];
    static const char *const want[] = {"certificate.common_name",      "certificate.common_name",
                                       "certificate.validity",         "certificate.oid",
                                       "certificate.alternative_name", "key.empty",
                                       "certificate.common_name"};
    for (size_t i = 0; i < 7; i++) {
        rows[i] = good;
    }
    struct key empty = {0};
    rows[0].common_name = TEXT("");
    rows[1].common_name = TEXT("01234567890123456789012345678901234567890123456789012345678901234");
    rows[2].not_after = NOW;
    rows[3].extension_oid = "not an oid";
    rows[4].ip_names[0] = TEXT("not an address");
    rows[5].subject_key = &empty;
    rows[6].common_name = TEXT("\x1b[31m");
    scoped_certificate made = {0};
    for (size_t i = 0; i < 7; i++) {
        struct result result = certificate_issue(&fixture->world, &rows[i], &fixture->root, &keys[0], &made);
        assert_why_at(result, RESULT_INVALID, want[i], "row", (int)i);
    }
    assert_why(certificate_issue(&fixture->world, &good, &fixture->root, &public_key, &made), INVALID,
               "key.not_private");
    assert_why(certificate_issue(&fixture->world, &good, &fixture->root, &keys[3], &made), INVALID,
               "certificate.issuer_key");
    assert_why(certificate_issue(&fixture->world, &good, NULL, &keys[3], &made), INVALID,
               "certificate.issuer_key");
    assert_null(made.x509);
}

static void empty_certificates_do_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct certificate empty = {0};
    scoped_buffer out;
    buffer_init(&out, 1024);
    scoped_key key = {0};
    struct digest digest;
    struct text text;
    struct bytes bytes;
    assert_why(certificate_to_der(&empty, &out), INVALID, "certificate.empty");
    assert_why(certificate_to_pem(&empty, &out), INVALID, "certificate.empty");
    assert_why(certificate_key(&empty, &key), INVALID, "certificate.empty");
    assert_why(certificate_digest(&empty, &digest), INVALID, "certificate.empty");
    assert_why(certificate_common_name(&empty, &fixture->arena, &text), INVALID, "certificate.empty");
    assert_why(certificate_extension(&empty, "1.2.3", &fixture->arena, &bytes), INVALID, "certificate.empty");
    certificate_release(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_says_what_was_asked),
        cmocka_unit_test(encodings_round_trip_and_are_strict),
        cmocka_unit_test(pem_is_strict),
        cmocka_unit_test(chains_end_at_an_anchor),
        cmocka_unit_test(issuers_must_be_authorities),
        cmocka_unit_test(signatures_are_checked),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(empty_certificates_do_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
