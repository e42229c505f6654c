/* party/option.h: the command line of one command, parsed by its table.
 *
 * Strict: an unknown option, a missing value, a value for a flag and a second value of an option that takes
 * one are refused. `--name value`, `--name=value`, `-n value`; `--` ends the options; options and arguments
 * may be mixed. Values are borrowed from argv. No abbreviations, so that a script keeps its meaning when an
 * option is added. Any thread. */
#pragma once

#include "base/result.h"
#include "base/view.h"

enum { OPTION_VALUES_MAX = 128, OPTION_ARGUMENTS_MAX = 64 };

/* A table ends with a row whose name is NULL. */
struct option {
    const char *name;  /* without the dashes */
    char letter;       /* or 0 */
    const char *value; /* what to call its value in the help; NULL makes it a flag */
    const char *help;
    bool repeated;
};

struct options {
    struct {
        const struct option *row;
        const char *value; /* "" for a flag */
    } given[OPTION_VALUES_MAX];
    size_t given_count;
    const char *arguments[OPTION_ARGUMENTS_MAX];
    size_t argument_count;
};

/* `tables` is a NULL-terminated list of tables; argv holds only what follows the command's words. INVALID
 * with `where` = the word that is wrong: "option.unknown", "option.value_missing", "option.value_unexpected",
 * "option.repeated"; LIMIT "option.too_many". */
fallible options_parse(const struct option *const tables[], int argc, char *const argv[],
                       struct options *out);

bool option_given(const struct options *options, const char *name);
/* The value of an option, or NULL. Of a repeated option the first. */
const char *option_value(const struct options *options, const char *name);
/* The `index`-th value of a repeated option, or NULL behind the last. */
const char *option_value_at(const struct options *options, const char *name, size_t index);

/* The name of `names` (NULL-terminated) that `word` most resembles, or NULL: for "did you mean". */
const char *option_closest(const char *word, const char *const names[]);
