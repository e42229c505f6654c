#include "service/event/event.h"

#include "base/json.h"
#include "crypto/test_support.h"
#include "service/event/event_form.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUN_ID "0123456789abcdef0123456789abcdef"
#define DIGEST_HEX RUN_ID RUN_ID
#define UUID_TEXT "01234567-89ab-4def-8123-456789abcdef"

static int64_t fixed_seconds(void *self)
{
    (void)self;
    return 1795471200; /* 2026-11-23T22:00:00Z */
}

static const struct world fixed_world = {.unix_seconds = fixed_seconds};

struct fixture {
    char folder[32];
    char path[64];
    char other[64];
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/truce-event-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/log", fixture->folder);
    snprintf(fixture->other, sizeof fixture->other, "%s/log.1", fixture->folder);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    unlink(fixture->path);
    unlink(fixture->other);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void where_of(char out[static 96], const char *kind, const struct fixture *fixture)
{
    snprintf(out, 96, "%s:%s", kind, fixture->path);
}

static size_t read_all(const char *path, char *out, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    ssize_t got = read(file, out, size - 1);
    assert_true(got >= 0);
    out[got] = '\0';
    close(file);
    return (size_t)got;
}

/* ---- Forms ---- */

static const struct {
    enum event_kind kind;
    const char *text;
    const char *want;
} forms[] = {
    {EVENT_RUN, RUN_ID, RUN_ID},
    {EVENT_RUN, "0123456789ABCDEF0123456789abcdef", "?"},
    {EVENT_RUN, "0123", "?"},
    {EVENT_DIGEST, DIGEST_HEX, DIGEST_HEX},
    {EVENT_DIGEST, RUN_ID, "?"},
    {EVENT_UUID, UUID_TEXT, UUID_TEXT},
    {EVENT_UUID, "01234567-89ab-4def-8123-456789abcde", "?"},
    {EVENT_UUID, "0123456789ab-4def-8123-456789abcdef--", "?"},
    {EVENT_NAME, "bureau", "bureau"},
    {EVENT_NAME, "Bureau of things", "?"},
    {EVENT_NAME, "a\nb", "?"},
    {EVENT_KEY, "Truce-01", "Truce-01"},
    {EVENT_KEY, "header.claims.signature", "?"},
    {EVENT_PATH, "datasets/bureau/flights/1/0.sealed", "datasets/bureau/flights/1/0.sealed"},
    {EVENT_PATH, "a//b", "?"},
    {EVENT_PATH, "a/b/", "?"},
    {EVENT_PATH, "/etc", "?"},
    {EVENT_TEE, "sim:00ff", "sim:00ff"},
    {EVENT_TEE, "sim:", "?"},
    {EVENT_TEE, "sim:zz", "?"},
    {EVENT_URL, "https://[::1]:8443", "https://[::1]:8443"},
    {EVENT_URL, "https://user@host", "?"},
    {EVENT_URL, "https://host/?token=1", "?"},
    {EVENT_URL, "http://host", "?"},
    {EVENT_REASON, "vault.key.expired", "vault.key.expired"},
    {EVENT_REASON, "policy.rows (bureau/flights): what a person wrote", "policy.rows"},
    {EVENT_REASON, "ok", "ok"},
    {EVENT_REASON, "secretvalue", "?"},
    {EVENT_REASON, "eyJhbGciOi.eyJpc3Mi", "?"},
    {EVENT_REASON, "abcdefghijklmnopqrstuvwxyz0123456789.a", "?"},
    {EVENT_REASON, "a..b", "?"},
    {EVENT_WORD, "KeyRelease", "KeyRelease"},
    {EVENT_WORD, "a1b2", "?"},
    {EVENT_WORD, "abcdefghijklmnopqrstuvwxyzabcdefghijk", "?"},
    {EVENT_ROUTE, "/v1/jobs/{run}", "/v1/jobs/{run}"},
    {EVENT_ROUTE, "/v1/jobs?token=1", "?"},
    {EVENT_ROUTE, "v1", "?"},
    {EVENT_NAME, "", "-"},
    {EVENT_REASON, NULL, "-"},
    {EVENT_RUN, "-", "-"},
};

static void values_have_their_form_or_are_not_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct event_value value = {"x", forms[i].kind, text_of(forms[i].text), 0};
        char storage[24];
        struct text got = event_value_text(&value, storage);
        if (!text_is(got, forms[i].want)) {
            fail_msg("%s became %.*s", forms[i].text, TEXT_ARGS(got));
        }
    }
    char storage[24];
    struct event_value least = {.name = "x", .kind = EVENT_NUMBER, .number = INT64_MIN};
    assert_true(text_is(event_value_text(&least, storage), "-9223372036854775808"));
    char name[EVENT_TEXT_BYTES_MAX + 2];
    memset(name, 'a', sizeof name);
    for (size_t i = 50; i < sizeof name; i += 50) {
        name[i] = '/';
    }
    struct event_value path = {"x", EVENT_PATH, {name, EVENT_TEXT_BYTES_MAX}, 0};
    path.text.data += 1; /* so that no "/" ends it */
    assert_int_equal(event_value_text(&path, storage).size, EVENT_TEXT_BYTES_MAX);
    path.text.size++;
    assert_true(text_is(event_value_text(&path, storage), "?"));
}

