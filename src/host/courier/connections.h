/* courier/connections.h: the services that a host's courier may speak to, and nobody else.
 *
 * The operator connects files that owners and authorities hand out: `connection/courier/1` (an owner's vault
 * with a client that may only release) and `connection/authority/1` (an attestation service). Their URLs are
 * the only ones that a request of a room can reach: a URL is compared, never followed. Formats §8. */
#pragma once

#include "base/json.h"

enum { CONNECTIONS_MAX = 64, CONNECTION_FILE_BYTES_MAX = 256 * 1024 };

enum connection_kind { CONNECTION_NONE = 0, CONNECTION_COURIER, CONNECTION_AUTHORITY };

struct connection {
    enum connection_kind kind;
    struct text party;     /* the vault's owner */
    struct text url;       /* of the vault, or the issuer; without a slash at the end */
    struct text authority; /* of the vault's tokens; without a slash at the end */
    struct text tenant;
    struct text client_id;
    struct text client_secret;
    struct bytes ca;    /* PEM; empty: the system's authorities */
    char file_name[96]; /* under which `truce-host connect` keeps it */
};

struct connections {
    struct connection rows[CONNECTIONS_MAX];
    size_t count;
};

/* Judges one file. Texts are copied to the arena. INVALID with the member in `where`:
 * "connection.type", "connection.url" (https only), "connection.name" and the reasons of json.h. */
fallible connection_parse(struct arena *arena, struct bytes untrusted_file, struct connection *out);

/* LIMIT "connection.too_many"; CONFLICT "connection.duplicate" for two vaults of the same party and URL, or
 * two files of one issuer. */
fallible connections_add(struct connections *connections, const struct connection *connection);

/* The one connection that fits, or NOT_FOUND "courier.vault.unknown", "courier.authority.unknown". */
fallible connections_find_vault(const struct connections *connections, struct text party,
                                struct text untrusted_url, size_t *out_index);
fallible connections_find_authority(const struct connections *connections, struct text untrusted_issuer,
                                    size_t *out_index);
