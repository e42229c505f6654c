#include "crypto/aead.h"

#include "crypto/adapter.h"

#include <limits.h>
#include <openssl/evp.h>

static fallible open_for(bool sealing, const struct secret *key, struct aead *out)
{
    LEAVE_NO_ERROR_QUEUE;
    REQUIRE(key->size == AEAD_KEY_BYTES, INVALID, "aead.key_size");
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    REQUIRE(context != NULL, NO_MEMORY, "aead.context");
    if (EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), key->data, NULL, sealing ? 1 : 0, NULL) != 1) {
        EVP_CIPHER_CTX_free(context);
        return FAIL(INTERNAL, "aead.context");
    }
    *out = (struct aead){context, sealing};
    return OK;
}

fallible aead_open_for_sealing(const struct secret *key, struct aead *out)
{
    return open_for(true, key, out);
}

fallible aead_open_for_opening(const struct secret *key, struct aead *out)
{
    return open_for(false, key, out);
}

void aead_close(struct aead *aead)
{
    EVP_CIPHER_CTX_free(aead->context);
    aead->context = NULL;
}

/* Sets the nonce under the key that is already there, and takes the associated data and the text. */
static bool process(struct aead *aead, const uint8_t *nonce, struct bytes associated, struct bytes input,
                    uint8_t *out)
{
    int size = 0;
    if (EVP_CipherInit_ex2(aead->context, NULL, NULL, nonce, -1, NULL) != 1) {
        return false;
    }
    if (associated.size > 0 &&
        EVP_CipherUpdate(aead->context, NULL, &size, associated.data, (int)associated.size) != 1) {
        return false;
    }
    return input.size == 0 ||
           (EVP_CipherUpdate(aead->context, out, &size, input.data, (int)input.size) == 1 &&
            (size_t)size == input.size);
}

fallible aead_seal(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES], struct bytes associated,
                   struct bytes plaintext, uint8_t *out)
{
    LEAVE_NO_ERROR_QUEUE;
    ASSERT(aead->context != NULL && aead->sealing);
    REQUIRE(associated.size <= INT_MAX && plaintext.size <= INT_MAX - AEAD_TAG_BYTES, LIMIT, "aead.size");
    int size = 0;
    uint8_t *tag = out + plaintext.size;
    bool done = process(aead, nonce, associated, plaintext, out) &&
                EVP_CipherFinal_ex(aead->context, tag, &size) == 1 && size == 0 &&
                EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES, tag) == 1;
    REQUIRE(done, INTERNAL, "aead.seal");
    return OK;
}

fallible aead_open(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES], struct bytes associated,
                   struct bytes untrusted_sealed, uint8_t *out)
{
    LEAVE_NO_ERROR_QUEUE;
    ASSERT(aead->context != NULL && !aead->sealing);
    REQUIRE(associated.size <= INT_MAX && untrusted_sealed.size <= INT_MAX, LIMIT, "aead.size");
    REQUIRE(untrusted_sealed.size >= AEAD_TAG_BYTES, UNTRUSTED, "aead.tag");
    struct bytes ciphertext = {untrusted_sealed.data, untrusted_sealed.size - AEAD_TAG_BYTES};
    uint8_t tag[AEAD_TAG_BYTES];
    memcpy(tag, ciphertext.data + ciphertext.size, sizeof tag);
    int size = 0;
    uint8_t none[AEAD_TAG_BYTES];
    bool done = process(aead, nonce, associated, ciphertext, out) &&
                EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) == 1 &&
                EVP_CipherFinal_ex(aead->context, none, &size) == 1;
    if (!done) {
        wipe(out, ciphertext.size);
        return FAIL(UNTRUSTED, "aead.tag");
    }
    return OK;
}

fallible box_seal(const struct world *world, const struct secret *key, struct bytes associated,
                  const struct secret *plaintext, struct buffer *out)
{
    uint8_t nonce[AEAD_NONCE_BYTES];
    TRY(world_random(world, nonce, sizeof nonce));
    scoped_aead aead = {0};
    TRY(aead_open_for_sealing(key, &aead));
    size_t before = out->size;
    uint8_t *box;
    TRY(buffer_extend(out, AEAD_NONCE_BYTES + plaintext->size + AEAD_TAG_BYTES, &box));
    memcpy(box, nonce, sizeof nonce);
    struct result result = aead_seal(&aead, nonce, associated, secret_view(plaintext), box + sizeof nonce);
    if (!result_is_ok(result)) {
        out->size = before;
    }
    return result;
}

fallible box_open(const struct secret *key, struct bytes associated, struct bytes untrusted_box,
                  struct secret *out)
{
    REQUIRE(untrusted_box.size >= AEAD_NONCE_BYTES + AEAD_TAG_BYTES, UNTRUSTED, "aead.tag");
    scoped_aead aead = {0};
    TRY(aead_open_for_opening(key, &aead));
    scoped_secret secret = {0};
    TRY(secret_new(untrusted_box.size - AEAD_NONCE_BYTES - AEAD_TAG_BYTES, &secret));
    struct bytes sealed = bytes_slice(untrusted_box, AEAD_NONCE_BYTES, SIZE_MAX);
    TRY(aead_open(&aead, untrusted_box.data, associated, sealed, secret.data));
    *out = (struct secret){0};
    secret_move(&secret, out);
    return OK;
}