/* ---- Sinks ---- */

static void json_lines_are_whole(void **state)
{
    struct fixture *fixture = *state;
    char where[96];
    where_of(where, "json", fixture);
    scoped_event_log log = {0};
    assert_ok(event_log_open(text_of(where), "truce-host", &fixed_world, &log));
    event_job_started(&log, TEXT(RUN_ID), TEXT("room-1"), 2);
    event_contract_revoked(&log, TEXT("not a digest"), TEXT("bureau"));
    char got[2048];
    read_all(fixture->path, got, sizeof got);
    char *second = strchr(got, '\n') + 1;
    static const char want[] =
        "{\"audience\":\"querier\",\"event\":\"job.started\",\"fields\":{\"attempt\":2,\"room\":\"room-1\","
        "\"run\":\"" RUN_ID "\"},";
    assert_memory_equal(got, want, sizeof want - 1);
    scoped_json *line = NULL;
    assert_ok(json_decode((struct bytes){(const uint8_t *)second, strlen(second)}, &line));
    struct text text;
    assert_ok(json_get_text(line, "program", &text));
    assert_true(text_is(text, "truce-host"));
    assert_ok(json_get_text(line, "time", &text));
    assert_true(text_is(text, "2026-11-23T22:00:00Z"));
    assert_ok(json_get_text(json_object_get(line, "fields"), "contract", &text));
    assert_true(text_is(text, "?"));
    struct stat status;
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_file_may_be_rotated(void **state)
{
    struct fixture *fixture = *state;
    char where[96];
    char got[2048];
    where_of(where, "json", fixture);
    scoped_event_log log = {0};
    assert_ok(event_log_open(text_of(where), "truce-host", &fixed_world, &log));
    event_service_started(&log, TEXT("https://a"));
    assert_int_equal(rename(fixture->path, fixture->other), 0);
    event_service_started(&log, TEXT("https://b"));
    read_all(fixture->other, got, sizeof got);
    assert_null(strstr(got, "https://b"));
    read_all(fixture->path, got, sizeof got);
    assert_non_null(strstr(got, "https://b"));
    assert_int_equal(truncate(fixture->path, 0), 0);
    event_service_started(&log, TEXT("https://c"));
    assert_true(read_all(fixture->path, got, sizeof got) > 0);
    assert_int_equal(got[0], '{');
    /* A symbolic link in its place is not followed. */
    unlink(fixture->path);
    assert_int_equal(symlink("log.1", fixture->path), 0);
    event_service_started(&log, TEXT("https://d"));
    read_all(fixture->other, got, sizeof got);
    assert_null(strstr(got, "https://d"));
}

static int bind_journal(const struct fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, fixture->path, strlen(fixture->path));
    int journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(journal, (struct sockaddr *)&address, sizeof address), 0);
    return journal;
}

