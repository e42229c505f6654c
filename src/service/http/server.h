/* http/server.h: the one HTTP server of the services (libmicrohttpd, TLS by GnuTLS).
 *
 * A service is a table of routes. For each request the server parses the target, finds the route, asks
 * `admit` (before it reads the body), collects the body up to the route's maximum (or feeds it to `receive`),
 * calls `handle` and sends the reply. A function that fails gets the failure sent as JSON; it must not log or
 * reply by itself.
 *
 *     static fallible get_thing(void *self, struct http_request *request, struct http_reply *reply)
 *     {
 *         struct text name = request->captures.rows[0];
 *         …
 *         return reply_json(request, reply, 200, value);
 *     }
 *     static const struct http_route routes[] = {
 *         {HTTP_GET, "/v1/things/{name}", .handle = get_thing},
 *         {HTTP_PUT, "/v1/things/{name}", .body_bytes_max = 65536, .admit = check_token, .handle =
 * put_thing},
 *     };
 *
 * Order matters: the first row that fits is taken. HEAD is answered by the GET row unless there is a HEAD
 * row. A known path with another method is 405, an unknown one 404. Every answer carries `x-ms-request-id`,
 * an echo of a well-formed `x-ms-client-request-id`, `Cache-Control: no-cache` unless the handler sets
 * another, and `X-Content-Type-Options`.
 *
 * Threads: handlers run on the server's own threads, several at once; `self` must be safe for that. A request
 * belongs to one thread. A slow handler holds up the other connections of its thread: give slow services more
 * threads. */
#pragma once

#include "base/json.h"
#include "base/world.h"
#include "service/http/route.h"

enum {
    HTTP_REPLY_HEADERS_MAX = 24,
    HTTP_CLIENT_ID_BYTES_MAX = 128,
    HTTP_ARENA_BYTES_MAX_DEFAULT = 8 * 1024 * 1024,
    HTTP_DISCARD_BYTES_MAX = 1024 * 1024, /* of a refused request's body, read to keep the connection */
};

struct http_route;

struct http_request {
    struct arena *arena; /* everything of this request may live here */
    const struct http_route *route;
    enum http_method method;
    struct http_target target;     /* untrusted */
    struct http_captures captures; /* the `{…}` segments of the route's pattern; untrusted */
    struct text path;              /* the target as received, with the query; untrusted */
    struct bytes body;             /* untrusted; empty in `admit` and where the route has `receive` */
    uint64_t body_bytes;           /* Content-Length, or what has arrived of a chunked body */
    struct text id;                /* made by us */
    struct text client_id;         /* x-ms-client-request-id if well formed */
    struct text peer;              /* the client's IP address */
    int64_t started_ms;
    void *local;                        /* the service's own, between admit, receive and handle… */
    void (*local_release)(void *local); /* …and how to end it, also when the client goes away */
    void *connection;                   /* private */
};

struct http_reply_header {
    const char *name;
    const char *value;
};

struct http_reply {
    int status;
    struct bytes body; /* in the request's arena or static */
    struct http_reply_header headers[HTTP_REPLY_HEADERS_MAX];
    size_t header_count;
    int file; /* -1, or a descriptor that the server takes over */
    uint64_t file_offset;
    uint64_t file_size;
    bool wipe_body; /* overwrite `body` (in the arena) when it has been copied for sending: it holds a secret
                     */
    struct result failure; /* what a handler failed with, for the log */
};

struct http_route {
    enum http_method method;
    const char *pattern;
    uint64_t body_bytes_max; /* 0: a request with a body is 413 */
    /* Runs when the headers are here and the body is not: who are you, may you. Optional. */
    fallible (*admit)(void *self, struct http_request *request, struct http_reply *reply);
    /* Takes the body piece by piece instead of `request->body`. Optional; then `handle` ends it. */
    fallible (*receive)(void *self, struct http_request *request, struct bytes untrusted_piece);
    fallible (*handle)(void *self, struct http_request *request, struct http_reply *reply);
    int tag; /* the service's own: e.g. which right the call needs */
};

