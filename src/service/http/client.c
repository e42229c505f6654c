#include "service/http/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

/* What a call collects while libcurl runs. */
struct transfer {
    struct http_client *client;
    struct arena *arena;
    const struct http_call *call;
    struct http_answer answer;
    struct buffer body;
    uint64_t received;
    uint64_t max;
    size_t header_bytes;
    uint64_t sent;
    struct result failure;
};

static void initialise_curl(void)
{
    ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

fallible http_client_open(const struct http_client_options *options, struct http_client *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    ASSERT(pthread_once(&once, initialise_curl) == 0);
    bool trusts_somebody = options->ca_pem.size > 0 || options->system_store;
    REQUIRE(trusts_somebody || options->insecure_http, INVALID, "http.client.no_authority");
    CURL *handle = curl_easy_init();
    REQUIRE(handle != NULL, NO_MEMORY, "http.client.memory");
    *out = (struct http_client){handle, *options};
    return OK;
}

void http_client_close(struct http_client *client)
{
    curl_easy_cleanup(client->handle);
    *client = (struct http_client){0};
}

/* ---- What comes in ---- */

static struct text trimmed(struct text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = (struct text){text.data + 1, text.size - 1};
    }
    while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) != NULL) {
        text.size--;
    }
    return text;
}

static fallible take_header(struct transfer *transfer, struct text line)
{
    struct http_answer *answer = &transfer->answer;
    transfer->header_bytes += line.size;
    REQUIRE(transfer->header_bytes <= HTTP_ANSWER_HEADER_BYTES_MAX, LIMIT, "http.client.headers");
    if (text_starts_with(line, TEXT("HTTP/"))) {
        answer->header_count = 0; /* 100 Continue came before */
        return OK;
    }
    const char *colon = memchr(line.data, ':', line.size);
    if (colon == NULL) {
        return OK;
    }
    REQUIRE(answer->header_count < HTTP_ANSWER_HEADERS_MAX, LIMIT, "http.client.headers");
    struct text name = {line.data, (size_t)(colon - line.data)};
    struct text value = trimmed((struct text){colon + 1, line.size - name.size - 1});
    char *lower;
    TRY(arena_take(transfer->arena, name.size, (void **)&lower));
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    answer->headers[answer->header_count].name = (struct text){lower, name.size};
    TRY(arena_copy_text(transfer->arena, value, &answer->headers[answer->header_count].value));
    answer->header_count++;
    return OK;
}

static size_t header_arrived(char *data, size_t item, size_t count, void *self)
{
    struct transfer *transfer = self;
    size_t size = item * count;
    transfer->failure = take_header(transfer, (struct text){data, size});
    return result_is_ok(transfer->failure) ? size : 0;
}

static fallible take_piece(struct transfer *transfer, struct bytes piece)
{
    REQUIRE(piece.size <= transfer->max - transfer->received, LIMIT, "http.client.answer_too_large");
    transfer->received += piece.size;
    long status = 0;
    curl_easy_getinfo(transfer->client->handle, CURLINFO_RESPONSE_CODE, &status);
    if (transfer->call->write != NULL && status >= 200 && status < 300) {
        return transfer->call->write(transfer->call->write_self, piece);
    }
    return buffer_add(&transfer->body, piece);
}

static size_t piece_arrived(char *data, size_t item, size_t count, void *self)
{
    struct transfer *transfer = self;
    size_t size = item * count;
    transfer->failure = take_piece(transfer, (struct bytes){(const uint8_t *)data, size});
    return result_is_ok(transfer->failure) ? size : 0;
}

/* ---- What goes out ---- */

static size_t piece_wanted(char *out, size_t item, size_t count, void *self)
{
    struct transfer *transfer = self;
    const struct http_call *call = transfer->call;
    uint64_t left = call->body_size - transfer->sent;
    size_t size = item * count < left ? item * count : (size_t)left;
    size_t given = size > 0 ? call->read(call->read_self, (uint8_t *)out, size) : 0;
    if (size > 0 && (given == 0 || given > size)) {
        return CURL_READFUNC_ABORT;
    }
    transfer->sent += given;
    return given;
}