static void the_journal_gets_its_own_protocol(void **state)
{
    struct fixture *fixture = *state;
    int journal = bind_journal(fixture);
    char where[96];
    where_of(where, "journal", fixture);
    scoped_event_log log = {0};
    assert_ok(event_log_open(text_of(where), "truce-vault", &fixed_world, &log));
    event_key_release_refused(&log, TEXT("k1"), "vault.key.expired", TEXT(UUID_TEXT));
    char got[2048];
    ssize_t size = recv(journal, got, sizeof got - 1, 0);
    assert_true(size > 0);
    got[size] = '\0';
    static const char *const wanted[] = {
        "MESSAGE=key.release_refused key=k1 reason=vault.key.expired request=" UUID_TEXT "\nMESSAGE_ID=",
        "\nPRIORITY=4\n",
        "\nSYSLOG_IDENTIFIER=truce-vault\n",
        "\nTRUCE_EVENT=key.release_refused\n",
        "\nTRUCE_AUDIENCE=auditor\n",
        "\nTRUCE_KEY=k1\n",
        "\nTRUCE_REASON=vault.key.expired\n",
        "\nTRUCE_REQUEST=" UUID_TEXT "\n"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (strstr(got, wanted[i]) == NULL) {
            fail_msg("%s is not in %s", wanted[i], got);
        }
    }
    close(journal);
}

static void a_journal_that_was_away_hears_what_it_missed(void **state)
{
    struct fixture *fixture = *state;
    int journal = bind_journal(fixture);
    char where[96];
    where_of(where, "journal", fixture);
    scoped_event_log log = {0};
    assert_ok(event_log_open(text_of(where), "truce-host", &fixed_world, &log));
    close(journal);
    unlink(fixture->path);
    event_service_started(&log, TEXT("https://a"));
    event_service_started(&log, TEXT("https://b"));
    journal = bind_journal(fixture);
    event_service_started(&log, TEXT("https://c"));
    char got[2048];
    ssize_t size = recv(journal, got, sizeof got - 1, 0);
    assert_true(size > 0);
    got[size] = '\0';
    assert_non_null(strstr(got, "MESSAGE=log.lost count=2\n"));
    size = recv(journal, got, sizeof got - 1, 0);
    assert_true(size > 0);
    got[size] = '\0';
    assert_non_null(strstr(got, "TRUCE_URL=https://c\n"));
    close(journal);
}

static void values_of_many_lines_are_framed(void **state)
{
    (void)state;
    scoped_buffer out;
    buffer_init(&out, 256);
    assert_ok(event_encode_journal_field("A", TEXT("one"), &out));
    assert_ok(event_encode_journal_field("B", TEXT("x\nEVIL=1"), &out));
    static const char want[] = "A=one\nB\n\x08\0\0\0\0\0\0\0x\nEVIL=1\n";
    assert_int_equal(out.size, sizeof want - 1);
    assert_memory_equal(out.data, want, sizeof want - 1);
}

static void people_get_a_line(void **state)
{
    (void)state;
    struct event_row row = {"job.ended", EVENT_OPERATOR, EVENT_INFO, "", ""};
    struct event_value values[] = {{"room", EVENT_NAME, TEXT("room-1"), 0}, {"ms", EVENT_NUMBER, {0}, 7}};
    scoped_buffer out;
    buffer_init(&out, EVENT_BYTES_MAX);
    assert_ok(event_encode_line(&row, 1795471200, values, 2, &out));
    assert_true(text_is(buffer_text(&out), "2026-11-23T22:00:00Z info job.ended room=room-1 ms=7\n"));
}