struct http_server_options {
    struct text listen;           /* "127.0.0.1:8443", "[::1]:0"; port 0 lets the system choose */
    struct bytes certificate_pem; /* leaf first, then intermediates */
    struct bytes key_pem;
    bool insecure_http; /* no TLS: refused unless `listen` is a loopback address */
    const struct http_route *routes;
    size_t route_count;
    bool case_blind_paths; /* as Azure compares literal segments */
    void *self;            /* passed to every function below and in the routes */
    /* Shapes a failure into a reply; by default {"error":{"code","message"}} with the names of base/result.h.
     * `failure.where` may be shown. Optional. */
    void (*fail)(void *self, struct http_request *request, struct result failure, struct http_reply *reply);
    /* After each request, answered or not, for logs and counters; must be quick. Optional. */
    void (*done)(void *self, const struct http_request *request, const struct http_reply *reply,
                 int64_t duration_ms);
    const struct world *world;
    unsigned threads;         /* 0: 4 */
    unsigned connections_max; /* 0: 256 */
    unsigned idle_seconds;    /* 0: 60 */
    size_t arena_bytes_max;   /* 0: HTTP_ARENA_BYTES_MAX_DEFAULT */
};

struct http_server;

/* Binds, starts the threads and returns. INVALID for a wrong address, CONFLICT "http.listen.in_use", INVALID
 * "http.server.start" where certificate and key are refused. */
fallible http_server_start(const struct http_server_options *options, struct http_server **out);

/* The port in use. */
uint16_t http_server_port(const struct http_server *server);

/* Stops accepting, waits up to `grace_ms` for requests in progress, ends the rest. NULL does nothing. */
void http_server_stop(struct http_server *server, int64_t grace_ms);

/* Binds `listen` once, tells the port the system chose, and lets go: how `init` fixes a port for later. */
fallible http_choose_port(struct text listen, uint16_t *out);

/* "ADDR:PORT" → address as it was written and port; brackets of IPv6 removed. */
fallible http_listen_parse(struct text listen, char out_address[static 64], uint16_t *out_port);

/* A header of the request, case-blind, or empty. Borrowed for the time of the request; untrusted. */
struct text http_header(const struct http_request *request, const char *name);
/* The token of `Authorization: Bearer …`, or empty. */
struct text http_bearer(const struct http_request *request);
/* A query value, or empty with NULL data. Names are exact. */
struct text http_query(const struct http_request *request, const char *name);
/* The body as a JSON object: INVALID "http.body.not_object" and the codes of json_decode. */
fallible http_body_json(const struct http_request *request, json_t **out);

/* Replies. `body` must outlive the call of the handler (arena or static). A header's value is copied to the
 * arena and refused (INTERNAL) if it holds line ends. */
fallible reply_header(struct http_request *request, struct http_reply *reply, const char *name,
                      struct text value);
fallible reply_bytes(struct http_request *request, struct http_reply *reply, int status,
                     const char *content_type, struct bytes body);
/* Canonical JSON; `value` is borrowed. */
fallible reply_json(struct http_request *request, struct http_reply *reply, int status, const json_t *value);
fallible reply_empty(struct http_request *request, struct http_reply *reply, int status);
/* `size` octets of `file` from `offset`; the descriptor is the server's from now on, also on failure. */
fallible reply_file(struct http_request *request, struct http_reply *reply, int status,
                    const char *content_type, int file, uint64_t offset, uint64_t size);

/* `Range: bytes=a-b` against a size. false: no (usable) range, send all. One range only; a range that cannot
 * be satisfied is LIMIT "http.range.unsatisfiable" (send 416). */
fallible http_range(const struct http_request *request, uint64_t size, bool *out_is_range,
                    uint64_t *out_first, uint64_t *out_count);
