#include "service/http/server.h"

#include "service/http/listen.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTION_MEMORY_BYTES = 96 * 1024, EXCHANGE_ID_OCTETS = 16 };

struct http_server {
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    char *certificate_pem;
    char *key_pem;
    uint16_t port;
    atomic_size_t in_progress;
};

/* One request on its way through the server. */
struct exchange {
    struct http_server *server;
    struct arena arena;
    struct http_request request;
    struct http_reply reply;
    struct buffer body;
    struct result failure;
    bool is_begun;
    bool is_sent;
};

/* ---- One request ---- */

static void exchange_end(struct exchange *exchange)
{
    struct http_server *server = exchange->server;
    const struct http_server_options *options = &server->options;
    if (options->done != NULL && exchange->is_begun) {
        int64_t duration_ms = world_monotonic_ms(options->world) - exchange->request.started_ms;
        options->done(options->self, &exchange->request, &exchange->reply, duration_ms);
    }
    if (exchange->request.local_release != NULL) {
        exchange->request.local_release(exchange->request.local);
    }
    if (exchange->reply.file >= 0) {
        close(exchange->reply.file);
    }
    if (exchange->body.data != NULL) {
        explicit_bzero(exchange->body.data, exchange->body.size);
    }
    buffer_release(&exchange->body);
    arena_release(&exchange->arena);
    free(exchange);
    atomic_fetch_sub(&server->in_progress, 1);
}

/* The first that libmicrohttpd tells us about a request: its raw target, before any decoding. */
static void *exchange_begin(void *self, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *server = self;
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) {
        return NULL;
    }
    atomic_fetch_add(&server->in_progress, 1);
    exchange->server = server;
    exchange->reply.file = -1;
    exchange->request.arena = &exchange->arena;
    exchange->request.connection = connection;
    exchange->request.started_ms = world_monotonic_ms(server->options.world);
    arena_init(&exchange->arena, server->options.arena_bytes_max);
    exchange->failure = arena_copy_text(&exchange->arena, text_of(uri), &exchange->request.path);
    return exchange;
}

static void exchange_completed(void *self, struct MHD_Connection *connection, void **state,
                               enum MHD_RequestTerminationCode code)
{
    (void)self;
    (void)connection;
    (void)code;
    if (*state != NULL) {
        exchange_end(*state);
        *state = NULL;
    }
}

static fallible make_id(struct exchange *exchange)
{
    uint8_t octets[EXCHANGE_ID_OCTETS];
    TRY(world_random(exchange->server->options.world, octets, sizeof octets));
    octets[6] = (uint8_t)((octets[6] & 0x0f) | 0x40);
    octets[8] = (uint8_t)((octets[8] & 0x3f) | 0x80);
    return arena_printf(&exchange->arena, &exchange->request.id,
                        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", octets[0],
                        octets[1], octets[2], octets[3], octets[4], octets[5], octets[6], octets[7],
                        octets[8], octets[9], octets[10], octets[11], octets[12], octets[13], octets[14],
                        octets[15]);
}

static void read_client_id(struct exchange *exchange)
{
    struct text id = http_header(&exchange->request, "x-ms-client-request-id");
    bool usable = id.size > 0 && id.size <= HTTP_CLIENT_ID_BYTES_MAX;
    for (size_t i = 0; usable && i < id.size; i++) {
        char c = id.data[i];
        usable = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                 c == '_' || c == '.' || c == '{' || c == '}';
    }
    exchange->request.client_id = usable ? id : (struct text){0};
}

static void read_peer(struct exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->request.connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL) {
        return;
    }
    const struct sockaddr *address = info->client_addr;
    const void *octets = address->sa_family == AF_INET6
                             ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                             : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    char name[INET6_ADDRSTRLEN];
    if (inet_ntop(address->sa_family, octets, name, sizeof name) != NULL) {
        exchange->request.peer = text_of(arena_where(&exchange->arena, "%s", name));
    }
}

static bool method_fits(const struct http_route *route, enum http_method method)
{
    return route->method == method || (method == HTTP_HEAD && route->method == HTTP_GET);
}

