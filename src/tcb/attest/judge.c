#include "attest/judge.h"

#include "attest/families.h"

/* One row per family. A family that is not here is refused. */
static const struct family {
    const char *name;
    family_judge *judge;
} families[] = {
    {"sim", family_judge_sim},
};

void judgement_fail(struct evidence_judgement *judgement, const char *why)
{
    if (judgement->failure_count < EVIDENCE_FAILURES_MAX) {
        judgement->failures[judgement->failure_count++] = why;
    }
    judgement->verdict = VERDICT_DENY;
}

void judgement_require(struct evidence_judgement *judgement, bool holds, const char *why)
{
    if (!holds) {
        judgement_fail(judgement, why);
    }
}

void evidence_judgement_release(struct evidence_judgement *judgement)
{
    json_decref(judgement->claims);
    *judgement = (struct evidence_judgement){0};
}

/* A defect of the evidence is a verdict; that we ran out of something is not. */
static bool is_ours(struct result result)
{
    return result.code == RESULT_NO_MEMORY || result.code == RESULT_LIMIT || result.code == RESULT_INTERNAL;
}

fallible judgement_absorb(struct evidence_judgement *judgement, struct result result, const char *why)
{
    if (is_ours(result)) {
        return result;
    }
    judgement_require(judgement, result_is_ok(result), why);
    return OK;
}

fallible evidence_judge(struct arena *arena, const struct evidence *untrusted_evidence,
                        struct bytes runtime_data, const struct evidence_trust *trust, int64_t unix_seconds,
                        struct evidence_judgement *out)
{
    scoped_evidence_judgement judgement = {0};
    const struct family *family = NULL;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (text_is(untrusted_evidence->family, families[i].name)) {
            family = &families[i];
        }
    }
    if (family == NULL) {
        judgement_fail(&judgement, "evidence.family.unknown");
    } else {
        struct family_case question = {untrusted_evidence, runtime_data, trust, unix_seconds};
        TRY(family->judge(arena, &question, &judgement));
    }
    ASSERT((judgement.verdict == VERDICT_ALLOW) ==
           (judgement.failure_count == 0 && judgement.claims != NULL));
    if (judgement.verdict != VERDICT_ALLOW) {
        judgement.root = (struct digest){0};
    }
    *out = judgement;
    judgement = (struct evidence_judgement){0};
    return OK;
}
