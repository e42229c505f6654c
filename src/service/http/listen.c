#include "service/http/listen.h"

#include "base/encode.h"
#include "service/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
    bool is_loopback;
};

fallible http_listen_parse(struct text listen, char out_address[static 64], uint16_t *out_port)
{
    const char *colon = listen.size > 0 ? memrchr(listen.data, ':', listen.size) : NULL;
    REQUIRE(colon != NULL, INVALID, "http.listen.form");
    struct text address = {listen.data, (size_t)(colon - listen.data)};
    struct text port_text = {colon + 1, listen.size - address.size - 1};
    if (address.size >= 2 && address.data[0] == '[' && address.data[address.size - 1] == ']') {
        address = (struct text){address.data + 1, address.size - 2};
    }
    uint64_t port;
    REQUIRE(result_is_ok(decode_u64(port_text, UINT16_MAX, &port)), INVALID, "http.listen.port");
    REQUIRE(address.size > 0 && address.size < 64, INVALID, "http.listen.form");
    memcpy(out_address, address.data, address.size);
    out_address[address.size] = 0;
    *out_port = (uint16_t)port;
    return OK;
}

static fallible address_parse(struct text listen, struct address *out)
{
    char name[64];
    uint16_t port;
    TRY(http_listen_parse(listen, name, &port));
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->storage;
    *out = (struct address){0};
    if (inet_pton(AF_INET, name, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        out->size = sizeof *v4;
        out->is_loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
        return OK;
    }
    REQUIRE(inet_pton(AF_INET6, name, &v6->sin6_addr) == 1, INVALID, "http.listen.address");
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out->size = sizeof *v6;
    out->is_loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    return OK;
}

static fallible bind_and_listen(int socket_fd, const struct address *address)
{
    int on = 1;
    REQUIRE(setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, INTERNAL,
            "http.listen.option");
    if (bind(socket_fd, (const struct sockaddr *)&address->storage, address->size) != 0 ||
        listen(socket_fd, SOMAXCONN) != 0) {
        REQUIRE(errno != EADDRINUSE, CONFLICT, "http.listen.in_use");
        REQUIRE(errno != EACCES, DENIED, "http.listen.port_denied");
        return FAIL(UNAVAILABLE, "http.listen.bind");
    }
    return OK;
}

static fallible bound_port(int socket_fd, uint16_t *out)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    REQUIRE(getsockname(socket_fd, (struct sockaddr *)&bound, &size) == 0, INTERNAL, "http.listen.name");
    *out = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                            : ((struct sockaddr_in6 *)&bound)->sin6_port);
    return OK;
}

fallible listen_open(struct text listen, bool loopback_only, int *out_socket, uint16_t *out_port)
{
    struct address address;
    TRY(address_parse(listen, &address));
    REQUIRE(address.is_loopback || !loopback_only, DENIED, "http.listen.insecure_not_loopback");
    int socket_fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(socket_fd >= 0, UNAVAILABLE, "http.listen.socket");
    uint16_t port;
    struct result result = bind_and_listen(socket_fd, &address);
    if (result_is_ok(result)) {
        result = bound_port(socket_fd, &port);
    }
    if (!result_is_ok(result)) {
        close(socket_fd);
        return result;
    }
    *out_socket = socket_fd;
    *out_port = port;
    return OK;
}

fallible http_choose_port(struct text listen, uint16_t *out)
{
    int socket_fd;
    TRY(listen_open(listen, false, &socket_fd, out));
    close(socket_fd);
    return OK;
}
