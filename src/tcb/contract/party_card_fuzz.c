#include "contract/party_card.h"

#include "privacy/document_test_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    struct bytes document;
    scoped_party_card parsed = {0};
    if (envelope_of(&arena, (struct bytes){data, size}, PARTY_CARD_TYP, "", &document) &&
        result_is_ok(party_card_parse(&arena, document, &parsed))) {
        json_t *payload = NULL;
        struct result built = party_card_build(&parsed, &payload);
        assert_built(&arena, &parsed.document, built, payload);
    }
    return 0;
}
