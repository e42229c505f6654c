#include "contract/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    scoped_json *object = NULL;
    scoped_bundle bundle = {0};
    if (result_is_ok(json_decode((struct bytes){data, size}, &object)) &&
        result_is_ok(bundle_parse(&arena, object, &bundle)) &&
        result_is_ok(bundle_verify(&arena, &bundle, NULL, 0))) {
        ASSERT(bundle.contract.document.signature_count == bundle.contract.party_count);
        ASSERT(!bundle.has_run_request || bundle.query < bundle.contract.query_count);
    }
    return 0;
}
