/* vault/request.h: the bodies of Key Vault requests, checked. Pure: no store, no clock. All in them is
 * untrusted until it is checked here. */
#pragma once

#include "base/json.h"
#include "crypto/key.h"

#include "attest/release_policy.h"

enum { REQUEST_NO_TIME = -1 };

struct request_attributes {
    bool has_enabled, enabled;
    bool has_exportable, exportable;
    int64_t not_before; /* REQUEST_NO_TIME: not said */
    int64_t expires;
};

/* A release policy as the vault keeps it. */
struct request_policy {
    struct text content_type;
    struct text data; /* base64url, as given: its octets are what digests are over */
    bool immutable;
};

struct request_create {
    struct text kty; /* as asked for: "RSA", "RSA-HSM", "EC", "EC-HSM" */
    enum key_kind kind;
    unsigned rsa_bits;
    bool is_hsm;
    json_t *key_ops; /* borrowed from the body, or NULL */
    json_t *tags;
    struct request_attributes attributes;
    bool has_policy;
    struct request_policy policy;
};

struct request_update {
    json_t *key_ops; /* NULL: unchanged */
    json_t *tags;
    struct request_attributes attributes;
    bool has_policy;
    struct request_policy policy;
};

/* INVALID and UNSUPPORTED "vault.request.…", "vault.kind.…", "vault.policy.…" and what release_policy_parse
 * gives. */
fallible request_create_read(struct arena *arena, const json_t *untrusted_body, struct request_create *out);
fallible request_update_read(struct arena *arena, const json_t *untrusted_body, struct request_update *out);

/* {"contentType"?,"data","immutable"?}; the policy's octets are parsed and must name a code identity. */
fallible request_policy_read(struct arena *arena, const json_t *untrusted_policy, struct request_policy *out);

/* {"alg","value"} of wrapkey, unwrapkey and sign. */
struct request_use {
    struct text algorithm;
    struct bytes value;
};
fallible request_use_read(struct arena *arena, const json_t *untrusted_body, struct request_use *out);

/* {"target","nonce"?,"enc"?} of release. */
struct request_release {
    struct text target;
    struct text nonce; /* NULL data: none */
    struct text enc;
    enum key_oaep oaep;
};
fallible request_release_read(struct arena *arena, const json_t *untrusted_body, struct request_release *out);

/* 1 to 127 of [0-9a-zA-Z-]. */
bool request_name_is_valid(struct text name);
bool request_version_is_valid(struct text version); /* 32 lower-case hex digits */
