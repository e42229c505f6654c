#include "service/event/event_form.h"

#include "base/encode.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>

enum { REASON_WORD_MAX = 32, WORD_MAX = 32, KEY_MAX = 127, LINE_ARENA_BYTES = 4096 };

static bool is_lower_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(struct text text, size_t size)
{
    bool fits = text.size == size;
    for (size_t i = 0; fits && i < size; i++) {
        fits = is_lower_hex(text.data[i]);
    }
    return fits;
}

static bool is_uuid(struct text text)
{
    bool fits = text.size == 36;
    for (size_t i = 0; fits && i < text.size; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        fits = is_dash ? text.data[i] == '-' : is_lower_hex(text.data[i]);
    }
    return fits;
}

static bool is_key(struct text text)
{
    bool fits = text.size <= KEY_MAX;
    for (size_t i = 0; fits && i < text.size; i++) {
        char c = text.data[i];
        fits = is_letter(c) || (c >= '0' && c <= '9') || c == '-';
    }
    return fits;
}

/* Up to the next `mark`, which is taken away too. */
static struct text take_until(struct text *text, char mark)
{
    const char *end = memchr(text->data, mark, text->size);
    struct text head = {text->data, end == NULL ? text->size : (size_t)(end - text->data)};
    size_t taken = end == NULL ? text->size : head.size + 1;
    *text = (struct text){text->data + taken, text->size - taken};
    return head;
}

static bool is_path(struct text text)
{
    bool fits = text.data[text.size - 1] != '/';
    while (fits && text.size > 0) {
        fits = text_is_name(take_until(&text, '/'));
    }
    return fits;
}

static bool is_tee(struct text text)
{
    struct text family = take_until(&text, ':');
    return text_is_name(family) && text.size > 0 && text.size <= 128 && is_hex(text, text.size);
}

static bool is_url(struct text text)
{
    struct text scheme = TEXT("https://");
    bool fits = text_starts_with(text, scheme) && text.size > scheme.size;
    for (size_t i = scheme.size; fits && i < text.size; i++) {
        char c = text.data[i];
        fits = is_letter(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr(".-:[]", c) != NULL);
    }
    return fits;
}

/* At least two words: one long run of letters and digits is no reason of ours. */
static bool is_reason(struct text text)
{
    bool fits = text_is(text, "ok") || memchr(text.data, '.', text.size) != NULL;
    while (fits && text.size > 0) {
        struct text word = take_until(&text, '.');
        fits = word.size > 0 && word.size <= REASON_WORD_MAX;
        for (size_t i = 0; fits && i < word.size; i++) {
            char c = word.data[i];
            fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        }
    }
    return fits;
}

static bool is_word(struct text text)
{
    bool fits = text.size <= WORD_MAX;
    for (size_t i = 0; fits && i < text.size; i++) {
        fits = is_letter(text.data[i]) || text.data[i] == '_';
    }
    return fits;
}

static bool is_route(struct text text)
{
    bool fits = text.data[0] == '/' && text.size <= 128;
    for (size_t i = 0; fits && i < text.size; i++) {
        char c = text.data[i];
        fits = is_letter(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr("/{}.-_", c) != NULL);
    }
    return fits;
}

/* Only for text that is not empty. */
static bool has_form(enum event_kind kind, struct text text)
{
    switch (kind) {
    case EVENT_RUN:
        return is_hex(text, 32);
    case EVENT_DIGEST:
        return is_hex(text, 64);
    case EVENT_UUID:
        return is_uuid(text);
    case EVENT_NAME:
        return text_is_name(text);
    case EVENT_KEY:
        return is_key(text);
    case EVENT_PATH:
        return is_path(text);
    case EVENT_TEE:
        return is_tee(text);
    case EVENT_URL:
        return is_url(text);
    case EVENT_REASON:
        return is_reason(text);
    case EVENT_WORD:
        return is_word(text);
    case EVENT_ROUTE:
        return is_route(text);
    case EVENT_NUMBER:
        break;
    }
    return false;
}

struct text event_value_text(const struct event_value *value, char storage[static 24])
{
    if (value->kind == EVENT_NUMBER) {
        snprintf(storage, 24, "%" PRId64, value->number);
        return text_of(storage);
    }
    struct text text = value->text;
    if (text.size == 0 || text_is(text, "-")) {
        return TEXT("-");
    }
    text = value->kind == EVENT_REASON ? take_until(&text, ' ') : text;
    bool fits = text.size > 0 && text.size <= EVENT_TEXT_BYTES_MAX && has_form(value->kind, text);
    return fits ? text : TEXT("?");
}

