/* party/home/connection.h: the connection files of services (doc/formats.md §8), as a party keeps them.
 *
 * Each is copied into `connections/` under the name of its kind. Addresses in them are where to send
 * requests; what they pin (authority keys, simulation root) is what a party puts into its contracts. Any
 * thread. */
#pragma once

#include "base/json.h"
#include "crypto/digest.h"

enum { CONNECTION_KEYS_MAX = 16 };

struct connection_vault {
    struct text party;
    struct text vault;
    struct text authority;
    struct text tenant;
    struct text client_id;
    struct text client_secret;
    struct text ca;
};

struct connection_authority {
    struct text issuer;
    struct digest keys[CONNECTION_KEYS_MAX];
    size_t key_count;
    struct text policy_hash;
    struct text ca;
};

struct connection_host {
    struct text host;
    struct text token;
    struct text ca;
};

struct connection_simulation {
    struct text root; /* PEM */
    struct digest pin;
    struct text measurement;
};

/* Checks a file and keeps it for the party in `folder`. Gives its kind: "vault", "authority", "host",
 * "simulation". INVALID "connection.…", DENIED "connection.vault.other_party", DENIED "connection.courier"
 * (that one is the host's). */
fallible connection_keep(struct arena *arena, const char *folder, struct text party,
                         struct bytes untrusted_file, struct text *out_kind);

/* NOT_FOUND "connection.vault.missing" and so on. Texts are in the arena. */
fallible connection_vault_open(struct arena *arena, const char *folder, struct connection_vault *out);
fallible connection_authority_open(struct arena *arena, const char *folder, struct connection_authority *out);
fallible connection_host_open(struct arena *arena, const char *folder, struct connection_host *out);
fallible connection_simulation_open(struct arena *arena, const char *folder,
                                    struct connection_simulation *out);
/* The same from the bytes of a file. */
fallible connection_host_read(struct arena *arena, struct bytes file, struct connection_host *out);
fallible connection_vault_read(struct arena *arena, struct bytes file, struct connection_vault *out);
fallible connection_authority_read(struct arena *arena, struct bytes file, struct connection_authority *out);
