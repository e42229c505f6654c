#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/test_support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARENA_BYTES = 1024 * 1024 };

/* --- secret -------------------------------------------------------------------------------------- */

static void secrets_are_bounded_and_movable(void **state)
{
    (void)state;
    struct world world = world_of_system();
    scoped_secret secret = {0};
    assert_why(secret_new(SECRET_SIZE_MAX + 1, &secret), LIMIT, "secret.size");
    assert_null(secret.data);
    assert_ok(secret_new(0, &secret));
    assert_null(secret.data);
    secret_release(&secret);

    assert_ok(secret_random(&world, SECRET_SIZE_MAX, &secret));
    scoped_secret moved = {0};
    secret_move(&secret, &moved);
    assert_null(secret.data);
    assert_int_equal(moved.size, SECRET_SIZE_MAX);

    scoped_secret copy = {0};
    assert_ok(secret_from(secret_view(&moved), &copy));
    assert_true(secret_equal(&copy, &moved));
    copy.data[SECRET_SIZE_MAX - 1] ^= 1;
    assert_false(secret_equal(&copy, &moved));
    copy.data[SECRET_SIZE_MAX - 1] ^= 1;
    secret_shorten(&copy, 7);
    assert_int_equal(copy.size, 7);
    assert_int_equal(copy.data[7], 0);
    assert_int_equal(copy.data[SECRET_SIZE_MAX - 1], 0);
    assert_false(secret_equal(&copy, &moved));
}

static fallible no_random(void *self, uint8_t *out, size_t size)
{
    (void)self;
    (void)out;
    (void)size;
    return FAIL(UNAVAILABLE, "world.random");
}

static void a_failing_random_source_is_reported(void **state)
{
    (void)state;
    struct world world = world_of_system();
    world.random = no_random;
    scoped_secret secret = {0};
    assert_why(secret_random(&world, 32, &secret), UNAVAILABLE, "world.random");
    assert_null(secret.data);
}

static int end_of_child(void (*act)(struct secret *), struct secret *secret)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        act(secret);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void read_behind(struct secret *secret)
{
    volatile uint8_t *data = secret->data;
    (void)data[(secret->size + 15) / 16 * 16];
}

static void read_before(struct secret *secret)
{
    volatile uint8_t *data = secret->data;
    (void)*(data - (uintptr_t)data % (uintptr_t)sysconf(_SC_PAGESIZE) - 1);
}

static void see_whether_wiped(struct secret *secret)
{
    for (size_t i = 0; i < secret->size; i++) {
        if (secret->data[i] != 0) {
            _exit(3);
        }
    }
}

