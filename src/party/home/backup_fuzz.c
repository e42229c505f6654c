#include "party/home/backup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A backup by somebody else: its name is a name, and without the passphrase it does not open. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    struct text name;
    if (result_is_ok(backup_name(&arena, (struct bytes){data, size}, &name))) {
        ASSERT(text_is_name(name));
    }
    return 0;
}
