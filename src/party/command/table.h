/* party/command/table.h: all commands of `truce`, one table per noun.
 *
 * A new command is a row in its noun's file; a new noun is a file and a row in table.c. */
#pragma once

#include "party/command/invocation.h"

/* Each ends with a row whose noun is NULL. */
extern const struct command command_stack[];
extern const struct command command_party[];
extern const struct command command_dataset[];
extern const struct command command_contract[];
extern const struct command command_run[];
extern const struct command command_job[];
extern const struct command command_releases[];
extern const struct command command_result[];
extern const struct command command_receipt[];
extern const struct command command_room[];
extern const struct command command_limits[];
extern const struct command command_config[];
extern const struct command command_completion[];

/* All of them, in the order of the overview; NULL-terminated. */
extern const struct command *const command_tables[];

/* Runs the command that the words name and gives the exit status: 0, 2 for a wrong command line, or that of
 * the result's code (base/result.h). */
int command_main(const struct surroundings *surroundings, int argc, char *const argv[]);
