/* event/event.h: what the host and the services log: structured events from one declared table (events.def).
 *
 *     event_job_started(log, text_of(job->run), text_of(seat->id), job->attempts);
 *
 * Each row of the table makes one function, whose parameters are the row's fields: an event that is not in
 * the table, or with other fields, does not compile. A field's kind is one of the forms below and nothing
 * else: a value that has not exactly that form is written as "?", so that no payload, token or secret can
 * stand in a log because somebody passed the wrong variable. Secrets (crypto/secret.h) do not convert to any
 * of them.
 *
 * Three sinks: lines for people on standard error, the journal's native protocol, JSON lines. An event is one
 * write(2) or one datagram. A log that cannot be written stops nothing, a full pipe that nobody reads
 * included: what was lost is counted, and said by "log.lost" as soon as there is somebody to say it to. A
 * file of JSON lines is opened for appending, and opened anew when its name means another file: it can be
 * rotated by renaming or by truncating, without a signal.
 *
 * Any thread. A NULL log takes everything and keeps nothing. */
#pragma once

#include "base/view.h"
#include "base/world.h"

#include <pthread.h>

enum {
    EVENT_TEXT_BYTES_MAX = 320,
    EVENT_FIELDS_MAX = 8,
    EVENT_BYTES_MAX = 4096, /* of a line: what a pipe takes whole (PIPE_BUF) */
    EVENT_DATAGRAM_BYTES_MAX = 3 * EVENT_BYTES_MAX,
    EVENT_PATH_BYTES_MAX = 4000
};

/* Who an event is for: whoever keeps the service may show it to them as it is. */
enum event_audience { EVENT_PUBLIC = 1, EVENT_AUDITOR, EVENT_QUERIER, EVENT_OWNER, EVENT_OPERATOR };
/* The numbers of syslog. */
enum event_severity { EVENT_ERROR = 3, EVENT_WARNING = 4, EVENT_NOTICE = 5, EVENT_INFO = 6 };

enum event_kind {
    EVENT_NUMBER,
    EVENT_RUN,    /* 32 hexadecimal digits */
    EVENT_DIGEST, /* 64 hexadecimal digits */
    EVENT_UUID,   /* 8-4-4-4-12 hexadecimal digits */
    EVENT_NAME,   /* what text_is_name takes */
    EVENT_KEY,    /* a name of Key Vault: letters, digits, "-", at most 127 */
    EVENT_PATH,   /* names with "/" between them */
    EVENT_TEE,    /* family ":" hexadecimal measurement */
    EVENT_URL,    /* https://HOST[:PORT], nothing behind it */
    EVENT_REASON, /* the `why` of a result: dotted words of at most 32 letters; what follows a space is
                     dropped */
    EVENT_WORD,   /* a static word: letters and "_", at most 32 */
    EVENT_ROUTE,  /* the static pattern of a call's path */
};

/* The C type of each kind's parameter. Reasons, words and routes are static strings; NULL or "" is "-". */
#define EVENT_TYPE_NUMBER int64_t
#define EVENT_TYPE_RUN struct text
#define EVENT_TYPE_DIGEST struct text
#define EVENT_TYPE_UUID struct text
#define EVENT_TYPE_NAME struct text
#define EVENT_TYPE_KEY struct text
#define EVENT_TYPE_PATH struct text
#define EVENT_TYPE_TEE struct text
#define EVENT_TYPE_URL struct text
#define EVENT_TYPE_REASON const char *
#define EVENT_TYPE_WORD const char *
#define EVENT_TYPE_ROUTE const char *

struct event_log;

/* event_NAME(log, fields…) for every row. */
#define EVENT_PARAMETER(name, kind, naming) , EVENT_TYPE_##kind name
#define EVENT(id, name, audience, severity, message_id, meaning)                                             \
    void event_##id(struct event_log *log EVENT_FIELDS_##id(EVENT_PARAMETER));
#include "service/event/events.def"
#undef EVENT

enum event_sink { EVENT_TO_STDERR = 0, EVENT_TO_JOURNAL, EVENT_TO_JSON };

struct event_log {
    enum event_sink sink;
    int file;
    char path[EVENT_PATH_BYTES_MAX + 1]; /* of the JSON lines or the journal's socket; else empty */
    const char *program;
    const struct world *world;
    uint64_t lost;
    pthread_mutex_t mutex;
};

/* `where` is the value of --log: "stderr", "journal" or "journal:SOCKET", "json" (standard output) or
 * "json:PATH" (made with mode 0600), or empty: the journal where standard error goes there already
 * (JOURNAL_STREAM), else standard error. `program` is static. INVALID "event.log.where", UNAVAILABLE
 * "event.log.open". */
fallible event_log_open(struct text where, const char *program, const struct world *world,
                        struct event_log *out);
void event_log_close(struct event_log *log);
#define scoped_event_log defer(event_log_close) struct event_log
