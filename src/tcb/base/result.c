#include "base/result.h"

#include <stdio.h>
#include <stdlib.h>

struct code_row {
    const char *name;
    int http_status;
    bool may_retry;
    const char *advice;
};

static const struct code_row rows[RESULT_CODE_COUNT] = {
    [RESULT_OK] = {"ok", 200, false, ""},
    [RESULT_INVALID] = {"invalid", 400, false, "Correct the input and try again."},
    [RESULT_UNAUTHENTICATED] = {"unauthenticated", 401, false, "Present a valid credential."},
    [RESULT_DENIED] = {"denied", 403, false, "This is not allowed; trying again does not help."},
    [RESULT_UNTRUSTED] = {"untrusted", 403, false, "What was presented does not verify; do not use it."},
    [RESULT_NOT_FOUND] = {"not_found", 404, false, "Check the name."},
    [RESULT_CONFLICT] = {"conflict", 409, false, "It exists already or was changed meanwhile."},
    [RESULT_EXPIRED] = {"expired", 403, false, "Its validity does not cover the present time."},
    [RESULT_CORRUPT] = {"corrupt", 500, false, "Stored state does not verify; restore it from a backup."},
    [RESULT_LIMIT] = {"limit", 413, false, "A limit is reached; `truce limits` prints them all."},
    [RESULT_UNAVAILABLE] = {"unavailable", 503, true, "Try again later."},
    [RESULT_TIMEOUT] = {"timeout", 504, true, "Try again later."},
    [RESULT_UNSUPPORTED] = {"unsupported", 400, false, "This version does not support it."},
    [RESULT_NO_MEMORY] = {"no_memory", 503, true, "Free memory and try again."},
    [RESULT_INTERNAL] = {"internal", 500, false, "This is a defect; please report it."},
};

static const struct code_row *row_of(enum result_code code)
{
    bool known = (int)code >= 0 && code < RESULT_CODE_COUNT;
    return &rows[known ? code : RESULT_INTERNAL];
}

const char *result_code_name(enum result_code code)
{
    return row_of(code)->name;
}

int result_code_http_status(enum result_code code)
{
    return row_of(code)->http_status;
}

int result_code_exit_status(enum result_code code)
{
    return code == RESULT_OK ? 0 : 10 + (int)code;
}

bool result_code_may_retry(enum result_code code)
{
    return row_of(code)->may_retry;
}

const char *result_code_advice(enum result_code code)
{
    return row_of(code)->advice;
}

void result_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
