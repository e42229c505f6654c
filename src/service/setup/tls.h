/* setup/tls.h: a service's own certificate authority and the certificates it issues.
 *
 * `tls_create` makes in a folder: `ca.pem` (what others are given to trust), `ca-key.pem` and `tls-key.pem`.
 * The server's certificate is issued anew at every start (`tls_load`), so it never runs out while the
 * authority (ten years) lives. */
#pragma once

#include "crypto/certificate.h"
#include "crypto/key.h"
#include "service/http/url.h"

enum { TLS_NAMES_MAX = 8, TLS_LEAF_DAYS = 398, TLS_AUTHORITY_DAYS = 3650 };

/* INVALID names, or what file.h gives. `owner` goes into the authority's common name. */
fallible tls_create(const struct world *world, struct arena *arena, struct text folder, struct text owner);

struct tls_names {
    struct text rows[TLS_NAMES_MAX]; /* DNS names, then up to the first empty one; first = common name */
    struct text ip;                  /* one more IP address beside 127.0.0.1 and ::1, or empty */
};

/* The names under which a service at `host` is reached: host itself, localhost and, where given, more. */
void tls_names_init(struct tls_names *names, struct text host);
void tls_names_add(struct tls_names *names, struct text name);

/* Issues a certificate for `key` under the folder's authority: PEM of leaf and authority, as a TLS server
 * wants it. */
struct tls_identity {
    struct bytes certificate_pem; /* leaf first, then the authority */
    struct bytes key_pem;         /* wiped by nobody: hand it to the server and let the arena go */
    struct bytes ca_pem;
};
fallible tls_load(const struct world *world, struct arena *arena, struct text folder,
                  const struct tls_names *names, struct tls_identity *out);

/* DER of a leaf for `key` and of the authority: for `x5c` headers. */
fallible tls_issue_chain(const struct world *world, struct arena *arena, struct text folder,
                         const struct tls_names *names, const struct key *key, struct bytes *out_leaf,
                         struct bytes *out_authority);
