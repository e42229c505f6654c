/* dataset/test_file.h: whole files for the tests of this folder. Not part of a program. */
#pragma once

#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEST_FILE_BYTES_MAX = 4 * 1024 * 1024 };

/* A file below test/ of the source, or of size 0 where it cannot be read. */
static inline struct bytes read_test_file(struct arena *arena, const char *name)
{
    const char *source = getenv("TRUCE_SOURCE");
    char path[4096];
    snprintf(path, sizeof path, "%s/test/%s", source ? source : ".", name);
    FILE *file = fopen(path, "rb");
    void *data;
    if (file == NULL) {
        return (struct bytes){0};
    }
    ASSERT(result_is_ok(arena_take(arena, TEST_FILE_BYTES_MAX, &data)));
    size_t size = fread(data, 1, TEST_FILE_BYTES_MAX, file);
    fclose(file);
    return (struct bytes){data, size};
}
