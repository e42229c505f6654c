/* courier/connections.h: the services that a host's courier may speak to, and nobody else.
 *
 * The operator connects files that owners and authorities hand out: `connection/courier/1` (an owner's vault
 * with a client that may only release) and `connection/authority/1` (an attestation service). Their URLs are
 * the only ones that a request of a room can reach: a URL is compared, never followed. Formats §8. */
#pragma once

#include "base/json.h"

#include <pthread.h>

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

/* Rows are only added while a process lives, so an index and what it shows stay valid. A changed file counts
 * from the next start. Any thread. */
struct connections {
    struct connection rows[CONNECTIONS_MAX];
    size_t count; /* under the mutex, as is the arena */
    struct text folder;
    struct arena arena;
    pthread_mutex_t mutex;
};

/* Judges one file. Texts are copied to the arena. INVALID with the member in `where`: "connection.type",
 * "connection.url" (https only), "connection.name" and the reasons of json.h. */
fallible connection_parse(struct arena *arena, struct bytes untrusted_file, struct connection *out);

/* Reads all files of the folder (which must outlive it); what `truce-host connect` adds later is found when
 * it is first asked for. The reason of the first file that is not well-formed, `where` its name; LIMIT
 * "connection.too_many". */
fallible connections_open(struct text folder, struct connections *out);
void connections_close(struct connections *connections);

/* The one connection that fits, or NOT_FOUND "courier.vault.unknown", "courier.authority.unknown". */
fallible connections_find_vault(struct connections *connections, struct text party, struct text untrusted_url,
                                size_t *out_index);
fallible connections_find_authority(struct connections *connections, struct text untrusted_issuer,
                                    size_t *out_index);
