/* http/client.h: calls to services (libcurl).
 *
 * TLS 1.2 or newer, the server's certificate judged against an explicit PEM of authorities and no other, host
 * name checked; the system's store only where the caller asks for it. No redirects, no cookies, no proxy
 * unless asked, every call with a deadline and a maximum of what it takes in. Plain http only with
 * `insecure_http`, and then only to a loopback host. A client keeps its connections: reuse it. One thread at
 * a time; open one per thread.
 *
 * An answer with any HTTP status is a success of the call: look at `status`, or forward with
 * `http_answer_check`. */
#pragma once

#include "base/json.h"
#include "service/http/route.h"
#include "service/http/url.h"

enum {
    HTTP_CALL_HEADERS_MAX = 16,
    HTTP_ANSWER_HEADERS_MAX = 64,
    HTTP_ANSWER_HEADER_BYTES_MAX = 64 * 1024,
    HTTP_ANSWER_BYTES_MAX_DEFAULT = 4 * 1024 * 1024,
    HTTP_TIMEOUT_MS_DEFAULT = 30 * 1000,
    HTTP_CONNECT_TIMEOUT_MS_DEFAULT = 10 * 1000,
};

struct http_client_options {
    struct bytes ca_pem;    /* authorities that may vouch for the server */
    bool system_store;      /* also those of the system: for public services */
    bool insecure_http;     /* allow http:// to loopback hosts */
    bool environment_proxy; /* obey https_proxy and friends */
    const char *user_agent; /* NULL: "truce" */
};

struct http_client {
    void *handle;
    struct http_client_options options;
};

/* Copies nothing: `ca_pem` must outlive the client. INVALID "http.client.no_authority" where a client could
 * trust nobody and may not speak http. */
fallible http_client_open(const struct http_client_options *options, struct http_client *out);
void http_client_close(struct http_client *client);
#define scoped_http_client defer(http_client_close) struct http_client

struct http_call_header {
    const char *name;
    struct text value; /* may be a credential: it is not logged and goes to the named host only */
};

struct http_call {
    enum http_method method;
    struct text url;
    struct http_call_header headers[HTTP_CALL_HEADERS_MAX]; /* up to the first without a name */
    struct bytes body;                                      /* POST, PUT, PATCH */
    /* Instead of `body`: `read` gives up to `size` octets at a time, body_size in all; 0 before that fails
     * the call. */
    size_t (*read)(void *self, uint8_t *out, size_t size);
    uint64_t body_size;
    void *read_self;
    /* Instead of `answer.body`: takes the body of a 2xx answer piece by piece; a failure ends the call with
     * that failure. */
    fallible (*write)(void *self, struct bytes untrusted_piece);
    void *write_self;
    uint64_t answer_bytes_max;  /* 0: HTTP_ANSWER_BYTES_MAX_DEFAULT */
    int64_t timeout_ms;         /* of the whole call; 0: HTTP_TIMEOUT_MS_DEFAULT */
    int64_t connect_timeout_ms; /* 0: HTTP_CONNECT_TIMEOUT_MS_DEFAULT */
};

struct http_answer {
    int status;
    struct bytes body; /* untrusted; in the arena; empty where `write` took it */
    struct {
        struct text name; /* lower case */
        struct text value;
    } headers[HTTP_ANSWER_HEADERS_MAX];
    size_t header_count;
};

/* UNAVAILABLE "http.client.resolve" or ".connect" or ".broken", TIMEOUT "http.client.timeout", UNTRUSTED
 * "http.client.certificate", LIMIT "http.client.answer_too_large", INVALID for a URL that may not be called
 * ("http.client.https_only"), DENIED "http.client.http_not_loopback". */
fallible http_client_call(struct http_client *client, struct arena *arena, const struct http_call *call,
                          struct http_answer *out);

/* A header of the answer by lower-case name, or empty. */
struct text http_answer_header(const struct http_answer *answer, const char *name);

/* OK for 2xx; else the code that fits the status: INVALID, UNAUTHENTICATED, DENIED, NOT_FOUND, CONFLICT,
 * LIMIT, UNAVAILABLE (429, 5xx), with "http.answer.<status class>". */
fallible http_answer_check(const struct http_answer *answer);

/* GET a JSON object, 200 only. The caller owns `*out`. */
fallible http_client_get_json(struct http_client *client, struct arena *arena, struct text url, json_t **out);
