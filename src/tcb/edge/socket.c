#include "edge/socket.h"

#include <errno.h>
#include <sys/socket.h>

fallible socket_send(int socket, struct bytes bytes, int flags)
{
    while (bytes.size > 0) {
        ssize_t sent = send(socket, bytes.data, bytes.size, MSG_NOSIGNAL | flags);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(sent > 0, UNAVAILABLE, "socket.send");
        bytes = bytes_slice(bytes, (size_t)sent, bytes.size);
    }
    return OK;
}

fallible socket_receive(int socket, uint8_t *out, size_t size, size_t *out_got)
{
    size_t got = 0;
    while (got < size) {
        ssize_t count = recv(socket, out + got, size - got, 0);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(count >= 0, UNAVAILABLE, "socket.receive");
        if (count == 0) {
            break;
        }
        got += (size_t)count;
    }
    *out_got = got;
    return OK;
}
