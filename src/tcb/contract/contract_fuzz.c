#include "contract/contract.h"

#include "privacy/document_test_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a contract says, its explanation has no octet that moves a terminal's cursor. */
static void assert_plain(struct text page)
{
    ASSERT(text_is_printable_utf8(page));
    for (size_t i = 0; i < page.size; i++) {
        ASSERT((uint8_t)page.data[i] >= ' ' || page.data[i] == '\n');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    struct bytes document;
    scoped_contract contract = {0};
    if (envelope_of(&arena, (struct bytes){data, size}, CONTRACT_TYP, "", &document) &&
        result_is_ok(contract_parse(&arena, document, &contract))) {
        json_t *payload = NULL;
        struct result built = contract_build(&contract, &payload);
        assert_built(&arena, &contract.document, built, payload);
        struct text page;
        ASSERT(result_is_ok(contract_explain(&arena, &contract, &page)));
        assert_plain(page);
        ASSERT(!result_is_ok(contract_verify(&arena, &contract, NULL, 0)) ||
               contract.document.signature_count > 0);
    }
    return 0;
}
