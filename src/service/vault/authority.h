/* vault/authority.h: the attestation authorities that this vault's owner believes, and their keys.
 *
 * Each is a connection file of doc/formats.md §8 in the folder `authorities`. Its keys are fetched from its
 * OpenID metadata and JWKS over TLS under the CA of that file, kept for an hour, and fetched again once when
 * a token names an unknown key, at most every thirty seconds. The file's pins decide which keys count; a file
 * without pins takes what TLS vouches for. Any thread. */
#pragma once

#include "attest/token.h"

#include <pthread.h>

enum {
    AUTHORITIES_MAX = 32,
    AUTHORITY_KEYS_SECONDS = 3600,
    AUTHORITY_REFETCH_SECONDS = 30,
    AUTHORITY_RETRY_SECONDS = 2, /* after a fetch that failed */
    AUTHORITY_TIMEOUT_MS = 5000,
    AUTHORITY_ANSWER_BYTES_MAX = 256 * 1024,
};

struct authority;

struct authorities {
    struct text folder; /* …/authorities */
    const struct world *world;
    pthread_mutex_t turn;
    struct authority *rows[AUTHORITIES_MAX];
    size_t count;
};

/* The form of a connection file. `pins` are optional. */
struct authority_file {
    struct text issuer;
    struct text ca;
    struct text policy_hash; /* empty: any */
    struct digest pins[TOKEN_AUTHORITY_KEYS_MAX];
    size_t pin_count;
};
fallible authority_file_read(struct arena *arena, const json_t *untrusted_json, struct authority_file *out);

/* `folder` must outlive it. */
void authorities_init(struct authorities *authorities, struct text folder, const struct world *world);
void authorities_release(struct authorities *authorities);

/* Verifies an attestation token of the authority `issuer` and gives its claims (the caller owns them). DENIED
 * "vault.authority.unknown" when the owner has not connected it; UNAVAILABLE "vault.authority.unreachable";
 * UNTRUSTED "vault.authority.metadata", and what `token_verify` gives. */
fallible authorities_verify(struct authorities *authorities, struct arena *arena, struct text issuer,
                            struct text untrusted_token, json_t **out_claims);
