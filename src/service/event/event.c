#include "service/event/event.h"

#include "service/event/event_form.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char journal_socket[] = "/run/systemd/journal/socket";

/* ---- Writing, under the mutex ---- */

static bool open_file(struct event_log *log)
{
    log->file = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return log->file >= 0;
}

/* Somebody who rotates logs has renamed or removed the file. */
static bool is_current(const struct event_log *log)
{
    struct stat named;
    struct stat opened;
    return log->file >= 0 && stat(log->path, &named) == 0 && fstat(log->file, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static bool reopen_file(struct event_log *log)
{
    if (log->path[0] == '\0' || is_current(log)) {
        return log->file >= 0;
    }
    if (log->file >= 0) {
        close(log->file);
    }
    return open_file(log);
}

static bool connect_journal(struct event_log *log)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, log->path, strlen(log->path));
    log->file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (log->file >= 0 && connect(log->file, (struct sockaddr *)&address, sizeof address) != 0) {
        close(log->file);
        log->file = -1;
    }
    return log->file >= 0;
}

/* The journal may have been restarted: once more on a new connection. */
static bool send_datagram(struct event_log *log, struct bytes datagram)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if ((log->file >= 0 || connect_journal(log)) &&
            send(log->file, datagram.data, datagram.size, MSG_NOSIGNAL | MSG_DONTWAIT) ==
                (ssize_t)datagram.size) {
            return true;
        }
        if (log->file >= 0) {
            close(log->file);
            log->file = -1;
        }
    }
    return false;
}

/* A pipe that says so takes EVENT_BYTES_MAX octets without waiting. */
static bool is_writable(int file)
{
    struct pollfd poller = {.fd = file, .events = POLLOUT};
    return poll(&poller, 1, 0) == 1 && (poller.revents & POLLOUT) != 0;
}

static fallible encode(const struct event_log *log, const struct event_row *row,
                       const struct event_value values[], size_t count, struct buffer *out)
{
    int64_t now = world_now(log->world);
    switch (log->sink) {
    case EVENT_TO_JOURNAL:
        return event_encode_journal(row, log->program, values, count, out);
    case EVENT_TO_JSON:
        return event_encode_json(row, log->program, now, values, count, out);
    case EVENT_TO_STDERR:
        break;
    }
    return event_encode_line(row, now, values, count, out);
}

static bool write_once(struct event_log *log, const struct event_row *row, const struct event_value values[],
                       size_t count)
{
    scoped_buffer encoded;
    buffer_init(&encoded, log->sink == EVENT_TO_JOURNAL ? EVENT_DATAGRAM_BYTES_MAX : EVENT_BYTES_MAX);
    if (!result_is_ok(encode(log, row, values, count, &encoded))) {
        return false;
    }
    if (log->sink == EVENT_TO_JOURNAL) {
        return send_datagram(log, buffer_view(&encoded));
    }
    return reopen_file(log) && is_writable(log->file) &&
           write(log->file, encoded.data, encoded.size) == (ssize_t)encoded.size;
}

static void write_event(struct event_log *log, const struct event_row *row, const struct event_row *lost_row,
                        const struct event_value values[], size_t count)
{
    if (log == NULL || log->world == NULL) {
        return;
    }
    pthread_mutex_lock(&log->mutex);
    if (log->lost > 0) {
        struct event_value lost = {"count", EVENT_NUMBER, {0}, (int64_t)log->lost};
        log->lost = write_once(log, lost_row, &lost, 1) ? 0 : log->lost;
    }
    log->lost += write_once(log, row, values, count) ? 0 : 1;
    pthread_mutex_unlock(&log->mutex);
}

/* ---- One function per row ---- */

static struct event_value value_of_number(const char *name, enum event_kind kind, int64_t number)
{
    return (struct event_value){.name = name, .kind = kind, .number = number};
}

static struct event_value value_of_text(const char *name, enum event_kind kind, struct text text)
{
    return (struct event_value){.name = name, .kind = kind, .text = text};
}

static struct event_value value_of_static(const char *name, enum event_kind kind, const char *text)
{
    return value_of_text(name, kind, text_of(text));
}

