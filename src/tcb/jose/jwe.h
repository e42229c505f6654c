/* jose/jwe.h: results and sealed parameters: JWE General JSON Serialization (RFC 7516 §7.2.1), strict.
 *
 * One content encryption (A256GCM) under a fresh key, wrapped to every recipient with ECDH-ES+A256KW on
 * P-256 (RFC 7518 §4.6), one ephemeral key per recipient, apu and apv empty. The protected header is
 * {"enc":"A256GCM","typ":…}; each recipient has {"header":{"alg":"ECDH-ES+A256KW","epk":…,"kid":…},
 * "encrypted_key":…}. No `zip`, no `crit`, no `aad`. Any thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/key.h"

enum { JWE_RECIPIENTS_MAX = 32, JWE_PLAINTEXT_MAX = 40 * 1024 * 1024 };

/* Encrypts `plaintext` to all keys (P-256, 1 to 32, no two alike: INVALID "jwe.recipients"); the document
 * goes to `out`. LIMIT "jwe.size" beyond JWE_PLAINTEXT_MAX. */
fallible jwe_encrypt(const struct world *world, const char *typ, struct bytes plaintext,
                     const struct key recipients[], size_t recipient_count, struct buffer *out);

/* The plaintext is appended to `out` (initialised by the caller), which is unchanged on failure and
 * needs room for 16 octets more than the plaintext. The arena takes the decoded ciphertext. DENIED
 * "jwe.not_a_recipient", UNTRUSTED "jwe.content" (changed), INVALID "jwe.typ" and others for another form. */
fallible jwe_decrypt(struct arena *arena, struct bytes untrusted_document, const char *typ,
                     const struct key *private_key, struct buffer *out);

/* The kids (thumbprints) of the recipients, in order, copied to the arena. For the receipt and for `result
 * show`. */
fallible jwe_recipients(struct arena *arena, struct bytes untrusted_document,
                        struct text out[JWE_RECIPIENTS_MAX], size_t *out_count);