static bool was_killed(int status)
{
    /* A sanitizer reports the fault and exits instead. */
    return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

static void guard_pages_stop_a_reader(void **state)
{
    (void)state;
    scoped_secret secret = {0};
    assert_ok(secret_new(4096 + 100, &secret));
    assert_true(was_killed(end_of_child(read_behind, &secret)));
    assert_true(was_killed(end_of_child(read_before, &secret)));
}

static void a_forked_child_has_no_secret(void **state)
{
    (void)state;
    struct world world = world_of_system();
    scoped_secret secret = {0};
    assert_ok(secret_random(&world, 64, &secret));
    int status = end_of_child(see_whether_wiped, &secret);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void wiping_overwrites(void **state)
{
    (void)state;
    uint8_t octets[3] = {1, 2, 3};
    static const uint8_t want[3] = {0, 0, 3};
    wipe(octets, 2);
    assert_memory_equal(octets, want, sizeof want);
    wipe(NULL, 0);
}

/* --- digest -------------------------------------------------------------------------------------- */

static void sha2_of_abc(void **state)
{
    (void)state;
    struct digest digest = digest_of(bytes_of_text(TEXT("abc")));
    assert_hex(digest_view(&digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct digest384 large = digest384_of(bytes_of_text(TEXT("abc")));
    assert_hex(BYTES_OF(large.octets), "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                                       "8086072ba1e7cc2358baeca134c825a7");
    scoped_hasher hasher = {0};
    struct digest again;
    assert_ok(hasher_init(&hasher));
    assert_ok(hasher_add(&hasher, bytes_of_text(TEXT("a"))));
    assert_ok(hasher_add(&hasher, (struct bytes){0}));
    assert_ok(hasher_add(&hasher, bytes_of_text(TEXT("bc"))));
    assert_ok(hasher_finish(&hasher, &again));
    assert_true(digest_equal(&digest, &again));
    again.octets[31] ^= 1;
    assert_false(digest_equal(&digest, &again));
}

static void digests_have_one_text(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct digest digest = digest_of((struct bytes){0});
    struct text text;
    assert_ok(digest_to_text(&arena, &digest, &text));
    assert_true(text_is(text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    struct digest again;
    assert_ok(digest_from_text(text, &again));
    assert_true(digest_equal(&digest, &again));
    static const struct text refused[] = {
        TEXT(""),
        TEXT("sha256:"),
        TEXT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        TEXT("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8"),
        TEXT("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85500"),
        TEXT("sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        TEXT("sha384:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        TEXT("sha256:x3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_why(digest_from_text(refused[i], &again), INVALID, "digest.form");
    }
}

static void hmac_of_rfc4231(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_secret key = secret_of_hex(&arena, "4a656665");
    struct digest digest;
    assert_ok(digest_hmac(&key, bytes_of_text(TEXT("what do ya want for nothing?")), &digest));
    assert_hex(digest_view(&digest), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    scoped_secret empty = {0};
    assert_ok(digest_hmac(&empty, (struct bytes){0}, &digest));
    assert_hex(digest_view(&digest), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hkdf_of_rfc5869(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *salt;
        const char *info;
        const char *want;
    } rows[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    };
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_secret key = secret_of_hex(&arena, rows[i].key);
        scoped_secret out = {0};
        assert_ok(
            digest_hkdf(&key, from_hex(&arena, rows[i].salt), from_hex(&arena, rows[i].info), 42, &out));
        assert_hex(secret_view(&out), rows[i].want);
    }
    scoped_secret key = secret_of_hex(&arena, "00");
    scoped_secret empty = {0};
    scoped_secret out = {0};
    static const uint8_t info[1025];
    assert_why(digest_hkdf(&empty, (struct bytes){0}, (struct bytes){0}, 32, &out), INVALID,
               "digest.hkdf.key");
    assert_why(digest_hkdf(&key, (struct bytes){0}, (struct bytes){0}, 0, &out), LIMIT, "digest.hkdf.size");
    assert_why(digest_hkdf(&key, (struct bytes){0}, (struct bytes){0}, 8161, &out), LIMIT,
               "digest.hkdf.size");
    assert_why(digest_hkdf(&key, (struct bytes){0}, BYTES_OF(info), 32, &out), LIMIT, "digest.hkdf.info");
    assert_null(out.data);
    assert_ok(digest_hkdf(&key, (struct bytes){0}, (struct bytes){info, 1024}, 8160, &out));
}

/* RFC 7518 appendix C. */
static void concat_kdf_of_rfc7518(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_key alice = key_of_scalar(&arena, "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");
    scoped_key bob = {0};
    assert_ok(key_of_jwk_text("{\"kty\":\"EC\",\"crv\":\"P-256\","
                              "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
                              "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\"}",
                              &bob));
    scoped_secret shared = {0};
    assert_ok(key_agree(&alice, &bob, &shared));
    assert_hex(secret_view(&shared), "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4");
    static const uint8_t info[] = "\0\0\0\7A128GCM\0\0\0\5Alice\0\0\0\3Bob\0\0\0\200";
    scoped_secret key = {0};
    assert_ok(digest_concat_kdf(&shared, (struct bytes){info, sizeof info - 1}, 16, &key));
    assert_true(bytes_equal(secret_view(&key), from_base64url(&arena, "VqqN6vgjbSBcIijNcacQGg")));
    scoped_secret empty = {0};
    assert_why(digest_concat_kdf(&empty, BYTES_OF(info), 16, &key), INVALID, "digest.concat_kdf.key");
    assert_why(digest_concat_kdf(&shared, BYTES_OF(info), 0, &key), LIMIT, "digest.concat_kdf.size");
}

static void merkle_roots_of_rfc6962(void **state)
{
    (void)state;
    static const char *const leaves[] = {
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
    static const char *const want[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                       "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                       "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                       "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                       "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                       "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                       "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                       "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                       "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct digest hashes[8];
    for (size_t i = 0; i < 8; i++) {
        hashes[i] = merkle_leaf(from_hex(&arena, leaves[i]));
    }
    struct digest root;
    for (size_t count = 0; count <= 8; count++) {
        assert_ok(merkle_root(&arena, hashes, count, &root));
        assert_hex(digest_view(&root), want[count]);
    }
    scoped_arena small;
    arena_init(&small, 7 * DIGEST_BYTES);
    assert_why(merkle_root(&small, hashes, 8, &root), LIMIT, "arena.full");
}

/* --- aead, box, key wrap --------------------------------------------------------------------------- */

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13, 14, 16. */
static void gcm_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *nonce;
        const char *associated;
        const char *plaintext;
        const char *want;
    } rows[] = {
        {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
         "", "530f8afbc74536b9a963b4f1c4cb738b"},
        {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
         "00000000000000000000000000000000",
         "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
        {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
         "feedfacedeadbeeffeedfacedeadbeefabaddad2",
         "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
         "b16aedf5aa0de657ba637b39",
         "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
         "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
    };
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_secret key = secret_of_hex(&arena, rows[i].key);
        struct bytes nonce = from_hex(&arena, rows[i].nonce);
        struct bytes associated = from_hex(&arena, rows[i].associated);
        struct bytes plaintext = from_hex(&arena, rows[i].plaintext);
        scoped_aead sealing = {0};
        scoped_aead opening = {0};
        assert_ok(aead_open_for_sealing(&key, &sealing));
        assert_ok(aead_open_for_opening(&key, &opening));
        uint8_t sealed[128];
        uint8_t opened[128];
        for (int again = 0; again < 2; again++) {
            assert_ok(aead_seal(&sealing, nonce.data, associated, plaintext, sealed));
            struct bytes view = {sealed, plaintext.size + AEAD_TAG_BYTES};
            assert_hex(view, rows[i].want);
            assert_ok(aead_open(&opening, nonce.data, associated, view, opened));
            assert_true(bytes_equal((struct bytes){opened, plaintext.size}, plaintext));
        }
    }
}

static void aead_refuses_every_change(void **state)
{
    (void)state;
    struct world world = world_of_system();
    scoped_secret key = {0};
    assert_ok(secret_random(&world, AEAD_KEY_BYTES, &key));
    scoped_aead sealing = {0};
    scoped_aead opening = {0};
    assert_ok(aead_open_for_sealing(&key, &sealing));
    assert_ok(aead_open_for_opening(&key, &opening));
    uint8_t nonce[AEAD_NONCE_BYTES] = {7};
    struct bytes associated = bytes_of_text(TEXT("part 1"));
    uint8_t text[20 + AEAD_TAG_BYTES] = "in place is allowed";
    assert_ok(aead_seal(&sealing, nonce, associated, (struct bytes){text, 20}, text));
    for (size_t i = 0; i < sizeof text; i++) {
        uint8_t out[20];
        memset(out, 0xaa, sizeof out);
        text[i] ^= 1;
        assert_why(aead_open(&opening, nonce, associated, BYTES_OF(text), out), UNTRUSTED, "aead.tag");
        text[i] ^= 1;
        for (size_t at = 0; at < sizeof out; at++) {
            assert_int_equal(out[at], 0);
        }
    }
    uint8_t out[20];
    uint8_t other[AEAD_NONCE_BYTES] = {8};
    struct bytes whole = BYTES_OF(text);
    assert_why(aead_open(&opening, other, associated, whole, out), UNTRUSTED, "aead.tag");
    assert_why(aead_open(&opening, nonce, bytes_of_text(TEXT("part 2")), whole, out), UNTRUSTED, "aead.tag");
    assert_why(aead_open(&opening, nonce, associated, bytes_slice(whole, 0, 15), out), UNTRUSTED, "aead.tag");
    assert_why(aead_open(&opening, nonce, associated, bytes_slice(whole, 0, 35), out), UNTRUSTED, "aead.tag");
    assert_ok(aead_open(&opening, nonce, associated, whole, text));
    assert_string_equal((char *)text, "in place is allowed");
    secret_shorten(&key, 16);
    scoped_aead refused = {0};
    assert_why(aead_open_for_sealing(&key, &refused), INVALID, "aead.key_size");
    assert_why(aead_open_for_opening(&key, &refused), INVALID, "aead.key_size");
}

static void boxes_open_only_as_they_were_sealed(void **state)
{
    (void)state;
    struct world world = world_of_system();
    scoped_secret key = {0};
    scoped_secret other = {0};
    scoped_secret value = {0};
    assert_ok(secret_random(&world, 32, &key));
    assert_ok(secret_random(&world, 32, &other));
    assert_ok(secret_random(&world, 100, &value));
    struct bytes name = bytes_of_text(TEXT("name"));
    scoped_buffer box;
    buffer_init(&box, 1024);
    assert_ok(box_seal(&world, &key, name, &value, &box));
    assert_int_equal(box.size, 12 + 100 + 16);
    scoped_secret opened = {0};
    assert_why(box_open(&other, name, buffer_view(&box), &opened), UNTRUSTED, "aead.tag");
    assert_why(box_open(&key, bytes_of_text(TEXT("eman")), buffer_view(&box), &opened), UNTRUSTED,
               "aead.tag");
    assert_why(box_open(&key, name, bytes_slice(buffer_view(&box), 0, 27), &opened), UNTRUSTED, "aead.tag");
    assert_ok(box_open(&key, name, buffer_view(&box), &opened));
    assert_true(secret_equal(&opened, &value));
    scoped_buffer small;
    buffer_init(&small, 127);
    assert_why(box_seal(&world, &key, name, &value, &small), LIMIT, "buffer.full");
    assert_int_equal(small.size, 0);
}

static const char kek_hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/* RFC 3394 §4.3 and §4.6. The vectors of RFC 5649 have a key of 192 bits; the padded ones here were made
 * with the procedure of its §4.1, written apart and checked against those. */
static void key_wrap_vectors(void **state)
{
    (void)state;
    static const struct {
        bool padded;
        const char *key;
        const char *want;
    } rows[] = {
        {false, "00112233445566778899aabbccddeeff", "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
        {false, "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
         "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
        {true, "466f7250617369", "443b17837bb39348610d19202df8a1f9"},
        {true, "c37b7e6492584340bed12207808941155068f738",
         "29b7fa191c2165684374eee9f74595e2a42bace75c425b3053efa26ffe1bb32f"},
    };
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_secret kek = secret_of_hex(&arena, kek_hex);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped_secret key = secret_of_hex(&arena, rows[i].key);
        scoped_buffer wrapped;
        buffer_init(&wrapped, 1024);
        assert_ok(rows[i].padded ? keywrap_pad_seal(&kek, &key, &wrapped)
                                 : keywrap_seal(&kek, &key, &wrapped));
        assert_hex(buffer_view(&wrapped), rows[i].want);
        scoped_secret opened = {0};
        assert_ok(rows[i].padded ? keywrap_pad_open(&kek, buffer_view(&wrapped), &opened)
                                 : keywrap_open(&kek, buffer_view(&wrapped), &opened));
        assert_true(secret_equal(&opened, &key));
    }
}

static void key_wrap_refuses_every_change(void **state)
{
    (void)state;
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES);
    scoped_secret kek = secret_of_hex(&arena, kek_hex);
    scoped_secret key = secret_of_hex(&arena, kek_hex);
    scoped_buffer plain;
    scoped_buffer padded;
    buffer_init(&plain, 1024);
    buffer_init(&padded, 1024);
    assert_ok(keywrap_seal(&kek, &key, &plain));
    assert_ok(keywrap_pad_seal(&kek, &key, &padded));
    scoped_secret out = {0};
    for (size_t i = 0; i < plain.size; i++) {
        plain.data[i] ^= 1;
        padded.data[i] ^= 1;
        assert_why(keywrap_open(&kek, buffer_view(&plain), &out), UNTRUSTED, "keywrap.integrity");
        assert_why(keywrap_pad_open(&kek, buffer_view(&padded), &out), UNTRUSTED, "keywrap.integrity");
        plain.data[i] ^= 1;
        padded.data[i] ^= 1;
    }
    assert_why(keywrap_open(&kek, buffer_view(&padded), &out), UNTRUSTED, "keywrap.integrity");
    assert_why(keywrap_pad_open(&kek, buffer_view(&plain), &out), UNTRUSTED, "keywrap.integrity");
    for (size_t size = 0; size < plain.size; size++) {
        struct bytes part = bytes_slice(buffer_view(&plain), 0, size);
        assert_why(keywrap_open(&kek, part, &out), UNTRUSTED, "keywrap.integrity");
        assert_why(keywrap_pad_open(&kek, part, &out), UNTRUSTED, "keywrap.integrity");
    }
    scoped_secret odd = secret_of_hex(&arena, "0102030405060708090a0b0c0d0e0f1011");
    scoped_secret empty = {0};
    size_t before = plain.size;
    assert_why(keywrap_seal(&kek, &odd, &plain), INVALID, "keywrap.size");
    assert_why(keywrap_pad_seal(&kek, &empty, &plain), INVALID, "keywrap.size");
    assert_why(keywrap_seal(&odd, &key, &plain), INVALID, "keywrap.key_size");
    assert_why(keywrap_open(&odd, buffer_view(&plain), &out), INVALID, "keywrap.key_size");
    assert_int_equal(plain.size, before);
    assert_null(out.data);
    static uint8_t huge[SECRET_SIZE_MAX + 8];
    assert_why(keywrap_pad_open(&kek, BYTES_OF(huge), &out), LIMIT, "keywrap.size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_bounded_and_movable),
        cmocka_unit_test(a_failing_random_source_is_reported),
        cmocka_unit_test(guard_pages_stop_a_reader),
        cmocka_unit_test(a_forked_child_has_no_secret),
        cmocka_unit_test(wiping_overwrites),
        cmocka_unit_test(sha2_of_abc),
        cmocka_unit_test(digests_have_one_text),
        cmocka_unit_test(hmac_of_rfc4231),
        cmocka_unit_test(hkdf_of_rfc5869),
        cmocka_unit_test(concat_kdf_of_rfc7518),
        cmocka_unit_test(merkle_roots_of_rfc6962),
        cmocka_unit_test(gcm_vectors),
        cmocka_unit_test(aead_refuses_every_change),
        cmocka_unit_test(boxes_open_only_as_they_were_sealed),
        cmocka_unit_test(key_wrap_vectors),
        cmocka_unit_test(key_wrap_refuses_every_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
