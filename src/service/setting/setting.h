/* setting/setting.h: what can be said to a service, on its command line or in its configuration file.
 *
 * Each program has one table (programs.c). Its help, its command line, its configuration file, the shells'
 * completion and `truce config check` are read from it, so that a row is all that a new setting needs.
 *
 * A configuration file is lines `key = value`; a key is an option's name without dashes. Empty lines and
 * lines that begin with # say nothing. It begins with `program = NAME`, so that no program takes another's
 * file. Nothing is guessed: an unknown key, a second value, a value of another kind or out of range is
 * refused with "FILE:LINE: KEY" as `where`. Pure, except for `setting_file_read`; any thread. */
#pragma once

#include "base/arena.h"

enum {
    SETTING_FILE_BYTES_MAX = 64 * 1024,
    SETTING_LINE_BYTES_MAX = 4096,
    SETTING_VALUES_MAX = 128,
    SETTING_ROWS_MAX = 32
};

enum setting_kind {
    SETTING_FLAG, /* an option without a value; never in a file */
    SETTING_NAME, /* a party's name */
    SETTING_PATH, /* in a file it begins with a slash */
    SETTING_NUMBER,
    SETTING_URL,     /* https://HOST[:PORT] */
    SETTING_ADDRESS, /* ADDRESS:PORT */
    SETTING_LOG      /* stderr, journal[:SOCKET], json[:FILE] (event/event.h) */
};

/* Where a setting may stand: the commands of the program by their place in its table, and its file. */
#define SETTING_AT(command) (1u << (command))
#define SETTING_EVERYWHERE 0xffffu
#define SETTING_FILE (1u << 16)
#define SETTING_FILE_ONLY (1u << 17) /* with SETTING_FILE: no option has this name */

struct setting {
    const char *name;
    enum setting_kind kind;
    unsigned places;
    const char *value; /* what to call its value in the help */
    const char *help;
    uint64_t min; /* of a number */
    uint64_t max;
    const char *otherwise; /* what counts when nothing is said, for people; NULL: nothing does */
    bool repeated;
    bool required; /* in a file */
};

struct setting_command {
    const char *verb;
    const char *arguments;
    const char *help;
};

/* Both lists end with a row of zeros. */
struct setting_program {
    const char *name;
    const char *summary;
    const struct setting_command *commands;
    const struct setting *settings;
};

/* NULL-terminated: every program that has a table. */
extern const struct setting_program *const setting_programs[];
extern const struct setting_program setting_host;
extern const struct setting_program setting_vault;
extern const struct setting_program setting_attest;
extern const struct setting_program setting_room;

/* The place of a verb in the program's table, or -1. */
int setting_command_find(const struct setting_program *program, struct text verb);
/* The setting of this name that may stand in any of `places`, or NULL. */
const struct setting *setting_find(const struct setting_program *program, struct text name, unsigned places);

struct setting_value {
    const struct setting *setting;
    struct text text;
    unsigned line;
};

struct setting_file {
    const struct setting_program *program;
    struct setting_value values[SETTING_VALUES_MAX];
    size_t count;
};

/* The text of a file. NOT_FOUND "setting.file.missing", DENIED "setting.file.open", LIMIT
 * "setting.file.size". */
fallible setting_file_read(struct arena *arena, const char *path, struct bytes *out);

/* Reads a configuration file of `program`, or, where that is NULL, of the program that it names. `path` is
 * for messages. Values are borrowed from `content`. INVALID "setting.line", "setting.program",
 * "setting.key_unknown", "setting.key_repeated", "setting.key_missing", "setting.value" (of another kind),
 * "setting.range"; LIMIT "setting.file.values", "setting.line_long". */
fallible setting_file_parse(struct arena *arena, const struct setting_program *program, const char *path,
                            struct bytes content, struct setting_file *out);

/* The first value of this name, or empty. */
struct text setting_file_value(const struct setting_file *file, const char *name);

/* INVALID "setting.value" or "setting.range" when the text is no value of this setting. */
fallible setting_check(const struct setting *setting, struct text value);
/* What a value has to be, for people: "a whole number from 1 to 64". In the arena. */
const char *setting_expectation(struct arena *arena, const struct setting *setting);

struct setting_names {
    const char *valued[SETTING_ROWS_MAX + 1]; /* options that take a value; NULL-terminated */
    const char *flags[SETTING_ROWS_MAX + 1];
};
/* The options of a command, or of all for -1. */
void setting_names_of(const struct setting_program *program, int command, struct setting_names *out);

/* The help of a program, for printing. INVALID never; LIMIT where the arena is full. */
fallible setting_help(struct arena *arena, const struct setting_program *program, struct text *out);

/* The words with which a program is called: those of its command line, and behind them what the file of
 * `--config FILE` says and the command line does not. The file's `folder` becomes the argument DIR, which the
 * command line then leaves out. */
struct setting_words {
    int count;
    char **words; /* the first is the verb; NULL-terminated, in the arena */
};
/* `words` are those behind the program's name. Every option is judged by the table, on the command line
 * too. INVALID "setting.command", "setting.option.unknown", "setting.option.value_missing";
 * the reasons of the file. */
fallible setting_expand(struct arena *arena, const struct setting_program *program, int count,
                        char *const words[], struct setting_words *out);
