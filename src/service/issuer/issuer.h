/* issuer/issuer.h: a party's own token issuer, where there is no Entra ID.
 *
 * Speaks what Microsoft's identity clients speak: OpenID metadata, JWKS and the client-credentials grant with
 * a client secret; tokens have the shape of Entra's version 1 tokens (RS256, `appid`, `oid`, `tid`, `roles`).
 * Clients are made at initialisation. Secrets are 256 random bits, kept only as a salted HMAC and compared in
 * constant time; after a few wrong secrets a client at an address has to wait. No users, no refresh tokens,
 * no certificates yet.
 *
 * The routes belong to the service that has the issuer inside; its handlers call `issuer_answer_…`. Any
 * thread. */
#pragma once

#include "jose/jwt.h"
#include "service/http/server.h"
#include "service/state/state.h"

enum {
    ISSUER_RESOURCES_MAX = 8,
    ISSUER_ROLES_MAX = 8,
    ISSUER_TOKEN_SECONDS = 3599,
    ISSUER_FORM_BYTES_MAX = 32 * 1024
};

#define ISSUER_PATTERN_METADATA "/{tenant}/v2.0/.well-known/openid-configuration"
#define ISSUER_PATTERN_METADATA_V1 "/{tenant}/.well-known/openid-configuration"
#define ISSUER_PATTERN_TOKEN "/{tenant}/oauth2/v2.0/token"
#define ISSUER_PATTERN_KEYS "/{tenant}/discovery/v2.0/keys"
#define ISSUER_PATTERN_KEYS_V1 "/{tenant}/discovery/keys"

struct issuer;

struct issuer_options {
    struct text url;                             /* https://HOST:PORT */
    struct text tenant;                          /* a GUID */
    struct text resources[ISSUER_RESOURCES_MAX]; /* what tokens are given for, up to the first empty one */
    struct state *state;
    const struct world *world;
};

/* Loads the signing key from the state, or makes it. `options` is copied; its texts must outlive the issuer.
 */
fallible issuer_open(const struct issuer_options *options, struct issuer **out);
void issuer_close(struct issuer *issuer);

struct issuer_client {
    struct text id;     /* GUID: client_id, appid */
    struct text object; /* GUID: oid */
    struct text secret; /* base64url of 256 random bits: told once, never stored */
};
/* Makes a client with roles. The texts live in the arena. */
fallible issuer_add_client(struct state_transaction *transaction, const struct world *world,
                           struct arena *arena, struct text name, const struct text roles[],
                           size_t role_count, struct issuer_client *out);

/* `iss` of the tokens: URL/TENANT/ ; and the keys that verify them, for identity/. Borrowed from the issuer.
 */
struct text issuer_name(const struct issuer *issuer);
const struct jwt_keys *issuer_keys(const struct issuer *issuer);

/* Replies, errors too, in the form of Entra ID ({"error","error_description":"AADSTS…"}); they fail only for
 * lack of memory. */
fallible issuer_answer_metadata(struct issuer *issuer, struct http_request *request,
                                struct http_reply *reply);
fallible issuer_answer_keys(struct issuer *issuer, struct http_request *request, struct http_reply *reply);
fallible issuer_answer_token(struct issuer *issuer, struct http_request *request, struct http_reply *reply);