static fallible find_route(struct exchange *exchange)
{
    const struct http_server_options *options = &exchange->server->options;
    struct http_request *request = &exchange->request;
    struct http_captures captures;
    bool path_is_known = false;
    for (size_t i = 0; i < options->route_count; i++) {
        const struct http_route *route = &options->routes[i];
        if (!http_pattern_matches(route->pattern, &request->target, options->case_blind_paths, &captures)) {
            continue;
        }
        path_is_known = true;
        if (method_fits(route, request->method)) {
            request->route = route;
            request->captures = captures;
            return OK;
        }
    }
    if (path_is_known) {
        return FAIL(UNSUPPORTED, "http.method");
    }
    return FAIL(NOT_FOUND, "http.path.unknown");
}

/* Content-Length as declared, UINT64_MAX for a chunked body of unknown size, 0 for none. */
static fallible declared_size(const struct http_request *request, uint64_t *out)
{
    struct text encoding = http_header(request, "Transfer-Encoding");
    struct text length = http_header(request, "Content-Length");
    if (encoding.size > 0) {
        *out = UINT64_MAX;
        return OK;
    }
    *out = 0;
    char *end = NULL;
    if (length.size > 0) {
        *out = strtoull(length.data, &end, 10);
        REQUIRE(end != length.data && *end == 0, INVALID, "http.content_length");
    }
    return OK;
}

static fallible begin_request(struct exchange *exchange, const char *method, uint64_t *out_declared)
{
    struct http_request *request = &exchange->request;
    struct http_server *server = exchange->server;
    *out_declared = 0;
    TRY(exchange->failure);
    TRY(make_id(exchange));
    read_client_id(exchange);
    read_peer(exchange);
    TRY(declared_size(request, out_declared));
    request->method = http_method_of(method);
    TRY(http_target_parse(&exchange->arena, request->path, &request->target));
    TRY(find_route(exchange));
    uint64_t body_max = request->route->body_bytes_max;
    request->body_bytes = *out_declared == UINT64_MAX ? 0 : *out_declared;
    if (request->route->admit != NULL) {
        TRY(request->route->admit(server->options.self, request, &exchange->reply));
    }
    REQUIRE(*out_declared == UINT64_MAX || *out_declared <= body_max, LIMIT, "http.body.too_large");
    buffer_init(&exchange->body, request->route->receive != NULL ? 0 : (size_t)body_max);
    return OK;
}

static fallible take_piece(struct exchange *exchange, struct bytes piece, uint64_t *io_received)
{
    const struct http_route *route = exchange->request.route;
    REQUIRE(piece.size <= route->body_bytes_max - *io_received, LIMIT, "http.body.too_large");
    *io_received += piece.size;
    if (route->receive != NULL) {
        return route->receive(exchange->server->options.self, &exchange->request, piece);
    }
    return buffer_add(&exchange->body, piece);
}

/* ---- The reply ---- */

static int failure_status(struct result failure)
{
    if (strcmp(failure.why, "http.method") == 0) {
        return 405;
    }
    return strcmp(failure.why, "http.range.unsatisfiable") == 0 ? 416 : result_code_http_status(failure.code);
}

static fallible default_fail(struct http_request *request, struct result failure, struct http_reply *reply)
{
    scoped_json *error = json_object();
    scoped_json *outer = json_object();
    struct text message;
    TRY(arena_printf(request->arena, &message, "%s%s%s: %s", failure.why, failure.where != NULL ? " at " : "",
                     failure.where != NULL ? failure.where : "", result_code_advice(failure.code)));
    TRY(json_set_text(error, "code", text_of(result_code_name(failure.code))));
    TRY(json_set_text(error, "message", message));
    TRY(json_set(outer, "error", json_incref(error)));
    return reply_json(request, reply, failure_status(failure), outer);
}

static void reply_failure(struct exchange *exchange, struct result failure)
{
    const struct http_server_options *options = &exchange->server->options;
    if (exchange->reply.file >= 0) {
        close(exchange->reply.file);
    }
    exchange->reply = (struct http_reply){.file = -1, .failure = failure};
    if (options->fail != NULL) {
        options->fail(options->self, &exchange->request, failure, &exchange->reply);
    }
    if (exchange->reply.status == 0 &&
        !result_is_ok(default_fail(&exchange->request, failure, &exchange->reply))) {
        exchange->reply = (struct http_reply){.file = -1, .status = 503, .failure = failure};
    }
}

