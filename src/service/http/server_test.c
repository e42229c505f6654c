/* Server and client against each other over loopback, without TLS (the end-to-end tests use TLS). */
#include "service/http/client.h"
#include "service/http/server.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_ok(struct result result)
{
    if (!result_is_ok(result)) {
        fail_msg("%s: %s", result_code_name(result.code), result.why);
    }
}

static void assert_why(struct result result, enum result_code want_code, const char *want_why)
{
    assert_string_equal(result.why, want_why);
    assert_int_equal(result.code, want_code);
}

/* ---- A service ---- */

static fallible echo(void *self, struct http_request *request, struct http_reply *reply)
{
    (void)self;
    scoped_json *value = json_object();
    TRY(json_set_text(value, "name", request->captures.rows[0]));
    TRY(json_set_text(value, "body", text_of_bytes(request->body)));
    TRY(json_set_text(value, "query", http_query(request, "q")));
    TRY(json_set_text(value, "bearer", http_bearer(request)));
    TRY(json_set_text(value, "peer", request->peer));
    TRY(reply_header(request, reply, "X-Echo", TEXT("yes")));
    return reply_json(request, reply, 200, value);
}

static fallible refuse(void *self, struct http_request *request, struct http_reply *reply)
{
    (void)self;
    (void)reply;
    REQUIRE(request->body.size == 0, INTERNAL, "test.body_before_admission");
    return FAIL_AT(UNAUTHENTICATED, "test.who", "you");
}

static fallible count_octets(void *self, struct http_request *request, struct bytes piece)
{
    (void)self;
    if (request->local == NULL) {
        request->local = calloc(1, sizeof(uint64_t));
        request->local_release = free;
    }
    *(uint64_t *)request->local += piece.size;
    return OK;
}

static fallible tell_count(void *self, struct http_request *request, struct http_reply *reply)
{
    (void)self;
    scoped_json *value = json_object();
    TRY(json_set_i64(value, "octets", request->local ? (int64_t) * (uint64_t *)request->local : 0));
    return reply_json(request, reply, 200, value);
}

static fallible send_file(void *self, struct http_request *request, struct http_reply *reply)
{
    (void)self;
    char path[] = "/tmp/truce-http-test-XXXXXX";
    int file = mkstemp(path);
    REQUIRE(file >= 0 && unlink(path) == 0 && write(file, "0123456789", 10) == 10, INTERNAL, "test.file");
    bool is_range;
    uint64_t first = 0;
    uint64_t count = 10;
    struct result result = http_range(request, 10, &is_range, &first, &count);
    if (!result_is_ok(result)) {
        close(file);
        return result;
    }
    return reply_file(request, reply, is_range ? 206 : 200, "application/octet-stream", file, first, count);
}

static fallible wait_a_little(void *self, struct http_request *request, struct http_reply *reply)
{
    (void)self;
    usleep(700 * 1000);
    return reply_empty(request, reply, 204);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/things/{name}", .handle = echo},
    {HTTP_POST, "/things/{name}", .body_bytes_max = 16, .handle = echo},
    {HTTP_POST, "/closed", .body_bytes_max = 16, .admit = refuse, .handle = echo},
    {HTTP_PUT, "/stream", .body_bytes_max = 64 * 1024 * 1024, .receive = count_octets, .handle = tell_count},
    {HTTP_GET, "/file", .handle = send_file},
    {HTTP_GET, "/slow", .handle = wait_a_little},
};

struct fixture {
    struct world world;
    struct http_server *server;
    struct http_client client;
    struct arena arena;
    int done_count;
};

static void count_done(void *self, const struct http_request *request, const struct http_reply *reply,
                       int64_t ms)
{
    struct fixture *fixture = self;
    (void)request;
    (void)reply;
    (void)ms;
    __atomic_add_fetch(&fixture->done_count, 1, __ATOMIC_SEQ_CST);
}

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->world = world_of_system();
    struct http_server_options options = {
        .listen = TEXT("127.0.0.1:0"),
        .insecure_http = true,
        .routes = routes,
        .route_count = sizeof routes / sizeof *routes,
        .world = &fixture->world,
        .self = fixture,
        .done = count_done,
    };
    assert_ok(http_server_start(&options, &fixture->server));
    assert_ok(http_client_open(&(struct http_client_options){.insecure_http = true}, &fixture->client));
    arena_init(&fixture->arena, 64 * 1024 * 1024);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    http_client_close(&fixture->client);
    http_server_stop(fixture->server, 1000);
    arena_release(&fixture->arena);
    free(fixture);
    return 0;
}

static struct text url_of(struct fixture *fixture, const char *path)
{
    return text_of(
        arena_where(&fixture->arena, "http://127.0.0.1:%u%s", http_server_port(fixture->server), path));
}

static struct http_answer call(struct fixture *fixture, struct http_call call, const char *path)
{
    struct http_answer answer;
    call.url = url_of(fixture, path);
    assert_ok(http_client_call(&fixture->client, &fixture->arena, &call, &answer));
    return answer;
}

