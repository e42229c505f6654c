/* party/vault/vault.h: an owner's calls to its own vault, in the Key Vault protocol (api-version 7.4).
 *
 * The same calls reach truce-vault and Azure Key Vault. The token comes from the authority of the connection
 * file and is asked for the resource that the vault names, if the vault lies in that resource's domain (the
 * rule of Microsoft's SDKs: a token must not be lured to a stranger). One thread. */
#pragma once

#include "crypto/key.h"
#include "party/home/connection.h"
#include "service/http/client.h"

enum { VAULT_RSA_BITS = 3072, VAULT_RELEASE_PAGES_MAX = 1000 };

struct vault {
    struct http_client client;
    struct connection_vault connection;
    struct text authorization;
};

/* Opens with the party's vault.json and gets a token. UNAUTHENTICATED "vault.credentials". */
fallible vault_open(struct arena *arena, const char *folder, struct vault *out);
void vault_close(struct vault *vault);
#define scoped_vault defer(vault_close) struct vault

struct vault_key {
    struct text name;
    struct text version;
    struct key public_key;
    struct bytes release_policy; /* the octets that the vault stores */
};
void vault_key_release(struct vault_key *key);
#define scoped_vault_key defer(vault_key_release) struct vault_key

/* Creates an exportable RSA-3072 key with this release policy, which can't be changed, and reads it back from
 * the vault: UNTRUSTED "vault.key.policy", "vault.key.attributes" unless what is stored is what was asked. */
fallible vault_create_release_key(struct vault *vault, struct arena *arena, struct text name,
                                  struct bytes policy, int64_t expires, struct vault_key *out);
/* The public part of a key version. */
fallible vault_public_key(struct vault *vault, struct arena *arena, struct text name, struct text version,
                          struct key *out);
/* Stops all further releases of a key version. */
fallible vault_disable_key(struct vault *vault, struct arena *arena, struct text name, struct text version);
/* The vault's own record of releases, all pages: {"value":[…]} (doc/formats.md §8; truce-vault only). */
fallible vault_releases(struct vault *vault, struct arena *arena, json_t **out);