static void wipe_and_free(void *block)
{
    size_t size;
    memcpy(&size, block, sizeof size);
    explicit_bzero(block, size + sizeof size);
    free(block);
}

/* A body may hold an unwrapped key, so our copy of it is overwritten when it has been sent. The block
 * starts with its own size; libmicrohttpd gives the block back to `wipe_and_free`. */
static struct MHD_Response *response_of_bytes(struct bytes body)
{
    uint8_t *block = malloc(sizeof body.size + body.size);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &body.size, sizeof body.size);
    if (body.size > 0) {
        memcpy(block + sizeof body.size, body.data, body.size);
    }
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        body.size, block + sizeof body.size, wipe_and_free, block);
    if (response == NULL) {
        wipe_and_free(block);
    }
    return response;
}

static void add_headers(struct exchange *exchange, struct MHD_Response *response)
{
    const struct http_reply *reply = &exchange->reply;
    bool has_cache_control = false;
    for (size_t i = 0; i < reply->header_count; i++) {
        has_cache_control |= strcmp(reply->headers[i].name, "Cache-Control") == 0;
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    }
    if (!has_cache_control) {
        MHD_add_response_header(response, "Cache-Control", "no-cache");
    }
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (!exchange->server->options.insecure_http) {
        MHD_add_response_header(response, "Strict-Transport-Security", "max-age=31536000;includeSubDomains");
    }
    if (exchange->request.id.size > 0) {
        MHD_add_response_header(response, "x-ms-request-id",
                                arena_where(&exchange->arena, "%.*s", TEXT_ARGS(exchange->request.id)));
    }
    if (exchange->request.client_id.size > 0) {
        MHD_add_response_header(
            response, "x-ms-client-request-id",
            arena_where(&exchange->arena, "%.*s", TEXT_ARGS(exchange->request.client_id)));
    }
}

static enum MHD_Result send_reply(struct exchange *exchange, struct MHD_Connection *connection)
{
    struct http_reply *reply = &exchange->reply;
    exchange->is_sent = true;
    struct MHD_Response *response;
    if (reply->file >= 0) {
        response = MHD_create_response_from_fd_at_offset64(reply->file_size, reply->file, reply->file_offset);
        if (response != NULL) {
            reply->file = -1;
        }
    } else {
        response = response_of_bytes(reply->body);
        if (reply->wipe_body) {
            explicit_bzero((void *)(uintptr_t)reply->body.data, reply->body.size);
        }
    }
    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(exchange, response);
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- libmicrohttpd's side ---- */

static enum MHD_Result begin(struct exchange *exchange, struct MHD_Connection *connection, const char *method)
{
    uint64_t declared;
    exchange->is_begun = true;
    exchange->failure = begin_request(exchange, method, &declared);
    exchange->request.body_bytes = 0;
    /* A refused request with a small body is read to its end, so that the connection stays usable; a large
     * or unbounded one is answered now, which closes the connection. */
    if (!result_is_ok(exchange->failure) && declared > HTTP_DISCARD_BYTES_MAX) {
        reply_failure(exchange, exchange->failure);
        return send_reply(exchange, connection);
    }
    return MHD_YES;
}

static enum MHD_Result finish(struct exchange *exchange, struct MHD_Connection *connection)
{
    struct http_request *request = &exchange->request;
    struct result result = exchange->failure;
    if (result_is_ok(result)) {
        request->body = buffer_view(&exchange->body);
        result = request->route->handle(exchange->server->options.self, request, &exchange->reply);
        ASSERT(!result_is_ok(result) || exchange->reply.status != 0);
    }
    if (!result_is_ok(result)) {
        reply_failure(exchange, result);
    }
    return send_reply(exchange, connection);
}

static enum MHD_Result answer(void *self, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    (void)self;
    (void)url;
    (void)version;
    struct exchange *exchange = *state;
    if (exchange == NULL || exchange->is_sent) {
        return MHD_NO;
    }
    if (!exchange->is_begun) {
        return begin(exchange, connection, method);
    }
    if (*upload_size == 0) {
        return finish(exchange, connection);
    }
    struct bytes piece = {(const uint8_t *)upload, *upload_size};
    *upload_size = 0;
    if (result_is_ok(exchange->failure)) {
        exchange->failure = take_piece(exchange, piece, &exchange->request.body_bytes);
        return MHD_YES;
    }
    exchange->request.body_bytes += piece.size;
    return exchange->request.body_bytes > HTTP_DISCARD_BYTES_MAX ? MHD_NO : MHD_YES;
}

/* libmicrohttpd must not decode anything: route.h does, once. */
static size_t keep_escapes(void *self, struct MHD_Connection *connection, char *text)
{
    (void)self;
    (void)connection;
    return strlen(text);
}

/* Libmicrohttpd's own messages name peers and causes, never content; they are not for our logs. */
static void __attribute__((format(printf, 2, 0)))
say_nothing(void *self, const char *format, va_list arguments)
{
    (void)self;
    (void)format;
    (void)arguments;
}

/* ---- Start and stop ---- */

static fallible copy_pem(struct bytes pem, char **out)
{
    REQUIRE(pem.size > 0 && memchr(pem.data, 0, pem.size) == NULL, INVALID, "http.server.pem");
    char *copy = malloc(pem.size + 1);
    REQUIRE(copy != NULL, NO_MEMORY, "http.server.memory");
    memcpy(copy, pem.data, pem.size);
    copy[pem.size] = 0;
    *out = copy;
    return OK;
}

static struct MHD_Daemon *start_daemon(struct http_server *server, int socket_fd)
{
    const struct http_server_options *options = &server->options;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->key_pem},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        flags | (options->insecure_http ? 0 : MHD_USE_TLS), 0, NULL, NULL, answer, server,
        MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, socket_fd,
        MHD_OPTION_THREAD_POOL_SIZE, options->threads, MHD_OPTION_CONNECTION_LIMIT, options->connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, server,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, server, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
        NULL, MHD_OPTION_ARRAY, options->insecure_http ? none : tls, MHD_OPTION_END);
}

