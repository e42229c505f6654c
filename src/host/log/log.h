/* log/log.h: the host's log: one line per event, in a file.
 *
 *     2026-11-23T21:00:00Z job.finished run=0123… room=room-4 state=done ms=812
 *
 * An event's name is static. Values are identifiers, steps, durations and reasons, never payloads: everything
 * but printable ASCII without spaces becomes "?", and a value is cut after LOG_VALUE_BYTES. A log that cannot
 * be written stops nothing. Any thread. */
#pragma once

#include "base/view.h"
#include "base/world.h"

#include <pthread.h>

enum { LOG_VALUE_BYTES = 200, LOG_LINE_BYTES = 2048 };

struct log {
    int file;
    const struct world *world;
    pthread_mutex_t mutex;
};

struct log_field {
    const char *name;
    struct text text;
    int64_t number; /* where text.data is NULL */
};

#define LOG_TEXT(name_, text_) ((struct log_field){.name = (name_), .text = (text_)})
#define LOG_WORD(name_, cstring) LOG_TEXT(name_, text_of(cstring))
#define LOG_NUMBER(name_, number_) ((struct log_field){.name = (name_), .number = (number_)})
/* log_event(log, "job.claimed", LOG_WORD("run", run), LOG_NUMBER("attempt", 2)) */
#define log_event(log, event, ...)                                                                           \
    log_write((log), (event), (struct log_field[]){__VA_ARGS__},                                             \
              sizeof((struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* Appends to the file, made with mode 0600. UNAVAILABLE "log.open". */
fallible log_open(const char *path, const struct world *world, struct log *out);
void log_close(struct log *log);

void log_write(struct log *log, const char *event, const struct log_field fields[], size_t count);
