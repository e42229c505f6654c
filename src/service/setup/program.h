/* setup/program.h: what the mains of the services share: options, signals, the line that says it is ready,
 * exit codes. */
#pragma once

#include "base/arena.h"
#include "base/world.h"
#include "service/setting/setting.h"

/* How a program was called, judged by its table and completed from its configuration file. */
struct program_call {
    int count;
    char **words; /* the first is the verb */
    struct text verb;
    struct text folder; /* DIR */
    struct setting_names names;
};

/* Reads the words of `main`. True when the program is to do what `out` says; false when all is done: help,
 * version or a refusal is printed, and `*out_status` is the exit status. `identity` is what --version says.
 */
bool program_start(struct arena *arena, const struct setting_program *program, const char *identity,
                   int count, char *const arguments[], struct program_call *out, int *out_status);

/* CONFLICT "program.url.other" unless `wanted` is empty or the URL that init settled, with or without its
 * port. */
fallible program_check_url(struct text settled, struct text wanted);

/* Finds `--name value` or `--name=value` in the arguments. Empty with NULL data when it is not there. */
struct text program_option(int count, char *const arguments[], const char *name);
/* True when `--name` stands there alone. */
bool program_flag(int count, char *const arguments[], const char *name);
/* The argument at `index` that is neither an option nor an option's value. `valued` (NULL-terminated) are the
 * options that take one, `flags` those that take none. Empty when there is none. */
struct text program_argument(int count, char *const arguments[], const char *const valued[], size_t index);
/* Prints "PROGRAM: why (where): advice" to standard error and gives the exit status of the result table. */
int program_fail(const char *program, struct result result);

/* Blocks SIGINT and SIGTERM for all threads made later. Call first. */
void program_block_signals(void);
/* Prints `listening URL` and, where `port_file` is not empty, writes the port there; tells the service
 * manager, if one asks for it (setup/notify.h), that the service is ready. `program_wait_for_signal` then
 * waits for SIGINT or SIGTERM, and tells it that the service stops. */
fallible program_announce(struct text url, uint16_t port, struct text port_file);
void program_wait_for_signal(void);

/* "8-4-4-4-12" random UUID (version 4). */
fallible program_uuid(const struct world *world, struct arena *arena, struct text *out);
