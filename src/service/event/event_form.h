/* event/event_form.h: the forms that the fields of events may have, and rows of the table as data. */
#pragma once

#include "base/buffer.h"
#include "service/event/event.h"

struct event_value {
    const char *name;
    enum event_kind kind;
    struct text text;
    int64_t number;
};

struct event_row {
    const char *name;
    enum event_audience audience;
    enum event_severity severity;
    const char *message_id;
    const char *meaning;
};

/* What is written for a value: the text itself if it has its kind's form, "-" if it is empty, else "?". A
 * number in decimal. The text of a number lives in `storage`. */
struct text event_value_text(const struct event_value *value, char storage[static 24]);

const char *event_audience_name(enum event_audience audience);
const char *event_severity_name(enum event_severity severity);

/* What the three sinks write for one event, appended. */
fallible event_encode_line(const struct event_row *row, int64_t now, const struct event_value values[],
                           size_t count, struct buffer *out);
fallible event_encode_json(const struct event_row *row, const char *program, int64_t now,
                           const struct event_value values[], size_t count, struct buffer *out);
fallible event_encode_journal(const struct event_row *row, const char *program,
                              const struct event_value values[], size_t count, struct buffer *out);
/* One field of the journal's native protocol: NAME=value, or with a line feed in the value the name, a line
 * feed, the size in eight octets and the value. */
fallible event_encode_journal_field(const char *name, struct text value, struct buffer *out);
