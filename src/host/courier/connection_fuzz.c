#include "host/courier/connections.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    struct connection connection;
    struct result result = connection_parse(&arena, (struct bytes){data, size}, &connection);
    if (result_is_ok(result)) {
        ASSERT(text_starts_with(connection.url, TEXT("https://")));
        ASSERT(connection.kind != CONNECTION_COURIER || text_is_name(connection.party));
        ASSERT(strchr(connection.file_name, '/') == NULL);
    }
    return 0;
}
