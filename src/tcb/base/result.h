/* base/result.h: the one error type of Truce.
 *
 * Every function that can fail returns `fallible`: a small value that the compiler does not let a caller
 * ignore. The code says what the *caller* can do about it; `why` is a static dotted literal that can be
 * found with grep ("contract.signature.key_unknown") and never carries data; `where` is NULL or a short
 * NUL-terminated name taken from a public document (a party, a dataset, a member path), borrowed from the
 * caller's arena or static, for people who read the message. Neither ever holds a secret or a row value.
 *
 * Deciding is not failing: a decision is a `enum verdict`, whose zero is DENY.
 *
 * Three macros, no more: TRY forwards, REQUIRE checks other people's mistakes, ASSERT checks ours. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum result_code {
    RESULT_OK = 0,
    RESULT_INVALID,         /* the input is malformed: correct it */
    RESULT_UNAUTHENTICATED, /* who are you: present a credential */
    RESULT_DENIED,          /* known, and not allowed: do not retry */
    RESULT_UNTRUSTED,       /* a signature, digest or measurement does not hold */
    RESULT_NOT_FOUND,
    RESULT_CONFLICT,    /* exists already, or changed meanwhile */
    RESULT_EXPIRED,     /* outside its validity */
    RESULT_CORRUPT,     /* stored state does not verify */
    RESULT_LIMIT,       /* a named limit is reached */
    RESULT_UNAVAILABLE, /* try again later */
    RESULT_TIMEOUT,
    RESULT_UNSUPPORTED,
    RESULT_NO_MEMORY,
    RESULT_INTERNAL, /* a defect of ours or of the system */
    RESULT_CODE_COUNT
};

struct result {
    enum result_code code;
    const char *why;
    const char *where;
};

#define fallible __attribute__((warn_unused_result)) struct result

enum verdict { VERDICT_DENY = 0, VERDICT_ALLOW = 0x5a };

#define OK ((struct result){RESULT_OK, "ok", NULL})
#define FAIL(code_suffix, why_literal) ((struct result){RESULT_##code_suffix, "" why_literal "", NULL})
#define FAIL_AT(code_suffix, why_literal, where_text)                                                        \
    ((struct result){RESULT_##code_suffix, "" why_literal "", (where_text)})

static inline bool result_is_ok(struct result result)
{
    return result.code == RESULT_OK;
}

/* The same result; a failure says that it was at `where`. */
static inline struct result result_at(struct result result, const char *where)
{
    result.where = result_is_ok(result) ? NULL : where;
    return result;
}

/* Forwards a failure to the caller. */
#define TRY(call)                                                                                            \
    do {                                                                                                     \
        struct result try_result_ = (call);                                                                  \
        if (try_result_.code != RESULT_OK) {                                                                 \
            return try_result_;                                                                              \
        }                                                                                                    \
    } while (0)

/* Refuses somebody else's mistake: REQUIRE(size <= MAX, LIMIT, "seal.part.too_large"); */
#define REQUIRE(condition, code_suffix, why_literal)                                                         \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            return FAIL(code_suffix, why_literal);                                                           \
        }                                                                                                    \
    } while (0)

/* The same, and says where. */
#define REQUIRE_AT(condition, code_suffix, why_literal, where_text)                                          \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            return FAIL_AT(code_suffix, why_literal, where_text);                                            \
        }                                                                                                    \
    } while (0)

/* Stops the program on our own mistake, in production too. Untrusted input must never reach one. */
#define ASSERT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            result_assert_failed(#condition, __FILE__, __LINE__);                                            \
        }                                                                                                    \
    } while (0)

_Noreturn void result_assert_failed(const char *condition, const char *file, int line);

/* Runs `function(&variable)` when the variable leaves its scope. */
#define defer(function) __attribute__((cleanup(function)))

/* The one table of what a code means outside: never NULL. */
const char *result_code_name(enum result_code code); /* "denied" */
int result_code_http_status(enum result_code code);  /* 403 */
int result_code_exit_status(enum result_code code);  /* 0, or 10 + code; 2 is kept for usage */
bool result_code_may_retry(enum result_code code);
const char *result_code_advice(enum result_code code); /* one sentence on what to do */