static void headers_release(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static fallible add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    REQUIRE(longer != NULL, NO_MEMORY, "http.client.memory");
    *list = longer;
    return OK;
}

static fallible make_headers(struct arena *arena, const struct http_call *call, struct curl_slist **out)
{
    TRY(add_header(out, "Expect:"));
    for (size_t i = 0; i < HTTP_CALL_HEADERS_MAX && call->headers[i].name != NULL; i++) {
        struct text value = call->headers[i].value;
        bool broken =
            value.size > 0 && (memchr(value.data, '\n', value.size) || memchr(value.data, '\r', value.size));
        REQUIRE(!broken, INVALID, "http.client.header");
        struct text line;
        const char *cstring;
        TRY(arena_printf(arena, &line, "%s: %.*s", call->headers[i].name, TEXT_ARGS(value)));
        TRY(arena_cstring(arena, line, &cstring));
        TRY(add_header(out, cstring));
    }
    return OK;
}

/* ---- The call ---- */

static fallible check_url(const struct http_client *client, struct arena *arena, struct text url,
                          const char **out)
{
    struct url parsed;
    TRY(url_parse(arena, url, &parsed));
    if (text_is(parsed.scheme, "http")) {
        REQUIRE(client->options.insecure_http, INVALID, "http.client.https_only");
        REQUIRE(url_host_is_loopback(parsed.host), DENIED, "http.client.http_not_loopback");
    }
    return arena_cstring(arena, url, out);
}

static void set_security(CURL *handle, const struct http_client_options *options)
{
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, options->insecure_http ? "http,https" : "https");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!options->system_store) {
        curl_easy_setopt(handle, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(handle, CURLOPT_CAPATH, NULL);
    }
    if (options->ca_pem.size > 0) {
        struct curl_blob blob = {(void *)(uintptr_t)options->ca_pem.data, options->ca_pem.size,
                                 CURL_BLOB_COPY};
        curl_easy_setopt(handle, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (!options->environment_proxy) {
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
    }
    curl_easy_setopt(handle, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, options->user_agent != NULL ? options->user_agent : "truce");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
}

static void set_body(CURL *handle, struct transfer *transfer)
{
    const struct http_call *call = transfer->call;
    bool has_body = call->method == HTTP_PUT || call->method == HTTP_POST || call->method == HTTP_PATCH;
    curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    if (call->method == HTTP_HEAD) {
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
        return;
    }
    if (has_body && call->read != NULL) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->body_size);
        curl_easy_setopt(handle, CURLOPT_READFUNCTION, piece_wanted);
        curl_easy_setopt(handle, CURLOPT_READDATA, transfer);
    } else if (has_body) {
        curl_easy_setopt(handle, CURLOPT_POST, 1L);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS,
                         call->body.size > 0 ? (const char *)call->body.data : "");
    }
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, http_method_name(call->method));
}

static void set_transfer(CURL *handle, struct transfer *transfer)
{
    const struct http_call *call = transfer->call;
    int64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : HTTP_TIMEOUT_MS_DEFAULT;
    int64_t connect_ms =
        call->connect_timeout_ms > 0 ? call->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS_DEFAULT;
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, header_arrived);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, piece_arrived);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
}