/* clang-format off */
#define EVENT_VALUE(name, kind, naming)                                                                      \
    _Generic(name, int64_t: value_of_number, struct text: value_of_text, const char *: value_of_static)(     \
        #name, EVENT_##kind, name),
/* clang-format on */

enum row_number {
#define EVENT(id, name, audience, severity, message_id, meaning) ROW_##id,
#include "service/event/events.def"
#undef EVENT
};

static const struct event_row rows[] = {
#define EVENT(id, name, audience, severity, message_id, meaning)                                             \
    [ROW_##id] = {name, EVENT_##audience, EVENT_##severity, message_id, meaning},
#include "service/event/events.def"
#undef EVENT
};

#define EVENT(id, name, audience, severity, message_id, meaning)                                             \
    void event_##id(struct event_log *log EVENT_FIELDS_##id(EVENT_PARAMETER))                                \
    {                                                                                                        \
        const struct event_value values[] = {EVENT_FIELDS_##id(EVENT_VALUE)};                                \
        _Static_assert(sizeof values / sizeof *values <= EVENT_FIELDS_MAX, "fields of " #id);                \
        write_event(log, &rows[ROW_##id], &rows[ROW_log_lost], values, sizeof values / sizeof *values);      \
    }
#include "service/event/events.def"
#undef EVENT

/* ---- Opening ---- */

/* "DEVICE:INODE" of the journal's stream, as systemd tells its services (sd_journal_stream_fd(3)). */
static bool is_on_journal(const char *stream)
{
    struct stat opened;
    char own[64];
    if (stream == NULL || fstat(STDERR_FILENO, &opened) != 0) {
        return false;
    }
    snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)opened.st_dev, (uintmax_t)opened.st_ino);
    return strcmp(stream, own) == 0;
}

static fallible take_path(struct event_log *log, struct text path)
{
    REQUIRE(path.size > 0 && path.size <= EVENT_PATH_BYTES_MAX && memchr(path.data, 0, path.size) == NULL,
            INVALID, "event.log.where");
    memcpy(log->path, path.data, path.size);
    log->path[path.size] = '\0';
    return OK;
}

static struct text after(struct text text, struct text prefix)
{
    return (struct text){text.data + prefix.size, text.size - prefix.size};
}

static fallible choose_sink(struct event_log *log, struct text where)
{
    struct text file = TEXT("json:");
    struct text socket = TEXT("journal:");
    if (where.size == 0) {
        where = is_on_journal(getenv("JOURNAL_STREAM")) ? TEXT("journal") : TEXT("stderr");
    }
    log->file = STDERR_FILENO;
    if (text_is(where, "journal") || text_starts_with(where, socket)) {
        log->sink = EVENT_TO_JOURNAL;
        log->file = -1;
        TRY(take_path(log, text_is(where, "journal") ? text_of(journal_socket) : after(where, socket)));
        REQUIRE(strlen(log->path) < sizeof(((struct sockaddr_un *)0)->sun_path), INVALID, "event.log.where");
        REQUIRE(connect_journal(log), UNAVAILABLE, "event.log.open");
    } else if (text_is(where, "json")) {
        log->sink = EVENT_TO_JSON;
        log->file = STDOUT_FILENO;
    } else if (text_starts_with(where, file)) {
        log->sink = EVENT_TO_JSON;
        TRY(take_path(log, after(where, file)));
        REQUIRE(open_file(log), UNAVAILABLE, "event.log.open");
    } else {
        REQUIRE(text_is(where, "stderr"), INVALID, "event.log.where");
    }
    return OK;
}

fallible event_log_open(struct text where, const char *program, const struct world *world,
                        struct event_log *out)
{
    struct event_log log = {.program = program, .world = world};
    TRY(choose_sink(&log, where));
    *out = log;
    pthread_mutex_init(&out->mutex, NULL);
    return OK;
}

void event_log_close(struct event_log *log)
{
    if (log->world == NULL) {
        return;
    }
    if (log->file > STDERR_FILENO) {
        close(log->file);
    }
    pthread_mutex_destroy(&log->mutex);
    *log = (struct event_log){0};
}
