#include "host/log/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

fallible log_open(const char *path, const struct world *world, struct log *out)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    REQUIRE(file >= 0, UNAVAILABLE, "log.open");
    *out = (struct log){.file = file, .world = world};
    pthread_mutex_init(&out->mutex, NULL);
    return OK;
}

void log_close(struct log *log)
{
    if (log->world != NULL) {
        close(log->file);
        pthread_mutex_destroy(&log->mutex);
        *log = (struct log){0};
    }
}

struct line {
    char text[LOG_LINE_BYTES];
    size_t size;
};

static void add(struct line *line, struct text text)
{
    for (size_t i = 0; i < text.size && line->size < sizeof line->text - 1; i++) {
        unsigned char c = (unsigned char)text.data[i];
        line->text[line->size++] = c > 0x20 && c < 0x7f ? (char)c : '?';
    }
}

static void add_field(struct line *line, const struct log_field *field)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRId64, field->number);
    struct text value = field->text.data == NULL ? text_of(number) : field->text;
    value.size = value.size < LOG_VALUE_BYTES ? value.size : LOG_VALUE_BYTES;
    if (line->size < sizeof line->text - 1) {
        line->text[line->size++] = ' ';
    }
    add(line, text_of(field->name));
    add(line, TEXT("="));
    add(line, value);
}

static void add_time(struct line *line, const struct world *world)
{
    time_t now = (time_t)world_now(world);
    struct tm parts;
    gmtime_r(&now, &parts);
    line->size = strftime(line->text, sizeof line->text, "%Y-%m-%dT%H:%M:%SZ ", &parts);
}

void log_write(struct log *log, const char *event, const struct log_field fields[], size_t count)
{
    struct line line = {.size = 0};
    add_time(&line, log->world);
    add(&line, text_of(event));
    for (size_t i = 0; i < count; i++) {
        add_field(&line, &fields[i]);
    }
    line.text[line.size++] = '\n';
    pthread_mutex_lock(&log->mutex);
    ssize_t written = write(log->file, line.text, line.size);
    (void)written;
    pthread_mutex_unlock(&log->mutex);
}
