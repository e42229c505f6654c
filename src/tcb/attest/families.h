/* attest/families.h: inside of the judge: what a family's file gives and is given.
 *
 * To add a family: one file with a `family_judge`, one row in judge.c, its reasons in its test. A judge
 * makes every check, names each one that fails, and sets ALLOW only when none did. */
#pragma once

#include "attest/judge.h"

struct family_case {
    const struct evidence *evidence; /* untrusted */
    struct bytes runtime_data;
    const struct evidence_trust *trust;
    int64_t unix_seconds;
};

typedef fallible family_judge(struct arena *arena, const struct family_case *question,
                              struct evidence_judgement *judgement);

fallible family_judge_sim(struct arena *arena, const struct family_case *question,
                          struct evidence_judgement *judgement);

/* Names a failed check. `why` is a static literal. */
void judgement_fail(struct evidence_judgement *judgement, const char *why);
void judgement_require(struct evidence_judgement *judgement, bool holds, const char *why);
/* The same for a call: names it, but forwards what is no fault of the evidence (NO_MEMORY, LIMIT). */
fallible judgement_absorb(struct evidence_judgement *judgement, struct result result, const char *why);