static fallible failure_of(CURLcode code)
{
    switch ((int)code) {
    case CURLE_OPERATION_TIMEDOUT:
        return FAIL(TIMEOUT, "http.client.timeout");
    case CURLE_COULDNT_RESOLVE_HOST:
        return FAIL(UNAVAILABLE, "http.client.resolve");
    case CURLE_COULDNT_CONNECT:
        return FAIL(UNAVAILABLE, "http.client.connect");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return FAIL(UNTRUSTED, "http.client.certificate");
    case CURLE_SSL_CONNECT_ERROR:
        return FAIL(UNAVAILABLE, "http.client.tls");
    case CURLE_ABORTED_BY_CALLBACK:
        return FAIL(UNAVAILABLE, "http.client.source");
    case CURLE_OUT_OF_MEMORY:
        return FAIL(NO_MEMORY, "http.client.memory");
    default:
        return FAIL(UNAVAILABLE, "http.client.broken");
    }
}

static fallible perform(struct http_client *client, struct transfer *transfer, const char *url)
{
    CURL *handle = client->handle;
    defer(headers_release) struct curl_slist *headers = NULL;
    TRY(make_headers(transfer->arena, transfer->call, &headers));
    curl_easy_reset(handle); /* keeps the connections */
    set_security(handle, &client->options);
    set_body(handle, transfer);
    set_transfer(handle, transfer);
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(handle);
    TRY(transfer->failure);
    if (code != CURLE_OK) {
        return failure_of(code);
    }
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    transfer->answer.status = (int)status;
    return arena_copy(transfer->arena, buffer_view(&transfer->body), &transfer->answer.body);
}

static void transfer_release(struct transfer *transfer)
{
    if (transfer->body.data != NULL) {
        explicit_bzero(transfer->body.data, transfer->body.size);
    }
    buffer_release(&transfer->body);
}

fallible http_client_call(struct http_client *client, struct arena *arena, const struct http_call *call,
                          struct http_answer *out)
{
    ASSERT(call->method != HTTP_NONE);
    const char *url;
    TRY(check_url(client, arena, call->url, &url));
    defer(transfer_release) struct transfer transfer = {
        .client = client, .arena = arena, .call = call, .failure = OK};
    transfer.max = call->answer_bytes_max > 0 ? call->answer_bytes_max : HTTP_ANSWER_BYTES_MAX_DEFAULT;
    buffer_init(&transfer.body, call->write != NULL ? HTTP_ANSWER_BYTES_MAX_DEFAULT : (size_t)transfer.max);
    TRY(perform(client, &transfer, url));
    *out = transfer.answer;
    return OK;
}

struct text http_answer_header(const struct http_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (text_is(answer->headers[i].name, name)) {
            return answer->headers[i].value;
        }
    }
    return (struct text){0};
}

fallible http_answer_check(const struct http_answer *answer)
{
    int status = answer->status;
    if (status >= 200 && status < 300) {
        return OK;
    }
    switch (status) {
    case 401:
        return FAIL(UNAUTHENTICATED, "http.answer.unauthorized");
    case 403:
        return FAIL(DENIED, "http.answer.forbidden");
    case 404:
        return FAIL(NOT_FOUND, "http.answer.not_found");
    case 409:
        return FAIL(CONFLICT, "http.answer.conflict");
    case 413:
        return FAIL(LIMIT, "http.answer.too_large");
    case 429:
        return FAIL(UNAVAILABLE, "http.answer.throttled");
    default:
        REQUIRE(status < 500, UNAVAILABLE, "http.answer.server_error");
        REQUIRE(status < 400, INVALID, "http.answer.bad_request");
        return FAIL(UNSUPPORTED, "http.answer.unexpected");
    }
}

fallible http_client_get_json(struct http_client *client, struct arena *arena, struct text url, json_t **out)
{
    struct http_call call = {.method = HTTP_GET, .url = url};
    struct http_answer answer;
    TRY(http_client_call(client, arena, &call, &answer));
    TRY(http_answer_check(&answer));
    REQUIRE(answer.status == 200, UNSUPPORTED, "http.answer.unexpected");
    scoped_json *value = NULL;
    TRY(json_decode(answer.body, &value));
    REQUIRE(json_is_object(value), INVALID, "http.answer.not_object");
    *out = json_incref(value);
    return OK;
}
