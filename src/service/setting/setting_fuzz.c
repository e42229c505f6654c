#include "service/setting/setting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    struct setting_file file;
    struct result result = setting_file_parse(&arena, NULL, "file", (struct bytes){data, size}, &file);
    if (result_is_ok(result)) {
        ASSERT(file.program != NULL && file.count <= SETTING_VALUES_MAX);
        for (size_t i = 0; i < file.count; i++) {
            ASSERT(result_is_ok(setting_check(file.values[i].setting, file.values[i].text)));
        }
    }
    return 0;
}