const char *event_audience_name(enum event_audience audience)
{
    static const char *const names[] = {[EVENT_PUBLIC] = "public",
                                        [EVENT_AUDITOR] = "auditor",
                                        [EVENT_QUERIER] = "querier",
                                        [EVENT_OWNER] = "owner",
                                        [EVENT_OPERATOR] = "operator"};
    return names[audience];
}

const char *event_severity_name(enum event_severity severity)
{
    static const char *const names[] = {[EVENT_ERROR] = "error",
                                        [EVENT_WARNING] = "warning",
                                        [EVENT_NOTICE] = "notice",
                                        [EVENT_INFO] = "info"};
    return names[severity];
}

/* ---- For people ---- */

static fallible add_values(const struct event_value values[], size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        char storage[24];
        struct text text = event_value_text(&values[i], storage);
        TRY(buffer_printf(out, " %s=%.*s", values[i].name, TEXT_ARGS(text)));
    }
    return OK;
}

fallible event_encode_line(const struct event_row *row, int64_t now, const struct event_value values[],
                           size_t count, struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, LINE_ARENA_BYTES);
    struct text time;
    TRY(encode_time(&arena, now, &time));
    TRY(buffer_printf(out, "%.*s %s %s", TEXT_ARGS(time), event_severity_name(row->severity), row->name));
    TRY(add_values(values, count, out));
    return buffer_add_byte(out, '\n');
}

/* ---- JSON lines ---- */

static fallible set_fields(json_t *line, const struct event_value values[], size_t count)
{
    json_t *fields = json_object();
    TRY(json_set(line, "fields", fields));
    for (size_t i = 0; i < count; i++) {
        char storage[24];
        if (values[i].kind == EVENT_NUMBER) {
            TRY(json_set_i64(fields, values[i].name, values[i].number));
        } else {
            TRY(json_set_text(fields, values[i].name, event_value_text(&values[i], storage)));
        }
    }
    return OK;
}

fallible event_encode_json(const struct event_row *row, const char *program, int64_t now,
                           const struct event_value values[], size_t count, struct buffer *out)
{
    scoped_json *line = json_object();
    TRY(json_set_time(line, "time", now));
    TRY(json_set_text(line, "program", text_of(program)));
    TRY(json_set_text(line, "event", text_of(row->name)));
    TRY(json_set_text(line, "severity", text_of(event_severity_name(row->severity))));
    TRY(json_set_text(line, "audience", text_of(event_audience_name(row->audience))));
    TRY(json_set_text(line, "message_id", text_of(row->message_id)));
    TRY(set_fields(line, values, count));
    TRY(json_encode(line, out));
    return buffer_add_byte(out, '\n');
}

/* ---- The journal ---- */

fallible event_encode_journal_field(const char *name, struct text value, struct buffer *out)
{
    TRY(buffer_add_text(out, text_of(name)));
    if (value.size > 0 && memchr(value.data, '\n', value.size) != NULL) {
        TRY(buffer_add_byte(out, '\n'));
        TRY(buffer_add_u64le(out, value.size));
    } else {
        TRY(buffer_add_byte(out, '='));
    }
    TRY(buffer_add_text(out, value));
    return buffer_add_byte(out, '\n');
}

static fallible add_journal_value(const struct event_value *value, struct buffer *out)
{
    char name[64];
    char storage[24];
    snprintf(name, sizeof name, "TRUCE_%s", value->name);
    for (char *c = name; *c != '\0'; c++) {
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    }
    return event_encode_journal_field(name, event_value_text(value, storage), out);
}

fallible event_encode_journal(const struct event_row *row, const char *program,
                              const struct event_value values[], size_t count, struct buffer *out)
{
    scoped_buffer message;
    buffer_init(&message, EVENT_BYTES_MAX);
    TRY(buffer_add_text(&message, text_of(row->name)));
    TRY(add_values(values, count, &message));
    char priority[2] = {(char)('0' + row->severity), '\0'};
    TRY(event_encode_journal_field("MESSAGE", buffer_text(&message), out));
    TRY(event_encode_journal_field("MESSAGE_ID", text_of(row->message_id), out));
    TRY(event_encode_journal_field("PRIORITY", text_of(priority), out));
    TRY(event_encode_journal_field("SYSLOG_IDENTIFIER", text_of(program), out));
    TRY(event_encode_journal_field("TRUCE_EVENT", text_of(row->name), out));
    TRY(event_encode_journal_field("TRUCE_AUDIENCE", text_of(event_audience_name(row->audience)), out));
    for (size_t i = 0; i < count; i++) {
        TRY(add_journal_value(&values[i], out));
    }
    return OK;
}
