/* crypto/key.h: asymmetric keys: EC P-256 and P-384, RSA.
 *
 * A `struct key` holds a public key, or a private key with its public half; it owns what it holds. The
 * algorithm is never taken from a message: the caller says what it expects and the key's kind must fit.
 * ECDSA signatures are raw r‖s (RFC 7518 §3.4). We sign with low s and refuse a high s when verifying
 * ES256 (BIP 62 rule 5, the order of P-256), so a signature has one form. Private keys leave only as
 * secrets. Signing and verifying may be done from several threads at once. */
#pragma once

#include "base/buffer.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "crypto/secret.h"

enum key_kind { KEY_NONE = 0, KEY_EC_P256, KEY_EC_P384, KEY_RSA };

enum key_algorithm {
    KEY_ALGORITHM_NONE = 0,
    KEY_ES256, /* P-256, SHA-256, 64 octets */
    KEY_ES384, /* P-384, SHA-384, 96 octets */
    KEY_RS256, /* RSASSA-PKCS1-v1_5, SHA-256 */
    KEY_PS256, /* RSASSA-PSS, SHA-256, salt 32 */
};

enum { KEY_SIGNATURE_BYTES_MAX = 512, KEY_RSA_BITS_MIN = 2048, KEY_RSA_BITS_MAX = 4096 };

struct key {
    void *pkey;
    enum key_kind kind;
    bool is_private;
};

/* `rsa_bits` is 2048, 3072 or 4096 for KEY_RSA and 0 otherwise. */
fallible key_generate(enum key_kind kind, unsigned rsa_bits, struct key *out);
/* An RSA key, as long as `goes_on` says so, which is asked every few milliseconds. UNAVAILABLE
 * "key.generate.interrupted". */
fallible key_generate_while(unsigned rsa_bits, bool (*goes_on)(void *self), void *self, struct key *out);
void key_release(struct key *key);
#define scoped_key defer(key_release) struct key
/* A second owner of the same key material. */
fallible key_share(const struct key *key, struct key *out);
void key_move(struct key *from, struct key *to);

unsigned key_rsa_bits(const struct key *key); /* 0 unless RSA */

/* Public keys as JWK (RFC 7517): exactly kty, crv, x, y or kty, n, e. `key_from_jwk` ignores kid, use,
 * key_ops, alg, x5c of the object (callers look at them), refuses private members (d, p, q, k) and points
 * that are not on the curve and an even or small exponent. UNSUPPORTED for another kty or crv and for RSA
 * outside 2048..4096 bits; INVALID otherwise. */
fallible key_to_jwk(const struct key *key, json_t **out);
fallible key_from_jwk(const json_t *untrusted_jwk, struct key *out);

/* SubjectPublicKeyInfo DER, and its SHA-256: the pin of a key. */
fallible key_to_spki(const struct key *key, struct buffer *out);
fallible key_from_spki(struct bytes untrusted_der, struct key *out);
fallible key_pin(const struct key *key, struct digest *out);
/* RFC 7638 thumbprint (SHA-256): the fingerprint of a party's key, and our `kid`. */
fallible key_thumbprint(const struct key *key, struct digest *out);

/* Private keys as PKCS#8 DER in a secret, and as encrypted PKCS#8 PEM (PBES2, scrypt N=2^14 r=8 p=5,
 * AES-256-CBC: what OpenSSL's own memory limit allows) for files. A wrong passphrase is UNAUTHENTICATED
 * "key.passphrase". */
fallible key_to_pkcs8(const struct key *key, struct secret *out);
fallible key_from_pkcs8(const struct secret *pkcs8, struct key *out);
fallible key_to_encrypted_pem(const struct key *key, const struct secret *passphrase, struct buffer *out);
fallible key_from_encrypted_pem(struct bytes pem, const struct secret *passphrase, struct key *out);
/* Private key in plain PEM, for service keys in files of mode 600 (TLS). */
fallible key_to_pem(const struct key *key, struct buffer *out);
fallible key_from_pem(struct bytes pem, struct key *out);

/* Whether a key is of the kind that an algorithm needs. */
bool key_fits(const struct key *key, enum key_algorithm algorithm);

/* Signs `message` (hashes it inside). The signature goes to `out`, its size to `out_size`. INVALID when
 * key and algorithm do not fit or the key is public. */
fallible key_sign(const struct key *key, enum key_algorithm algorithm, struct bytes message,
                  uint8_t out[static KEY_SIGNATURE_BYTES_MAX], size_t *out_size);
/* The same over a digest of the algorithm's hash (Key Vault's `sign`). */
fallible key_sign_digest(const struct key *key, enum key_algorithm algorithm, struct bytes digest,
                         uint8_t out[static KEY_SIGNATURE_BYTES_MAX], size_t *out_size);
/* UNTRUSTED "key.signature" when it does not hold; UNTRUSTED "key.signature.high_s" for a malleated ES256. */
fallible key_verify(const struct key *key, enum key_algorithm algorithm, struct bytes message,
                    struct bytes untrusted_signature);
fallible key_verify_digest(const struct key *key, enum key_algorithm algorithm, struct bytes digest,
                           struct bytes untrusted_signature);

/* RSAES-OAEP (RFC 8017 §7.1) with SHA-1, SHA-256 or SHA-384 for both digest and MGF1; RSAES-PKCS1-v1_5 is not
 * here. */
enum key_oaep { KEY_OAEP_SHA1, KEY_OAEP_SHA256, KEY_OAEP_SHA384 };
fallible key_oaep_encrypt(const struct key *key, enum key_oaep oaep, const struct secret *plaintext,
                          struct buffer *out);
/* UNTRUSTED "key.oaep" for every cause alike. */
fallible key_oaep_decrypt(const struct key *key, enum key_oaep oaep, struct bytes untrusted_ciphertext,
                          struct secret *out);

/* PKCS#11 CKM_RSA_AES_KEY_WRAP (SHA-1) and its SHA-256 and SHA-384 forms: OAEP(fresh 256-bit key) ‖
 * AES-KWP(key material). UNTRUSTED "key.oaep", "keywrap.integrity" or "key.rsa_aes" (form). */
fallible key_rsa_aes_wrap(const struct world *world, const struct key *key, enum key_oaep oaep,
                          const struct secret *material, struct buffer *out);
fallible key_rsa_aes_unwrap(const struct key *key, enum key_oaep oaep, struct bytes untrusted_wrapped,
                            struct secret *out);

/* ECDH on P-256: the x coordinate of the shared point, 32 octets. */
fallible key_agree(const struct key *private_key, const struct key *public_key, struct secret *out);
