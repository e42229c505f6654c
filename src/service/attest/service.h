/* attest/service.h: the HTTP face of truce-attest: the calls of Azure Attestation that a room and its parties
 * need.
 *
 * POST /attest/SevSnpVm, GET /certs, GET /.well-known/openid-configuration, GET /policies/{type}. Nobody
 * signs in, as there. Errors are {"error":{"code","message"}} with Azure's codes. */
#pragma once

#include "base/world.h"
#include "service/attest/authority.h"
#include "service/event/event.h"
#include "service/http/server.h"

/* What the handlers see. */
struct attest_service {
    const struct authority *authority;
    const struct world *world;
    struct event_log *log; /* may be NULL */
};

extern const struct http_route attest_routes[];
extern const size_t attest_route_count;

/* For `http_server_options.fail`. */
void attest_service_fail(void *self, struct http_request *request, struct result failure,
                         struct http_reply *reply);

/* For `http_server_options.done`. */
void attest_service_done(void *self, const struct http_request *request, const struct http_reply *reply,
                         int64_t duration_ms);
