#include "service/setup/address.h"

#include "service/http/server.h"
#include "service/http/url.h"

static fallible settle_listen(struct arena *arena, const struct url *url, struct text wanted,
                              struct text *out, uint16_t *out_port)
{
    char address[64];
    if (wanted.size == 0) {
        TRY(arena_printf(arena, &wanted, "127.0.0.1:%u", url->has_port ? url->port : 0));
    }
    TRY(http_listen_parse(wanted, address, out_port));
    if (*out_port == 0) {
        TRY(http_choose_port(wanted, out_port));
    }
    bool is_v6 = strchr(address, ':') != NULL;
    return arena_printf(arena, out, "%s%s%s:%u", is_v6 ? "[" : "", address, is_v6 ? "]" : "", *out_port);
}

fallible service_address_settle(struct arena *arena, struct text url, struct text listen,
                                struct service_address *out)
{
    struct url parsed;
    struct service_address address;
    uint16_t port;
    TRY(url_parse(arena, url, &parsed));
    REQUIRE(text_is(parsed.scheme, "https") && text_is(parsed.path, "/") && parsed.query.size == 0, INVALID,
            "setup.address.url");
    TRY(settle_listen(arena, &parsed, listen, &address.listen, &port));
    bool is_v6 = memchr(parsed.host.data, ':', parsed.host.size) != NULL;
    uint16_t public_port = parsed.has_port ? parsed.port : port;
    TRY(arena_printf(arena, &address.url, "https://%s%.*s%s", is_v6 ? "[" : "", TEXT_ARGS(parsed.host),
                     is_v6 ? "]" : ""));
    if (public_port != 443) {
        TRY(arena_printf(arena, &address.url, "%.*s:%u", TEXT_ARGS(address.url), public_port));
    }
    *out = address;
    return OK;
}
