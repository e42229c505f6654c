/* Evidence as JSON, and every judge on whatever it holds. */
#include "attest/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 4 * 1024 * 1024);
    scoped_json *json = NULL;
    struct evidence evidence;
    if (!result_is_ok(json_decode((struct bytes){data, size}, &json)) ||
        !result_is_ok(evidence_from_json(&arena, json, &evidence))) {
        return 0;
    }
    const struct evidence_trust trust = {0};
    scoped_evidence_judgement judgement = {0};
    if (result_is_ok(evidence_judge(&arena, &evidence, (struct bytes){0}, &trust, 0, &judgement))) {
        ASSERT(judgement.verdict == VERDICT_DENY && judgement.claims == NULL); /* nobody is trusted here */
    }
    scoped_json *again = NULL;
    ASSERT(result_is_ok(evidence_to_json(&evidence, &again)));
    ASSERT(json_equal(json, again));
    return 0;
}
