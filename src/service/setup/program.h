/* setup/program.h: what the mains of the services share: options, signals, the line that says it is ready,
 * exit codes. */
#pragma once

#include "base/arena.h"
#include "base/world.h"

/* Finds `--name value` or `--name=value` in the arguments. Empty with NULL data when it is not there. */
struct text program_option(int count, char *const arguments[], const char *name);
/* True when `--name` stands there alone. */
bool program_flag(int count, char *const arguments[], const char *name);
/* The argument at `index` that is neither an option nor an option's value. `valued` (NULL-terminated) are the
 * options that take one, `flags` those that take none. Empty when there is none. */
struct text program_argument(int count, char *const arguments[], const char *const valued[], size_t index);
/* INVALID "program.option.unknown" with `where` = the first argument that is in neither list. */
fallible program_check_options(int count, char *const arguments[], const char *const valued[],
                               const char *const flags[]);

/* Prints "PROGRAM: why (where): advice" to standard error and gives the exit status of the result table. */
int program_fail(const char *program, struct result result);

/* Blocks SIGINT and SIGTERM for all threads made later. Call first. */
void program_block_signals(void);
/* Prints `listening URL` and, where `port_file` is not empty, writes the port there; then waits for SIGINT or
 * SIGTERM. */
fallible program_announce(struct text url, uint16_t port, struct text port_file);
void program_wait_for_signal(void);

/* "8-4-4-4-12" random UUID (version 4). */
fallible program_uuid(const struct world *world, struct arena *arena, struct text *out);