static void assert_member(struct http_answer answer, const char *name, const char *want)
{
    scoped_json *value = NULL;
    struct text text;
    assert_ok(json_decode(answer.body, &value));
    assert_ok(json_get_text(value, name, &text));
    assert_true(text_is(text, want));
}

/* ---- Tests ---- */

static void a_request_arrives_decoded(void **state)
{
    struct http_call post = {
        .method = HTTP_POST,
        .body = bytes_of_text(TEXT("hello")),
        .headers = {{"Authorization", TEXT("bearer t.o.k")}, {"x-ms-client-request-id", TEXT("abc-1")}},
    };
    struct http_answer answer = call(*state, post, "/things/a%2Fb?%71=x%20y");
    assert_int_equal(answer.status, 200);
    assert_member(answer, "name", "a/b");
    assert_member(answer, "body", "hello");
    assert_member(answer, "query", "x y");
    assert_member(answer, "bearer", "t.o.k");
    assert_member(answer, "peer", "127.0.0.1");
    assert_true(text_is(http_answer_header(&answer, "x-echo"), "yes"));
    assert_true(text_is(http_answer_header(&answer, "x-ms-client-request-id"), "abc-1"));
    assert_true(text_is(http_answer_header(&answer, "cache-control"), "no-cache"));
    assert_int_equal(http_answer_header(&answer, "x-ms-request-id").size, 36);
}

static void refusals_have_their_status(void **state)
{
    static const struct {
        enum http_method method;
        const char *path;
        size_t body_size;
        int want_status;
    } rows[] = {
        {HTTP_GET, "/nothing", 0, 404},    {HTTP_DELETE, "/things/a", 0, 405},
        {HTTP_GET, "/things/%zz", 0, 400}, {HTTP_GET, "/things/a?q=1&q=2", 0, 400},
        {HTTP_POST, "/things/a", 17, 413}, {HTTP_POST, "/things/a", 16, 200},
        {HTTP_POST, "/closed", 8, 401},    {HTTP_POST, "/closed", 2000, 401},
        {HTTP_HEAD, "/things/a", 0, 200},  {HTTP_HEAD, "/nothing", 0, 404},
    };
    static const uint8_t zeros[2000] = "";
    uint8_t body[2000];
    memset(body, 'a', sizeof body);
    (void)zeros;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_call one = {.method = rows[i].method, .body = {body, rows[i].body_size}};
        struct http_answer answer = call(*state, one, rows[i].path);
        assert_int_equal(answer.status, rows[i].want_status);
    }
    struct http_answer answer = call(*state, (struct http_call){.method = HTTP_POST}, "/closed");
    scoped_json *value = NULL;
    json_t *error;
    assert_ok(json_decode(answer.body, &value));
    assert_ok(json_get_object(value, "error", &error));
    struct text code;
    assert_ok(json_get_text(error, "code", &code));
    assert_true(text_is(code, "unauthenticated"));
}

static size_t give(void *self, uint8_t *out, size_t size)
{
    (void)self;
    memset(out, 'x', size);
    return size;
}

static void large_bodies_stream(void **state)
{
    struct http_call put = {.method = HTTP_PUT, .read = give, .body_size = 20 * 1024 * 1024};
    struct http_answer answer = call(*state, put, "/stream");
    assert_int_equal(answer.status, 200);
    assert_true(text_is(text_of_bytes(answer.body), "{\"octets\":20971520}"));
    put.body_size = 64 * 1024 * 1024 + 1;
    struct fixture *fixture = *state;
    put.url = url_of(fixture, "/stream");
    struct result result = http_client_call(&fixture->client, &fixture->arena, &put, &answer);
    assert_true(!result_is_ok(result) || answer.status == 413);
}

