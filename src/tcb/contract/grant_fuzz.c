#include "contract/grant.h"

#include "privacy/document_test_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    struct bytes document;
    scoped_grant parsed = {0};
    if (envelope_of(&arena, (struct bytes){data, size}, GRANT_TYP, "", &document) &&
        result_is_ok(grant_parse(&arena, document, &parsed))) {
        json_t *payload = NULL;
        struct result built = grant_build(&parsed, &payload);
        assert_built(&arena, &parsed.document, built, payload);
    }
    scoped_key_update update = {0};
    if (envelope_of(&arena, (struct bytes){data, size}, KEY_UPDATE_TYP, "", &document) &&
        result_is_ok(key_update_parse(&arena, document, &update))) {
        json_t *payload = NULL;
        struct result built = key_update_build(&update, &payload);
        assert_built(&arena, &update.document, built, payload);
    }
    return 0;
}
