/* courier/courier.h: carries a room's requests to the authorities and vaults of the owners.
 *
 * The courier can delay or drop, never read or forge: a token is bound to the room's key, a release is
 * wrapped to it, and the room verifies both. It speaks the protocols of Azure Attestation (POST
 * attest/SevSnpVm, GET certs) and Azure Key Vault (challenge, client credentials, POST …/release), only to
 * connected services (connections.h), and follows no redirect. Calls that fail for a passing reason are
 * repeated a bounded number of times with growing pauses; a refusal is final.
 *
 * One `struct courier` for all rooms, any thread; one `struct courier_session` per thread, which keeps its
 * connections. */
#pragma once

#include "base/buffer.h"
#include "base/world.h"
#include "host/courier/connections.h"
#include "service/http/client.h"

#include <pthread.h>

enum {
    COURIER_PAYLOAD_BYTES_MAX = 1024 * 1024,
    COURIER_CREDENTIAL_BYTES_MAX = 16 * 1024,
};

struct courier_settings {
    int64_t attempts_max; /* calls in all for one request */
    int64_t pause_ms;     /* before the second; doubled each time */
    int64_t pause_ms_max; /* also of what Retry-After may ask for */
    int64_t call_timeout_ms;
};

/* A vault's access token, kept until shortly before it expires. */
struct courier_credential {
    char token[COURIER_CREDENTIAL_BYTES_MAX];
    size_t size;
    int64_t expires;
};

struct courier {
    struct connections *connections;
    struct courier_settings settings;
    const struct world *world;
    pthread_mutex_t mutex;
    struct courier_credential *credentials; /* one per connection, under the mutex */
};

/* `connections` and `world` must outlive it. */
fallible courier_open(struct connections *connections, const struct courier_settings *settings,
                      const struct world *world, struct courier *out);
void courier_close(struct courier *courier);

struct courier_session {
    struct courier *courier;
    struct http_client clients[CONNECTIONS_MAX]; /* opened when first needed */
    /* Asked between calls and while pausing: true ends the request with UNAVAILABLE "courier.stopping". */
    bool (*is_stopping)(void *self);
    void *self;
    int64_t calls; /* made for the last request, for the log */
};

void courier_session_close(struct courier_session *session);

/* The payload of `token_request` → that of `token` (formats §6). The reasons are meant for the room:
 * NOT_FOUND "courier.authority.unknown", INVALID "courier.request", UNSUPPORTED "courier.evidence.family",
 * DENIED "courier.authority.refused", UNAVAILABLE "courier.authority.unreachable", INVALID
 * "courier.authority.answer". */
fallible courier_fetch_token(struct courier_session *session, struct bytes untrusted_request,
                             struct buffer *out);

/* The payload of `release_request` → that of `release`: NOT_FOUND "courier.vault.unknown",
 * "courier.vault.key", DENIED "courier.vault.refused" (the policy or the key's state), CONFLICT
 * "courier.vault.run_used" (the vault releases once per run request and has done so),
 * "courier.vault.credential" (our client), UNTRUSTED "courier.vault.challenge", UNAVAILABLE
 * "courier.vault.unreachable", INVALID "courier.vault.answer". */
fallible courier_release(struct courier_session *session, struct bytes untrusted_request, struct buffer *out);

/* Within this module: one call with repetition. An answer of any status but 408, 429 and 5xx ends it. */
fallible courier_call(struct courier_session *session, size_t connection, struct arena *arena,
                      const struct http_call *call, struct http_answer *out);