static void files_answer_ranges(void **state)
{
    struct http_answer all = call(*state, (struct http_call){.method = HTTP_GET}, "/file");
    assert_true(text_is(text_of_bytes(all.body), "0123456789"));
    static const struct {
        struct text range;
        int want_status;
        const char *want;
    } rows[] = {
        {TEXT("bytes=2-4"), 206, "234"},        {TEXT("bytes=7-"), 206, "789"},
        {TEXT("bytes=-2"), 206, "89"},          {TEXT("bytes=9-99"), 206, "9"},
        {TEXT("bytes=10-"), 416, NULL},         {TEXT("bytes=x"), 200, "0123456789"},
        {TEXT("lines=1-2"), 200, "0123456789"}, {TEXT("bytes=-"), 200, "0123456789"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_call get = {.method = HTTP_GET, .headers = {{"Range", rows[i].range}}};
        struct http_answer answer = call(*state, get, "/file");
        assert_int_equal(answer.status, rows[i].want_status);
        if (rows[i].want != NULL) {
            assert_true(text_is(text_of_bytes(answer.body), rows[i].want));
        }
    }
}

static void a_chunked_body_has_a_maximum(void **state)
{
    struct fixture *fixture = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_server_port(fixture->server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    const char *request = "POST /things/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "14\r\naaaaaaaaaaaaaaaaaaaa\r\n0\r\n\r\n";
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    char answer[16] = "";
    assert_true(recv(fd, answer, 12, MSG_WAITALL) == 12);
    assert_string_equal(answer, "HTTP/1.1 413");
    close(fd);
}

static void the_client_keeps_its_limits(void **state)
{
    struct fixture *fixture = *state;
    struct http_answer answer;
    struct http_call get = {.method = HTTP_GET, .url = url_of(fixture, "/things/abc"), .answer_bytes_max = 8};
    assert_why(http_client_call(&fixture->client, &fixture->arena, &get, &answer), RESULT_LIMIT,
               "http.client.answer_too_large");
    get = (struct http_call){.method = HTTP_GET, .url = url_of(fixture, "/slow"), .timeout_ms = 100};
    assert_why(http_client_call(&fixture->client, &fixture->arena, &get, &answer), RESULT_TIMEOUT,
               "http.client.timeout");
    get.url = TEXT("http://example.com/");
    assert_why(http_client_call(&fixture->client, &fixture->arena, &get, &answer), RESULT_DENIED,
               "http.client.http_not_loopback");
    get.url = TEXT("http://127.0.0.1:1/");
    assert_why(http_client_call(&fixture->client, &fixture->arena, &get, &answer), RESULT_UNAVAILABLE,
               "http.client.connect");
    struct http_client strict;
    assert_why(http_client_open(&(struct http_client_options){0}, &strict), RESULT_INVALID,
               "http.client.no_authority");
    assert_ok(http_client_open(&(struct http_client_options){.system_store = true}, &strict));
    get.url = url_of(fixture, "/slow");
    assert_why(http_client_call(&strict, &fixture->arena, &get, &answer), RESULT_INVALID,
               "http.client.https_only");
    get.headers[0] = (struct http_call_header){"X", TEXT("a\r\nB: c")};
    assert_why(http_client_call(&fixture->client, &fixture->arena, &get, &answer), RESULT_INVALID,
               "http.client.header");
    http_client_close(&strict);
}

static void statuses_map_to_codes(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum result_code want;
    } rows[] = {
        {200, RESULT_OK},
        {204, RESULT_OK},
        {301, RESULT_UNSUPPORTED},
        {400, RESULT_INVALID},
        {401, RESULT_UNAUTHENTICATED},
        {403, RESULT_DENIED},
        {404, RESULT_NOT_FOUND},
        {409, RESULT_CONFLICT},
        {413, RESULT_LIMIT},
        {429, RESULT_UNAVAILABLE},
        {503, RESULT_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_answer answer = {.status = rows[i].status};
        assert_int_equal(http_answer_check(&answer).code, rows[i].want);
    }
}

static void a_server_listens_where_it_may(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct text listen;
        enum result_code want_code;
        const char *want_why;
    } rows[] = {
        {TEXT("0.0.0.0:0"), RESULT_DENIED, "http.listen.insecure_not_loopback"},
        {TEXT("127.0.0.1"), RESULT_INVALID, "http.listen.form"},
        {TEXT("127.0.0.1:x"), RESULT_INVALID, "http.listen.port"},
        {TEXT("127.0.0.1:65536"), RESULT_INVALID, "http.listen.port"},
        {TEXT("example.com:1"), RESULT_INVALID, "http.listen.address"},
    };
    struct http_server_options options = {.insecure_http = true, .world = &fixture->world};
    struct http_server *server;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        options.listen = rows[i].listen;
        assert_why(http_server_start(&options, &server), rows[i].want_code, rows[i].want_why);
    }
    options.listen = text_of(arena_where(&fixture->arena, "127.0.0.1:%u", http_server_port(fixture->server)));
    assert_why(http_server_start(&options, &server), RESULT_CONFLICT, "http.listen.in_use");
    options.listen = TEXT("127.0.0.1:0");
    options.insecure_http = false;
    assert_why(http_server_start(&options, &server), RESULT_INVALID, "http.server.pem");
    options.certificate_pem = options.key_pem = bytes_of_text(TEXT("no certificate"));
    assert_why(http_server_start(&options, &server), RESULT_INVALID, "http.server.start");
    uint16_t port = 0;
    assert_ok(http_choose_port(TEXT("127.0.0.1:0"), &port));
    assert_true(port > 0);
}

static void stopping_waits_for_requests(void **state)
{
    struct fixture *fixture = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_server_port(fixture->server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    const char *request = "GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    usleep(200 * 1000);
    http_server_stop(fixture->server, 5000);
    fixture->server = NULL;
    char answer[16] = "";
    assert_true(recv(fd, answer, 12, MSG_WAITALL) == 12);
    assert_string_equal(answer, "HTTP/1.1 204");
    close(fd);
    assert_true(fixture->done_count > 0);
}

#define SERVED(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_request_arrives_decoded),
        SERVED(refusals_have_their_status),
        SERVED(large_bodies_stream),
        SERVED(files_answer_ranges),
        SERVED(a_chunked_body_has_a_maximum),
        SERVED(the_client_keeps_its_limits),
        SERVED(a_server_listens_where_it_may),
        SERVED(stopping_waits_for_requests),
        cmocka_unit_test(statuses_map_to_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
