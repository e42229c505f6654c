#include "service/http/server.h"
#include "service/http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A URL that is taken has one of two schemes, no user and a port; a listening address keeps its bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped_arena arena;
    arena_init(&arena, 16 * size + 65536);
    struct text text = {(const char *)data, size};
    struct url url;
    if (result_is_ok(url_parse(&arena, text, &url))) {
        ASSERT(text_starts_with(text, TEXT("https://")) || text_starts_with(text, TEXT("http://")));
        ASSERT(url.host.size > 0 && memchr(url.host.data, '@', url.host.size) == NULL);
        ASSERT(url_equal_without_slash(text, text));
    }
    char address[64];
    uint16_t port;
    if (result_is_ok(http_listen_parse(text, address, &port))) {
        ASSERT(strlen(address) < sizeof address);
    }
    return 0;
}
