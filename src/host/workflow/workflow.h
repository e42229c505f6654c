/* workflow/workflow.h: the host's HTTP API (doc/formats.md §9).
 *
 * Documents and parts come in, runs are asked for, results and receipts go out. Everything is a convenience:
 * what is checked here (form, digests, signatures, sizes) spares people a late refusal by the room and
 * protects nobody from this host. All calls but the description need the bearer token. Handlers run on
 * several threads. */
#pragma once

#include "crypto/digest.h"
#include "host/queue/queue.h"
#include "host/scheduler/scheduler.h"
#include "host/storage/storage.h"
#include "service/event/event.h"
#include "service/http/server.h"

enum {
    WORKFLOW_ARENA_BYTES = 192 * 1024 * 1024,
    WORKFLOW_CONTRACTS_MAX = 1000,
};

struct workflow {
    struct storage *storage;
    struct queue *queue;
    struct scheduler *scheduler;
    struct event_log *log; /* may be NULL */
    const struct world *world;
    struct digest token;            /* SHA-256 of the bearer token: compared in constant time */
    pthread_mutex_t contract_mutex; /* merging signatures is reading and writing */
};

void workflow_init(struct workflow *workflow, struct text token);
void workflow_release(struct workflow *workflow);

/* The table, for `http_server_options`, with `self` = the workflow. */
const struct http_route *workflow_routes(size_t *out_count);

/* For `http_server_options.done`: one line in the log. */
void workflow_done(void *self, const struct http_request *request, const struct http_reply *reply,
                   int64_t duration_ms);

/* The OpenAPI document that is served. */
struct bytes workflow_description(void);