static void server_free(struct http_server *server)
{
    if (server->key_pem != NULL) {
        explicit_bzero(server->key_pem, strlen(server->key_pem));
    }
    free(server->key_pem);
    free(server->certificate_pem);
    free(server);
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value != 0 ? value : otherwise;
}

static fallible server_open(struct http_server *server, const struct http_server_options *options)
{
    server->options = *options;
    server->options.threads = or_default(options->threads, 4);
    server->options.connections_max = or_default(options->connections_max, 256);
    server->options.idle_seconds = or_default(options->idle_seconds, 60);
    if (options->arena_bytes_max == 0) {
        server->options.arena_bytes_max = HTTP_ARENA_BYTES_MAX_DEFAULT;
    }
    if (!options->insecure_http) {
        TRY(copy_pem(options->certificate_pem, &server->certificate_pem));
        TRY(copy_pem(options->key_pem, &server->key_pem));
    }
    int socket_fd;
    TRY(listen_open(options->listen, options->insecure_http, &socket_fd, &server->port));
    server->daemon = start_daemon(server, socket_fd);
    if (server->daemon == NULL) {
        close(socket_fd);
        return FAIL(INVALID, "http.server.start");
    }
    return OK;
}

fallible http_server_start(const struct http_server_options *options, struct http_server **out)
{
    struct http_server *server = calloc(1, sizeof *server);
    REQUIRE(server != NULL, NO_MEMORY, "http.server.memory");
    struct result result = server_open(server, options);
    if (!result_is_ok(result)) {
        server_free(server);
        return result;
    }
    *out = server;
    return OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_stop(struct http_server *server, int64_t grace_ms)
{
    if (server == NULL) {
        return;
    }
    const struct world *world = server->options.world;
    int64_t deadline = world_monotonic_ms(world) + grace_ms;
    MHD_socket listening = MHD_quiesce_daemon(server->daemon);
    while (atomic_load(&server->in_progress) > 0 && world_monotonic_ms(world) < deadline) {
        struct timespec pause = {0, 5 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    MHD_stop_daemon(server->daemon);
    if (listening != MHD_INVALID_SOCKET) {
        close(listening);
    }
    server_free(server);
}
