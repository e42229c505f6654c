/* For tests that sign contracts without the truce command: reads a contract's payload from standard input and
 * prints the digest of its explain text. */
#include "contract/contract.h"

#include <stdio.h>

enum { ARENA_BYTES_MAX = 64 * 1024 * 1024, PAYLOAD_BYTES_MAX = 1024 * 1024 };

static fallible print_digest(struct arena *arena)
{
    void *octets;
    TRY(arena_take(arena, PAYLOAD_BYTES_MAX, &octets));
    size_t size = fread(octets, 1, PAYLOAD_BYTES_MAX, stdin);
    scoped_contract contract = {0};
    TRY(contract_parse_payload(arena, (struct bytes){octets, size}, &contract));
    struct digest digest;
    struct text text;
    TRY(contract_explain_digest(arena, &contract, &digest));
    TRY(digest_to_text(arena, &digest, &text));
    printf("%.*s\n", TEXT_ARGS(text));
    return OK;
}

int main(void)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct result result = print_digest(&arena);
    if (!result_is_ok(result)) {
        fprintf(stderr, "%s %s\n", result.why, result.where == NULL ? "" : result.where);
    }
    return result_code_exit_status(result.code);
}
