/* crypto/aead.h: AES-256-GCM (NIST SP 800-38D) and AES key wrap (RFC 3394, RFC 5649).
 *
 * A `struct aead` is one key set up for one direction, reusable for many nonces without setting the key up
 * again (that is what makes 64 KiB segments fast). One thread at a time; make one per thread. */
#pragma once

#include "base/buffer.h"
#include "crypto/secret.h"

enum { AEAD_KEY_BYTES = 32, AEAD_NONCE_BYTES = 12, AEAD_TAG_BYTES = 16 };

struct aead {
    void *context;
    bool sealing;
};

/* INVALID unless the key has 32 octets. */
fallible aead_open_for_sealing(const struct secret *key, struct aead *out);
fallible aead_open_for_opening(const struct secret *key, struct aead *out);
void aead_close(struct aead *aead);
#define scoped_aead defer(aead_close) struct aead

/* Writes plaintext.size + 16 octets (ciphertext ‖ tag) to `out`. In place is allowed: out = plaintext. */
fallible aead_seal(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES], struct bytes associated,
                   struct bytes plaintext, uint8_t *out);
/* Writes sealed.size - 16 octets to `out`. UNTRUSTED "aead.tag" when it does not authenticate; then `out`
 * has been wiped. */
fallible aead_open(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES], struct bytes associated,
                   struct bytes untrusted_sealed, uint8_t *out);

/* One short sealed box with a random nonce in front: nonce ‖ ciphertext ‖ tag. For values in stores. */
fallible box_seal(const struct world *world, const struct secret *key, struct bytes associated,
                  const struct secret *plaintext, struct buffer *out);
fallible box_open(const struct secret *key, struct bytes associated, struct bytes untrusted_box,
                  struct secret *out);

/* AES key wrap without padding (A256KW, RFC 3394) and with padding (AES-KWP, RFC 5649). The key-encryption
 * key has 32 octets. Unwrapping gives UNTRUSTED "keywrap.integrity" for a wrong key or a changed input. */
fallible keywrap_seal(const struct secret *kek, const struct secret *key, struct buffer *out);
fallible keywrap_open(const struct secret *kek, struct bytes untrusted_wrapped, struct secret *out);
fallible keywrap_pad_seal(const struct secret *kek, const struct secret *key, struct buffer *out);
fallible keywrap_pad_open(const struct secret *kek, struct bytes untrusted_wrapped, struct secret *out);
