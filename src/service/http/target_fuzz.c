#include "service/http/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to something that decodes to the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 16 * size + 65536);
    struct http_target target;
    if (!result_is_ok(http_target_parse(&arena, (struct text){(const char *)data, size}, &target))) {
        return 0;
    }
    for (size_t i = 0; i < target.segment_count; i++) {
        struct text encoded;
        struct text again;
        ASSERT(result_is_ok(percent_encode(&arena, target.segments[i], &encoded)));
        ASSERT(result_is_ok(percent_decode(&arena, encoded, false, &again)));
        ASSERT(text_equal(target.segments[i], again));
    }
    struct http_captures captures;
    if (http_pattern_matches("/keys/{name}/{version}/release", &target, true, &captures)) {
        ASSERT(captures.count == 2 && target.segment_count == 4);
    }
    return 0;
}
