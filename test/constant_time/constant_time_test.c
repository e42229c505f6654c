/* Secrets are undefined memory here: valgrind then reports every jump and every address that depends on one,
 * which is what an observer of time and caches could see. Covered is what claims to compare or derive in
 * constant time: comparisons, digests, key derivation, sealing, and handling of secrets. A verdict is public:
 * it is declared so where it has been computed. The first case plants a leak: a run that does not report it
 * proves nothing.
 *
 * Not covered: what OpenSSL does with private keys (RSA and EC blind instead, which this method cannot see),
 * and the branch by which OpenSSL turns the comparison of a tag into its verdict. */
#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/library.h"

#include <stdio.h>
#include <valgrind/memcheck.h>

enum { SIZE = 64 };

static void poison(const struct secret *secret)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(secret->data, secret->size);
}

static void reveal(void *data, size_t size)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(data, size);
}

/* The octets are set before they are poisoned: undefined is what valgrind is told, not what they are. */
static void make(uint8_t fill, struct secret *out)
{
    ASSERT(result_is_ok(secret_new(SIZE, out)));
    memset(out->data, fill, SIZE);
    poison(out);
}

/* ---- Cases: true where the answer is right ---- */

static bool plants_a_leak(void)
{
    scoped_secret secret = {0};
    make(7, &secret);
    uint8_t untouched[SIZE] = {7};
    bool equal = memcmp(secret.data, untouched, SIZE) == 0; /* stops at the second octet */
    reveal(&equal, sizeof equal);
    return !equal;
}

static bool plants_a_table(void)
{
    static volatile const uint8_t table[256] = {[7] = 1};
    scoped_secret secret = {0};
    make(7, &secret);
    uint8_t found = table[secret.data[0]];
    reveal(&found, sizeof found);
    return found == 1;
}

static bool compares_secrets(void)
{
    bool right = true;
    for (size_t different = 0; different <= SIZE; different += SIZE / 2) {
        scoped_secret left = {0};
        scoped_secret other = {0};
        make(7, &left);
        make(7, &other);
        if (different < SIZE) {
            other.data[different] ^= 1;
        }
        bool equal = secret_equal(&left, &other);
        reveal(&equal, sizeof equal);
        right = right && equal == (different == SIZE);
    }
    return right;
}

static bool compares_digests(void)
{
    bool right = true;
    for (size_t different = 0; different <= DIGEST_BYTES; different += DIGEST_BYTES / 2) {
        struct digest left = {{1}};
        struct digest other = {{1}};
        if (different < DIGEST_BYTES) {
            other.octets[different] ^= 1;
        }
        (void)VALGRIND_MAKE_MEM_UNDEFINED(&left, sizeof left);
        bool equal = digest_equal(&left, &other);
        reveal(&equal, sizeof equal);
        right = right && equal == (different == DIGEST_BYTES);
    }
    return right;
}

static bool digests(void)
{
    scoped_secret secret = {0};
    make(7, &secret);
    struct digest poisoned = digest_of(secret_view(&secret));
    reveal(&poisoned, sizeof poisoned);
    uint8_t same[SIZE];
    memset(same, 7, SIZE);
    struct digest want = digest_of(BYTES_OF(same));
    return digest_equal(&poisoned, &want);
}

static bool authenticates(void)
{
    scoped_secret key = {0};
    make(7, &key);
    struct digest one;
    struct digest other;
    ASSERT(result_is_ok(digest_hmac(&key, bytes_of_text(TEXT("message")), &one)));
    ASSERT(result_is_ok(digest_hmac(&key, bytes_of_text(TEXT("another")), &other)));
    bool equal = digest_equal(&one, &other);
    reveal(&equal, sizeof equal);
    return !equal;
}

static bool derives(void)
{
    scoped_secret key = {0};
    scoped_secret one = {0};
    scoped_secret other = {0};
    make(7, &key);
    struct bytes salt = bytes_of_text(TEXT("salt"));
    ASSERT(result_is_ok(digest_hkdf(&key, salt, bytes_of_text(TEXT("a")), 32, &one)));
    ASSERT(result_is_ok(digest_hkdf(&key, salt, bytes_of_text(TEXT("b")), 32, &other)));
    bool equal = secret_equal(&one, &other);
    reveal(&equal, sizeof equal);
    return !equal;
}

static bool seals(void)
{
    scoped_secret key = {0};
    scoped_secret plain = {0};
    make(7, &key);
    make(8, &plain);
    secret_shorten(&key, AEAD_KEY_BYTES);
    static const uint8_t nonce[AEAD_NONCE_BYTES] = {1};
    uint8_t sealed[SIZE + AEAD_TAG_BYTES];
    scoped_aead aead = {0};
    ASSERT(result_is_ok(aead_open_for_sealing(&key, &aead)));
    ASSERT(result_is_ok(aead_seal(&aead, nonce, (struct bytes){0}, secret_view(&plain), sealed)));
    reveal(sealed, sizeof sealed);
    return sealed[0] != 8 || sealed[1] != 8;
}

static bool moves_and_wipes(void)
{
    scoped_secret secret = {0};
    scoped_secret moved = {0};
    make(7, &secret);
    secret_move(&secret, &moved);
    secret_shorten(&moved, SIZE / 2);
    wipe(moved.data, moved.size);
    return secret.data == NULL && moved.data[0] == 0;
}

static const struct {
    const char *name;
    bool (*run)(void);
    bool leaks;
} cases[] = {
    {"a planted comparison is reported", plants_a_leak, true},
    {"a planted table is reported", plants_a_table, true},
    {"secret_equal", compares_secrets, false},
    {"digest_equal", compares_digests, false},
    {"digest_of", digests, false},
    {"digest_hmac", authenticates, false},
    {"digest_hkdf", derives, false},
    {"aead_seal", seals, false},
    {"secret_move, secret_shorten, wipe", moves_and_wipes, false},
};

int main(void)
{
    size_t count = sizeof cases / sizeof *cases;
    if (RUNNING_ON_VALGRIND == 0) {
        printf("1..0 # SKIP valgrind runs this\n");
        return 0;
    }
    printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        unsigned long before = VALGRIND_COUNT_ERRORS;
        bool right = cases[i].run();
        bool leaked = VALGRIND_COUNT_ERRORS > before;
        printf("%s %zu - %s\n", right && leaked == cases[i].leaks ? "ok" : "not ok", i + 1, cases[i].name);
        fflush(stdout);
    }
    return 0;
}
