/* party/screen.h: what a person or a script sees.
 *
 * Results go to standard output: text for people, or one JSON document per command with --json. Messages,
 * questions and progress go to standard error, so that a pipe carries results only. Text of documents that
 * others wrote goes through `screen_safe`, so that it cannot move the cursor. One thread. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/secret.h"

#include <stdio.h>

struct screen {
    FILE *results;
    FILE *messages;
    bool json;        /* results as JSON: the text functions print nothing */
    bool answered;    /* the JSON document has been printed */
    bool interactive; /* messages go to a terminal: progress bars are drawn */
};

/* A line of the result for people. */
void screen_line(const struct screen *screen, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A message beside the result, in both modes. */
void screen_note(const struct screen *screen, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text that somebody else wrote, with line ends kept and every other control character replaced. */
void screen_text(const struct screen *screen, struct text untrusted_text);
const char *screen_safe(struct arena *arena, struct text untrusted_text);
/* The JSON document of the command; nothing without --json. */
fallible screen_json(struct screen *screen, const json_t *value);

/* "1.4 MB", "312 B". The text is in the arena, or "" when it is full. */
const char *screen_size(struct arena *arena, uint64_t bytes);

/* A bar on one line of a terminal, redrawn at most ten times a second; elsewhere one line at the end. */
struct progress {
    const struct screen *screen;
    const struct world *world;
    const char *label;
    uint64_t total; /* 0: unknown */
    uint64_t done;
    int64_t started_ms;
    int64_t drawn_ms;
    bool bytes; /* figures are octets */
};
void progress_begin(struct progress *progress, const struct screen *screen, const struct world *world,
                    const char *label, uint64_t total, bool bytes);
void progress_set(struct progress *progress, uint64_t done);
void progress_end(struct progress *progress, bool succeeded);

/* A yes from the terminal; DENY for anything else, and where there is none. */
enum verdict screen_confirm(const struct screen *screen, const char *question);
/* Reads a line from the terminal without showing it. UNAVAILABLE "passphrase.no_terminal" without one,
 * INVALID "passphrase.empty", INVALID "passphrase.mismatch" where `twice` asks again. */
fallible screen_ask_secret(const struct screen *screen, const char *question, bool twice, struct secret *out);
