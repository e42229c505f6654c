/* vault/parts.h: what the files of this module share; private to it. */
#pragma once

#include "crypto/key.h"
#include "service/access/access.h"
#include "service/http/server.h"
#include "service/identity/identity.h"
#include "service/issuer/issuer.h"
#include "service/vault/authority.h"
#include "service/vault/vault.h"

#include <pthread.h>

enum {
    VAULT_NAME_BYTES_MAX = 127,
    VAULT_PAGE_COUNT_MAX = 25,
    VAULT_RELEASES_PAGE_COUNT = 100,
    VAULT_BODY_BYTES_MAX = 256 * 1024,
    VAULT_TAGS_MAX = 15,
    VAULT_TAG_BYTES_MAX = 256,
    VAULT_CERTIFICATE_BYTES_MAX = 64 * 1024,
};

/* One row per call that a client can make (vault.c has the table). */
enum vault_operation {
    OPERATION_NONE = 0,
    OPERATION_KEY_CREATE,
    OPERATION_KEY_GET,
    OPERATION_KEY_UPDATE,
    OPERATION_KEY_LIST,
    OPERATION_KEY_LIST_VERSIONS,
    OPERATION_KEY_WRAP,
    OPERATION_KEY_UNWRAP,
    OPERATION_KEY_SIGN,
    OPERATION_KEY_RELEASE,
    OPERATION_RELEASES_LIST,
    OPERATION_ISSUER,
    OPERATION_TOKEN,
    OPERATION_COUNT
};

/* A second name under which clients reach the vault, and the resource that they find in the challenge. */
struct vault_alias {
    struct text host_and_port;
    struct text resource;
};

struct vault_audit {
    int file;
    pthread_mutex_t turn;
};

struct vault {
    struct arena arena;
    const struct world *world;
    struct event_log *log; /* may be NULL */
    struct text folder;
    struct text party;
    struct text url; /* https://HOST[:PORT] */
    struct text host;
    struct text listen;
    struct text tenant;
    bool emulate_hsm_kinds;
    bool one_release_per_run;
    struct vault_alias aliases[2];
    struct state *state;
    struct issuer *issuer;
    struct identity_trust trust;
    struct authorities authorities;
    struct key release_key;
    struct text release_kid;
    struct text release_leaf;       /* base64 DER */
    struct text release_authority;  /* base64 DER */
    struct text release_thumbprint; /* base64url SHA-256 of the leaf */
    struct vault_audit audit;
    struct http_server *server;
};

/* What `admit` learned about the caller; `request->local`. In the request's arena. */
struct vault_call {
    enum vault_operation operation;
    struct principal principal;
    struct text api_version;
};

const struct vault_call *vault_call_of(const struct http_request *request);

/* failure.c: errors as Key Vault says them. */
void vault_fail(void *self, struct http_request *request, struct result failure, struct http_reply *reply);
/* Headers that every answer of Key Vault has. */
fallible vault_headers(struct http_request *request, struct http_reply *reply);

/* audit.c */
fallible audit_open(struct arena *arena, struct text folder, struct vault_audit *out);
void audit_close(struct vault_audit *audit);
void vault_audit_done(void *self, const struct http_request *request, const struct http_reply *reply,
                      int64_t duration_ms);

/* keys.c, use.c, release.c, release_log.c: handlers. */
fallible vault_key_create(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_key_get(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_key_update(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_key_list(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_key_list_versions(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_key_wrap(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_key_unwrap(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_key_sign(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_key_release(void *self, struct http_request *request, struct http_reply *reply);
fallible vault_releases_list(void *self, struct http_request *request, struct http_reply *reply);
