/* setting.h: what the simulation plays with: three parties, two sealed datasets, an attestation service, two
 * vaults, one contract that all have signed. Made once per process by the products' own code, from a fixed
 * seed; each run of the simulation works on a fresh copy of the vaults. */
#pragma once

#include "contract/bundle.h"
#include "service/attest/service.h"
#include "service/vault/vault.h"
#include "tee/sim_chip.h"

enum { PARTY_ANALYST, PARTY_BUREAU, PARTY_INSURER, PARTIES, OWNERS = 2, SPARE_KEYS = 33 };

#define ATTEST_URL "https://attest.example:8001"

struct setting_owner {
    const char *name;
    const char *dataset;
    const char *table;
    const char *vault_url;
    struct vault *vault; /* of the present run */
    struct text folder;
    struct secret data_key;
    struct buffer ciphertext;
    struct buffer leaves;
    json_t *manifest;
    json_t *policy;
    json_t *grant;
    struct digest manifest_digest;
    struct digest policy_digest;
    struct digest grant_digest;
    struct text key_version;
};

struct setting {
    struct arena arena;
    struct world world;
    struct text folder;
    struct key signing[PARTIES];
    struct key result[PARTIES];
    struct key stranger;
    struct sim_chip chip;
    struct sim_chip rogue; /* the same chip under other code */
    struct digest root;
    struct authority authority;
    struct attest_service attest;
    struct setting_owner owners[OWNERS];
    json_t *contract; /* signed */
    struct digest contract_digest;
    struct bytes trust;              /* of a verifier of receipts */
    struct secret spare[SPARE_KEYS]; /* wrapping keys, PKCS#8: making them takes longest */
};

void setting_make(struct setting *out);
void setting_release(struct setting *setting);

/* Copies the vaults and opens them; `once` says which of them release once per run request. */
void setting_open(struct setting *setting, const bool once[OWNERS]);
void setting_close(struct setting *setting);

/* The owner disables its release key. */
void setting_disable(struct setting *setting, size_t owner);

/* A signed run request as JSON; `not_after` in seconds. */
json_t *setting_request(struct setting *setting, struct arena *arena, const char *querier,
                        const struct key *key, const char *run, const char *recipient, int64_t not_after);

#define MUST(call)                                                                                           \
    do {                                                                                                     \
        struct result must_ = (call);                                                                        \
        if (!result_is_ok(must_)) {                                                                          \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, must_.why,                               \
                    must_.where ? must_.where : "");                                                         \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)
