/* wire.h: the network of the simulation: a call of a client is a call of the service's handler, in the same
 * thread.
 *
 * The linker puts this in place of libmicrohttpd, libcurl and TLS (`http_server_start`, `http_client_call`).
 * Routes, admission, bodies, handlers and failures are the services' own. */
#pragma once

#include "service/http/client.h"
#include "service/http/server.h"

enum { WIRE_SERVERS_MAX = 8 };

/* What goes wrong on the way, in percent of the calls. */
struct wire_faults {
    unsigned lost;       /* the request does not arrive */
    unsigned answerless; /* the request is served and its answer lost */
    unsigned doubled;    /* the request is served twice */
    unsigned damaged;    /* an octet of the answer's body is another */
};
void wire_set_faults(struct wire_faults faults);

/* A service without a server of its own: its routes on a port. */
void wire_serve(uint16_t port, const struct http_server_options *options);
void wire_forget(void); /* all of them */

/* Octets on the wire pass here, for those who look for secrets. May be NULL. */
void wire_watch(void (*see)(const char *what, struct bytes octets));
