#include "service/http/percent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A form that decodes has no repeated name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 16 * size + 65536);
    struct http_pairs pairs;
    if (!result_is_ok(form_decode(&arena, (struct text){(const char *)data, size}, &pairs))) {
        return 0;
    }
    for (size_t i = 0; i < pairs.count; i++) {
        for (size_t k = 0; k < i; k++) {
            ASSERT(!text_equal(pairs.rows[i].name, pairs.rows[k].name));
        }
    }
    return 0;
}
