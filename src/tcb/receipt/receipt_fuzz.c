/* A bundle and a verifier who trusts nobody: nothing may pass. */
#include "receipt/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    static const struct receipt_trust nobody;
    static const struct receipt_verification how = {.accept_simulated = true};
    json_t *report = NULL;
    ASSERT(!result_is_ok(receipt_verify(&arena, (struct bytes){data, size}, &nobody, &how, &report)));
    ASSERT(report == NULL);
    scoped_arena trust_arena;
    arena_init(&trust_arena, 4 * 1024 * 1024);
    struct receipt_trust *trust;
    ASSERT(result_is_ok(ARENA_NEW(&trust_arena, struct receipt_trust, &trust)));
    if (result_is_ok(receipt_trust_parse(&trust_arena, (struct bytes){data, size}, trust))) {
        ASSERT(trust->party_count <= RECEIPT_TRUST_PARTIES_MAX);
    }
    return 0;
}
