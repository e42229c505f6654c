/* nth/nth.h: every allocation and every call on a file fails once, one at a time.
 *
 * A body does one piece of work from inputs that are there already, and says what came of it: its result and
 * a digest of its outputs. `nth_exhaust` runs it once to count what it asks of the system, and then again
 * with each of those requests failing. Whatever fails, the body gives an error, or succeeds with the very
 * same outputs; it never crashes, and in the sanitized build never leaks. In the ordinary test run a seeded
 * sample of the numbers is tried; with TRUCE_LONG set all of them. */
#pragma once

#include "base/result.h"
#include "base/view.h"
#include "crypto/digest.h"

enum nth_request { NTH_ALLOCATION, NTH_FILE };

struct nth_body {
    const char *name;
    enum nth_request request;
    struct result (*run)(void *self, struct digest *out);
    void *self;
    bool is_random; /* outputs differ from run to run */
};

/* Puts our allocator under jansson, OpenSSL and SQLite, and our calls under SQLite's files. Before anything
 * else. */
void nth_install(void);

void nth_exhaust(const struct nth_body *body);
