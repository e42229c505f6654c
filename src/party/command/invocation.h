/* party/command/invocation.h: one call of `truce`: what a command is given and how it answers.
 *
 * A command is a row of a table (command/table.h) with one function. It finds its options and arguments here,
 * prints results on the screen, and returns a result, whose code becomes the exit status. A failure that
 * needs more than its reason says what to do next with `invocation_advise`. One thread. */
#pragma once

#include "base/arena.h"
#include "base/world.h"
#include "party/home/keystore.h"
#include "party/option/option.h"
#include "party/screen/screen.h"

enum { INVOCATION_ADVICE_BYTES_MAX = 2048, INVOCATION_EXIT_USAGE = 2 };

/* What comes from the environment: read once, in main. */
struct surroundings {
    const char *home;            /* TRUCE_HOME, or ~/.truce */
    const char *passphrase_file; /* TRUCE_PASSPHRASE_FILE, or NULL */
    const char *programs;        /* folder of truce-query and the others */
    const char *identity;        /* what --version says behind the name */
};

struct command;

struct invocation {
    const struct command *command;
    struct surroundings surroundings;
    struct world world;
    struct arena *arena;
    struct screen screen;
    struct options options;
    char advice[INVOCATION_ADVICE_BYTES_MAX];
    bool usage; /* the words of the command line are wrong: exit status 2 */
};

struct command {
    const char *noun;
    const char *verb; /* NULL for a command of one word */
    const char *summary;
    const char *arguments; /* "CONTRACT QUERY", "" for none */
    const char *about;     /* paragraphs for the help */
    const struct option *options;
    size_t argument_min;
    size_t argument_max;
    fallible (*run)(struct invocation *invocation);
};

/* Every command has these. */
extern const struct option invocation_common_options[];

/* The n-th argument, which the table's minimum guarantees, or NULL. */
const char *invocation_argument(const struct invocation *invocation, size_t index);

/* Says what to do about a failure, and gives it back: return invocation_advise(invocation, result, "…"). */
struct result invocation_advise(struct invocation *invocation, struct result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The command line is wrong. */
struct result invocation_usage(struct invocation *invocation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The party that acts: --party, or the only one there is. */
struct own_party {
    const char *name;
    const char *folder;
};
fallible invocation_party(struct invocation *invocation, struct own_party *out);
/* The folder of a party by name, whether it exists or not. */
fallible invocation_party_folder(struct invocation *invocation, const char *name, const char **out);

/* The passphrase from --passphrase-file, TRUCE_PASSPHRASE_FILE or the terminal. */
fallible invocation_passphrase(struct invocation *invocation, bool is_new, struct secret *out);
/* Unlocks the acting party. */
fallible invocation_unlock(struct invocation *invocation, struct own_party *out_party, struct keystore *out);

/* An option that is a number, or `otherwise` without it. */
fallible invocation_number(struct invocation *invocation, const char *name, uint64_t max, uint64_t otherwise,
                           uint64_t *out);
