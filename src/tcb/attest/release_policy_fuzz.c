/* The first line is a policy, the rest the claims. */
#include "attest/release_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t head = end == NULL ? size : (size_t)(end - data);
    scoped_release_policy policy = {0};
    scoped_json *claims = NULL;
    if (!result_is_ok(release_policy_parse((struct bytes){data, head}, &policy))) {
        return 0;
    }
    ASSERT(policy.authority_count > 0);
    bool names = release_policy_names_code_identity(&policy);
    struct bytes rest = bytes_slice((struct bytes){data, size}, head + 1, size);
    if (result_is_ok(json_decode(rest, &claims))) {
        struct release_decision decision = release_policy_evaluate(&policy, policy.authorities[0], claims);
        ASSERT(decision.why != NULL);
        /* What names code never holds for claims that have nothing. */
        ASSERT(!(names && decision.verdict == VERDICT_ALLOW && json_object_size(claims) == 0));
    }
    return 0;
}