static void other_places_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct event_log log;
    assert_why(event_log_open(TEXT("syslog"), "p", &fixed_world, &log), INVALID, "event.log.where");
    assert_why(event_log_open(TEXT("json:"), "p", &fixed_world, &log), INVALID, "event.log.where");
    assert_why(event_log_open(TEXT("json:/nowhere/log"), "p", &fixed_world, &log), UNAVAILABLE,
               "event.log.open");
    char where[EVENT_PATH_BYTES_MAX + 16];
    where_of(where, "journal", fixture);
    assert_why(event_log_open(text_of(where), "p", &fixed_world, &log), UNAVAILABLE, "event.log.open");
    memset(where, 'a', sizeof where);
    memcpy(where, "journal:", 8);
    assert_why(event_log_open((struct text){where, 8 + 108}, "p", &fixed_world, &log), INVALID,
               "event.log.where");
    memcpy(where, "json:", 5);
    assert_why(event_log_open((struct text){where, 5 + EVENT_PATH_BYTES_MAX + 1}, "p", &fixed_world, &log),
               INVALID, "event.log.where");
}

static void the_journal_is_taken_where_standard_error_goes_there(void **state)
{
    (void)state;
    struct event_log log = {0};
    struct stat opened;
    char stream[64];
    unsetenv("JOURNAL_STREAM");
    assert_ok(event_log_open((struct text){0}, "p", &fixed_world, &log));
    assert_int_equal(log.sink, EVENT_TO_STDERR);
    event_log_close(&log);
    setenv("JOURNAL_STREAM", "1:1", 1);
    assert_ok(event_log_open((struct text){0}, "p", &fixed_world, &log));
    assert_int_equal(log.sink, EVENT_TO_STDERR);
    event_log_close(&log);
    /* Here there may be no journal: then that it was tried is what can be seen. */
    assert_int_equal(fstat(STDERR_FILENO, &opened), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)opened.st_dev, (uintmax_t)opened.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    struct result result = event_log_open((struct text){0}, "p", &fixed_world, &log);
    assert_true(result.code == RESULT_UNAVAILABLE || log.sink == EVENT_TO_JOURNAL);
    event_log_close(&log);
    unsetenv("JOURNAL_STREAM");
}

static void a_pipe_that_nobody_reads_stops_nothing(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct event_log log;
    assert_ok(event_log_open(TEXT("stderr"), "p", &fixed_world, &log));
    log.file = ends[1];
    for (int i = 0; i < 10000; i++) {
        event_service_started(&log, TEXT("https://a"));
    }
    assert_true(log.lost > 1000 && log.lost < 10000);
    char got[4096];
    while (log.lost > 0) {
        assert_true(read(ends[0], got, sizeof got) > 0);
        event_service_started(&log, TEXT("https://b"));
    }
    event_log_close(&log);
    close(ends[0]);
}

static void no_log_takes_everything(void **state)
{
    (void)state;
    event_service_started(NULL, TEXT("https://a"));
    struct event_log closed = {0};
    event_service_started(&closed, TEXT("https://a"));
    event_log_close(&closed);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_their_form_or_are_not_written),
        IN_FOLDER(json_lines_are_whole),
        IN_FOLDER(a_file_may_be_rotated),
        IN_FOLDER(the_journal_gets_its_own_protocol),
        IN_FOLDER(a_journal_that_was_away_hears_what_it_missed),
        cmocka_unit_test(values_of_many_lines_are_framed),
        cmocka_unit_test(people_get_a_line),
        IN_FOLDER(other_places_are_refused),
        cmocka_unit_test(the_journal_is_taken_where_standard_error_goes_there),
        cmocka_unit_test(a_pipe_that_nobody_reads_stops_nothing),
        cmocka_unit_test(no_log_takes_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
