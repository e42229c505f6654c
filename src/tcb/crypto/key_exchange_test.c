#include "crypto/key.h"
#include "crypto/test_support.h"

enum { ARENA_BYTES = 1024 * 1024 };

/* Generating RSA keys is slow, so the tests share one of each size. */
struct keys {
    struct key p256;
    struct key p384;
    struct key rsa;
    struct key other;
};

static int make_keys(void **state)
{
    struct keys *keys = calloc(1, sizeof *keys);
    assert_non_null(keys);
    assert_ok(key_generate(KEY_EC_P256, 0, &keys->p256));
    assert_ok(key_generate(KEY_EC_P384, 0, &keys->p384));
    assert_ok(key_generate(KEY_RSA, 2048, &keys->rsa));
    assert_ok(key_generate(KEY_EC_P256, 0, &keys->other));
    *state = keys;
    return 0;
}

static int drop_keys(void **state)
{
    struct keys *keys = *state;
    key_release(&keys->p256);
    key_release(&keys->p384);
    key_release(&keys->rsa);
    key_release(&keys->other);
    free(keys);
    return 0;
}

static void public_half(const struct key *key, struct key *out)
{
    scoped_json *jwk = NULL;
    assert_ok(key_to_jwk(key, &jwk));
    assert_ok(key_from_jwk(jwk, out));
}

static void oaep_opens_only_as_it_was_sealed(void **state)
{
    struct keys *keys = *state;
    struct world world = world_of_system();
    scoped_secret value = {0};
    assert_ok(secret_random(&world, 32, &value));
    static const enum key_oaep forms[] = {KEY_OAEP_SHA1, KEY_OAEP_SHA256, KEY_OAEP_SHA384};
    for (size_t i = 0; i < 3; i++) {
        scoped_buffer sealed;
        buffer_init(&sealed, 4096);
        assert_ok(key_oaep_encrypt(&keys->rsa, forms[i], &value, &sealed));
        scoped_secret opened = {0};
        assert_ok(key_oaep_decrypt(&keys->rsa, forms[i], buffer_view(&sealed), &opened));
        assert_true(secret_equal(&opened, &value));
        scoped_secret refused = {0};
        enum key_oaep other = forms[(i + 1) % 3];
        assert_why(key_oaep_decrypt(&keys->rsa, other, buffer_view(&sealed), &refused), UNTRUSTED,
                   "key.oaep");
        assert_why(
            key_oaep_decrypt(&keys->rsa, forms[i], bytes_slice(buffer_view(&sealed), 0, 255), &refused),
            UNTRUSTED, "key.oaep");
        sealed.data[100] ^= 1;
        assert_why(key_oaep_decrypt(&keys->rsa, forms[i], buffer_view(&sealed), &refused), UNTRUSTED,
                   "key.oaep");
        assert_null(refused.data);
    }
    scoped_buffer sealed;
    buffer_init(&sealed, 4096);
    scoped_secret long_value = {0};
    scoped_secret empty = {0};
    assert_ok(secret_random(&world, 191, &long_value));
    assert_why(key_oaep_encrypt(&keys->rsa, KEY_OAEP_SHA256, &long_value, &sealed), INVALID, "key.oaep.size");
    assert_why(key_oaep_encrypt(&keys->rsa, KEY_OAEP_SHA256, &empty, &sealed), INVALID, "key.oaep.size");
    assert_why(key_oaep_encrypt(&keys->p256, KEY_OAEP_SHA256, &value, &sealed), INVALID, "key.kind");
    scoped_key public_key = {0};
    public_half(&keys->rsa, &public_key);
    assert_why(key_oaep_decrypt(&public_key, KEY_OAEP_SHA256, (struct bytes){0}, &empty), INVALID,
               "key.not_private");
}

static void rsa_aes_wrap_opens_only_as_it_was_sealed(void **state)
{
    struct keys *keys = *state;
    struct world world = world_of_system();
    scoped_secret material = {0};
    assert_ok(key_to_pkcs8(&keys->p256, &material));
    scoped_buffer wrapped;
    buffer_init(&wrapped, 8192);
    assert_ok(key_rsa_aes_wrap(&world, &keys->rsa, KEY_OAEP_SHA256, &material, &wrapped));
    scoped_secret opened = {0};
    assert_ok(key_rsa_aes_unwrap(&keys->rsa, KEY_OAEP_SHA256, buffer_view(&wrapped), &opened));
    assert_true(secret_equal(&opened, &material));
    scoped_secret out = {0};
    struct bytes view = buffer_view(&wrapped);
    assert_why(key_rsa_aes_unwrap(&keys->rsa, KEY_OAEP_SHA1, view, &out), UNTRUSTED, "key.oaep");
    assert_why(key_rsa_aes_unwrap(&keys->rsa, KEY_OAEP_SHA256, bytes_slice(view, 0, 256), &out), UNTRUSTED,
               "key.rsa_aes");
    assert_why(key_rsa_aes_unwrap(&keys->rsa, KEY_OAEP_SHA256, bytes_slice(view, 0, 264), &out), UNTRUSTED,
               "keywrap.integrity");
    wrapped.data[wrapped.size - 1] ^= 1;
    assert_why(key_rsa_aes_unwrap(&keys->rsa, KEY_OAEP_SHA256, view, &out), UNTRUSTED, "keywrap.integrity");
    wrapped.data[0] ^= 1;
    assert_why(key_rsa_aes_unwrap(&keys->rsa, KEY_OAEP_SHA256, view, &out), UNTRUSTED, "key.oaep");
    assert_why(key_rsa_aes_unwrap(&keys->p256, KEY_OAEP_SHA256, view, &out), INVALID, "key.kind");
    scoped_secret short_key = {0};
    assert_ok(secret_random(&world, 16, &short_key));
    scoped_buffer weak;
    buffer_init(&weak, 8192);
    assert_ok(key_oaep_encrypt(&keys->rsa, KEY_OAEP_SHA256, &short_key, &weak));
    assert_ok(buffer_add(&weak, bytes_slice(view, 256, SIZE_MAX)));
    assert_why(key_rsa_aes_unwrap(&keys->rsa, KEY_OAEP_SHA256, buffer_view(&weak), &out), UNTRUSTED,
               "key.rsa_aes");
    assert_null(out.data);
    scoped_secret empty = {0};
    scoped_buffer none;
    buffer_init(&none, 8192);
    assert_why(key_rsa_aes_wrap(&world, &keys->rsa, KEY_OAEP_SHA256, &empty, &none), INVALID, "keywrap.size");
    assert_int_equal(none.size, 0);
}

static void agreement_is_for_p256(void **state)
{
    struct keys *keys = *state;
    scoped_key public_key = {0};
    public_half(&keys->other, &public_key);
    scoped_key mine = {0};
    public_half(&keys->p256, &mine);
    scoped_secret one = {0};
    scoped_secret two = {0};
    assert_ok(key_agree(&keys->p256, &public_key, &one));
    assert_ok(key_agree(&keys->other, &mine, &two));
    assert_true(secret_equal(&one, &two));
    scoped_secret out = {0};
    assert_why(key_agree(&mine, &public_key, &out), INVALID, "key.not_private");
    assert_why(key_agree(&keys->p384, &keys->p384, &out), INVALID, "key.kind");
    assert_why(key_agree(&keys->p256, &keys->rsa, &out), INVALID, "key.kind");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oaep_opens_only_as_it_was_sealed),
        cmocka_unit_test(rsa_aes_wrap_opens_only_as_it_was_sealed),
        cmocka_unit_test(agreement_is_for_p256),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
