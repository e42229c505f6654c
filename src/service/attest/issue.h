/* attest/issue.h: from a request to a token, or to the reasons why not. Pure: the time and the token's id are
 * given. */
#pragma once

#include "base/buffer.h"
#include "service/attest/authority.h"
#include "service/attest/request.h"

struct attest_answer {
    enum verdict verdict;
    struct text token;   /* in the arena; empty when denied */
    const char *code;    /* MAA's error code when denied */
    struct text message; /* for people, names the checks that failed */
};

/* Judges and, where allowed, signs. Errors are ours, not the evidence's. */
fallible attest_answer_request(struct arena *arena, const struct authority *authority,
                               const struct attest_request *request, int64_t unix_seconds,
                               const uint8_t token_id[static 32], struct attest_answer *out);

/* The answer to GET /policies/…: a token with the policy nested in `x-ms-policy`. */
fallible attest_policy_token(struct arena *arena, const struct authority *authority, int64_t unix_seconds,
                             const uint8_t token_id[static 32], struct text *out);
