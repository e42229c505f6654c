/* jose/jws.h: signed documents: JWS General JSON Serialization (RFC 7515 §7.2.1), strict.
 *
 * A document is {"payload": b64u, "signatures": [{"protected": b64u, "signature": b64u}, …]} and nothing
 * else: no unprotected header, base64url without spare bits, fixed members. Each protected header is
 * exactly {"alg":"ES256","kid":…,"typ":…} plus the members that the kind of document declares; `jwk`, `jku`,
 * `x5c`, `x5u`, `crit`, `b64` are refused. The algorithm is ES256 because our keys are; it is compared, never
 * obeyed. The digest of a document is SHA-256 of its payload. One arena per parse; any thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/key.h"

enum { JWS_SIGNATURES_MAX = 32, JWS_SIZE_MAX = 16 * 1024 * 1024 };

struct jws_signature {
    struct text protected_text; /* base64url as received: what is signed */
    json_t *header;             /* decoded protected header, owned */
    struct text kid;
    struct text typ;
    struct bytes signature;
};

struct jws {
    json_t *document;         /* the whole, owned: the texts below are borrowed from it */
    struct text payload_text; /* base64url as received */
    struct bytes payload;
    json_t *content; /* the payload decoded as a JSON object, owned */
    struct digest digest;
    struct jws_signature signatures[JWS_SIGNATURES_MAX];
    size_t signature_count;
};

void jws_release(struct jws *jws);
#define scoped_jws defer(jws_release) struct jws

/* Parses and checks the form; no signature is checked: until then everything in it is untrusted. `typ` is
 * the expected type, e.g. "truce-contract+jws": every signature must carry it ("jws.typ").
 * `header_members` (NULL-terminated, may be NULL) are the further protected members that the kind allows;
 * whether they must be there is the caller's business. The arena takes the decoded payload and headers.
 * INVALID, with the member in `where`; LIMIT "jws.size". No two signatures have the same kid
 * ("jws.kid.twice"). */
fallible jws_parse(struct arena *arena, struct bytes untrusted_bytes, const char *typ,
                   const char *const header_members[], struct jws *out);

/* UNTRUSTED "jws.signature" unless signature `index` is by `key` and its kid is the key's thumbprint. */
fallible jws_verify(const struct jws *jws, size_t index, const struct key *key);

/* The index of the signature whose kid is the key's thumbprint: NOT_FOUND "jws.no_signature_by_key". */
fallible jws_find(const struct jws *jws, const struct key *key, size_t *out_index);

/* Makes a document with one signature. `header` holds further protected members or is NULL (borrowed);
 * INVALID "jws.header.reserved" where it holds alg, kid, typ or one that nobody may use. `payload` is an
 * object and is encoded canonically. `key` is a private P-256 key. The text goes to `out`. */
fallible jws_sign(const json_t *payload, const char *typ, const json_t *header, const struct key *key,
                  struct buffer *out);

/* Adds a signature over the very same payload octets to an existing document of the same `typ`. CONFLICT
 * "jws.signed_already" if that key has signed. */
fallible jws_add_signature(struct arena *arena, const struct jws *jws, const char *typ, const json_t *header,
                           const struct key *key, struct buffer *out);

/* "kid" of a key of ours: base64url of the RFC 7638 thumbprint. */
fallible jws_kid(struct arena *arena, const struct key *key, struct text *out);
