/* party/home/keystore.h: a party's own keys, in its folder.
 *
 *   card.json      the signed card
 *   signing.pem    ES256 signing key, encrypted PKCS#8 under the passphrase
 *   result.pem     ECDH key to which results are encrypted, likewise
 *   storage.jwe    key of 32 octets that seals data keys at rest, encrypted to the result key
 *   former/HEX/    the same files of before each rotation: they open older results
 *
 * The passphrase is the only thing that opens them. One process at a time writes. */
#pragma once

#include "party/home/card.h"

struct keystore {
    struct card card;
    struct key signing;
    struct key result;
    struct secret storage;
};

void keystore_release(struct keystore *keystore);
#define scoped_keystore defer(keystore_release) struct keystore

/* Makes the keys, the storage key and the card. CONFLICT "keystore.exists". */
fallible keystore_create(const struct world *world, const char *folder, struct text name,
                         const struct secret *passphrase);
/* Unlocks all keys and checks that they belong to the card. UNAUTHENTICATED "key.passphrase"; NOT_FOUND
 * without a party there; CORRUPT "keystore.mismatch". Finishes a rotation that was interrupted. */
fallible keystore_open(struct arena *arena, const char *folder, const struct secret *passphrase,
                       struct keystore *out);
/* The card alone, without a passphrase. */
fallible keystore_card(struct arena *arena, const char *folder, struct card *out);
/* New signing and result keys; the new card is signed by both. The storage key stays and is encrypted anew.
 */
fallible keystore_rotate(const struct world *world, const char *folder, const struct secret *passphrase);

enum { KEYSTORE_FORMER_MAX = 64 };
/* The result keys of before rotations, newest last. The caller releases each. */
fallible keystore_former_result_keys(struct arena *arena, const char *folder, const struct secret *passphrase,
                                     struct key out[KEYSTORE_FORMER_MAX], size_t *out_count);
