#include "service/vault/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read as a request keeps the promises of request.h. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    scoped_json *body = NULL;
    arena_init(&arena, 1024 * 1024 + 16 * size);
    if (!result_is_ok(json_decode((struct bytes){data, size}, &body))) {
        return 0;
    }
    struct request_create create;
    if (result_is_ok(request_create_read(&arena, body, &create))) {
        ASSERT(create.kind == KEY_EC_P256 || (create.rsa_bits >= 2048 && create.rsa_bits <= 4096));
        ASSERT(create.has_policy == (create.attributes.has_exportable && create.attributes.exportable));
    }
    struct request_update update;
    if (result_is_ok(request_update_read(&arena, body, &update))) {
        ASSERT(!update.has_policy || update.policy.data.size > 0);
    }
    struct request_use use;
    if (result_is_ok(request_use_read(&arena, body, &use))) {
        ASSERT(use.value.size > 0);
    }
    struct request_release release;
    if (result_is_ok(request_release_read(&arena, body, &release))) {
        ASSERT(release.target.size > 0 && release.enc.size > 0);
    }
    return 0;
}
