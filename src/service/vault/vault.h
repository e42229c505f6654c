/* vault/vault.h: a party's key vault: the Azure Key Vault data plane for keys, with Secure Key Release.
 *
 * Speaks the protocol of Key Vault at the api-versions of `vault_api_versions` for: create, get, update,
 * list, list versions, wrapKey, unwrapKey, sign and release of keys. Refused on purpose: HSM key kinds (there
 * is no HSM behind it), import, delete, backup, rotation policies, secrets and certificates. Keys live sealed
 * in the store; a private key leaves in one way only: `release`, to a wrapping key in a verified attestation
 * token that satisfies the key's release policy.
 *
 * Stricter than Azure, each time towards refusing: a disabled, expired or not yet valid key is not released
 * (Azure documents that expired keys still are); policies must name a code identity; unknown members of
 * requests are refused; couriers can do nothing but release.
 *
 * The folder (doc/formats.md §8): config.json, master.key, state.db, ca.pem, ca-key.pem, tls-key.pem,
 * authorities/, audit.log, and to hand out vault.json (the party's own client) and courier.json (release
 * only). */
#pragma once

#include "base/arena.h"
#include "base/world.h"
#include "service/event/event.h"

struct vault;

struct vault_init_options {
    struct text folder;
    struct text party;
    struct text url;          /* https://HOST[:PORT] */
    struct text listen;       /* ADDR:PORT, or empty: loopback, the port of the URL */
    bool one_release_per_run; /* a run request opens each key to one attempt (release_once.h) */
};

/* Makes the folder, keys, certificate, clients and files. Where the URL has no port it gets that of `listen`,
 * and a listening port of 0 is chosen here once and remembered. CONFLICT "setup.folder.used" when there is a
 * vault already. */
fallible vault_init(const struct world *world, const struct vault_init_options *options);

/* Checks a connection file of an authority and keeps it: from the next start, or the first release that names
 * it, its tokens count. */
fallible vault_connect(struct arena *arena, struct text folder, struct text authority_file);

struct vault_options {
    struct text folder;
    struct text url;       /* empty, or the one that init settled: CONFLICT "program.url.other" */
    struct text listen;    /* empty: what init settled */
    struct event_log *log; /* or NULL; must outlive the vault */
};

/* Opens the folder and serves until `vault_close`. `world` must outlive it. */
fallible vault_open(const struct world *world, const struct vault_options *options, struct vault **out);
void vault_close(struct vault *vault);

struct text vault_url(const struct vault *vault);
uint16_t vault_port(const struct vault *vault);

struct vault_check {
    size_t row_count;
    size_t version_count;
    size_t release_count;
};

/* Whether what the folder keeps fits together: the file is whole, every row opens under the master key, every
 * key version has its material, releases are numbered without a gap. For operators after a crash, with no
 * vault running. CORRUPT with the row in `where`, which is in `arena`. */
fallible vault_check(const struct world *world, struct arena *arena, struct text folder,
                     struct vault_check *out);
