#include "service/setting/setting.h"

#include "base/buffer.h"
#include "base/encode.h"

#include <stdio.h>

enum { HELP_BYTES_MAX = 64 * 1024 };

int setting_command_find(const struct setting_program *program, struct text verb)
{
    for (int i = 0; program->commands[i].verb != NULL; i++) {
        if (text_equal(verb, text_of(program->commands[i].verb))) {
            return i;
        }
    }
    return -1;
}

const struct setting *setting_find(const struct setting_program *program, struct text name, unsigned places)
{
    for (const struct setting *row = program->settings; row->name != NULL; row++) {
        if ((row->places & places) != 0 && text_equal(name, text_of(row->name))) {
            return row;
        }
    }
    return NULL;
}

static bool is_plain(struct text value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return value.size > 0;
}

/* "ADDRESS:PORT" or "[ADDRESS]:PORT", as far as its shape goes. */
static bool is_address(struct text value)
{
    size_t colon = value.size;
    uint64_t port;
    while (colon > 0 && value.data[colon - 1] != ':') {
        colon--;
    }
    return colon > 1 && memchr(value.data, ' ', value.size) == NULL &&
           result_is_ok(decode_u64((struct text){value.data + colon, value.size - colon}, UINT16_MAX, &port));
}

static bool is_log(struct text value)
{
    return text_is(value, "stderr") || text_is(value, "journal") || text_is(value, "json") ||
           text_starts_with(value, TEXT("journal:")) || text_starts_with(value, TEXT("json:"));
}

fallible setting_check(const struct setting *setting, struct text value)
{
    uint64_t number;
    REQUIRE(is_plain(value), INVALID, "setting.value");
    switch (setting->kind) {
    case SETTING_NUMBER:
        REQUIRE(result_is_ok(decode_u64(value, UINT64_MAX, &number)), INVALID, "setting.value");
        REQUIRE(number >= setting->min && number <= setting->max, INVALID, "setting.range");
        return OK;
    case SETTING_URL:
        REQUIRE(text_starts_with(value, TEXT("https://")) && value.size > strlen("https://") &&
                    memchr(value.data, ' ', value.size) == NULL,
                INVALID, "setting.value");
        return OK;
    case SETTING_ADDRESS:
        REQUIRE(is_address(value), INVALID, "setting.value");
        return OK;
    case SETTING_NAME:
        REQUIRE(text_is_name(value), INVALID, "setting.value");
        return OK;
    case SETTING_LOG:
        REQUIRE(is_log(value), INVALID, "setting.value");
        return OK;
    case SETTING_PATH:
        return OK;
    case SETTING_FLAG:
    default:
        return FAIL(INVALID, "setting.value");
    }
}

const char *setting_expectation(struct arena *arena, const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_NUMBER:
        return arena_where(arena, "a whole number from %llu to %llu", (unsigned long long)setting->min,
                           (unsigned long long)setting->max);
    case SETTING_URL:
        return "https://HOST or https://HOST:PORT";
    case SETTING_ADDRESS:
        return "ADDRESS:PORT";
    case SETTING_NAME:
        return "a party's name";
    case SETTING_LOG:
        return "stderr, journal, json or json:FILE";
    case SETTING_PATH:
        return "a path that begins with a slash";
    case SETTING_FLAG:
    default:
        return "nothing";
    }
}

void setting_names_of(const struct setting_program *program, int command, struct setting_names *out)
{
    unsigned places = command < 0 ? SETTING_EVERYWHERE : SETTING_AT(command);
    size_t valued = 0;
    size_t flags = 0;
    *out = (struct setting_names){0};
    for (const struct setting *row = program->settings; row->name != NULL; row++) {
        if ((row->places & places) == 0) {
            continue;
        }
        ASSERT(valued < SETTING_ROWS_MAX && flags < SETTING_ROWS_MAX);
        if (row->kind == SETTING_FLAG) {
            out->flags[flags++] = row->name;
        } else {
            out->valued[valued++] = row->name;
        }
    }
}

/* ---- Help ---- */

static fallible add_indented(struct buffer *out, const char *lines)
{
    while (*lines != '\0') {
        size_t size = strcspn(lines, "\n");
        TRY(buffer_printf(out, "      %.*s\n", (int)size, lines));
        lines += size + (lines[size] == '\n');
    }
    return OK;
}

static fallible add_commands_of(struct buffer *out, const struct setting_program *program,
                                const struct setting *row)
{
    const char *separator = " (";
    for (int i = 0; program->commands[i].verb != NULL; i++) {
        if ((row->places & SETTING_AT(i)) != 0) {
            TRY(buffer_printf(out, "%s%s", separator, program->commands[i].verb));
            separator = ", ";
        }
    }
    return buffer_printf(out, ")");
}

static fallible add_setting(struct buffer *out, const struct setting_program *program,
                            const struct setting *row)
{
    char words[64];
    snprintf(words, sizeof words, "--%s%s%s", row->name, row->value != NULL ? " " : "",
             row->value != NULL ? row->value : "");
    TRY(buffer_printf(out, "  %-28s %s", words, row->help));
    if (row->kind == SETTING_NUMBER) {
        TRY(buffer_printf(out, ", %llu to %llu", (unsigned long long)row->min, (unsigned long long)row->max));
    }
    if (row->otherwise != NULL) {
        TRY(buffer_printf(out, "; default: %s", row->otherwise));
    }
    if (row->repeated) {
        TRY(buffer_printf(out, "; may be repeated"));
    }
    if ((row->places & SETTING_EVERYWHERE) != SETTING_EVERYWHERE) {
        TRY(add_commands_of(out, program, row));
    }
    return buffer_printf(out, "\n");
}

fallible setting_help(struct arena *arena, const struct setting_program *program, struct text *out)
{
    scoped_buffer help;
    buffer_init(&help, HELP_BYTES_MAX);
    TRY(buffer_printf(&help, "%s: %s\n\n", program->name, program->summary));
    for (const struct setting_command *row = program->commands; row->verb != NULL; row++) {
        bool takes_options = strcmp(row->verb, "connect") != 0;
        TRY(buffer_printf(&help, "  %s %s%s%s%s\n", program->name, row->verb,
                          row->arguments[0] != '\0' ? " " : "", row->arguments,
                          takes_options ? " [options]" : ""));
        TRY(add_indented(&help, row->help));
    }
    TRY(buffer_printf(&help, "\noptions:\n"));
    for (const struct setting *row = program->settings; row->name != NULL; row++) {
        if ((row->places & SETTING_FILE_ONLY) == 0) {
            TRY(add_setting(&help, program, row));
        }
    }
    TRY(buffer_printf(&help,
                      "\nExit status: 0 done; 2 wrong command line; 10 and more: what went wrong, one number "
                      "per kind of failure (truce limits).\n"));
    return arena_copy_text(arena, buffer_text(&help), out);
}
