#include "service/setup/notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

fallible notify_send(const char *socket_name, struct text message)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = socket_name == NULL ? 0 : strlen(socket_name);
    if (size == 0) {
        return OK;
    }
    REQUIRE((socket_name[0] == '/' || socket_name[0] == '@') && size < sizeof address.sun_path, INVALID,
            "notify.name");
    memcpy(address.sun_path, socket_name, size);
    if (socket_name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(file >= 0, UNAVAILABLE, "notify.socket");
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    ssize_t sent =
        sendto(file, message.data, message.size, MSG_NOSIGNAL, (struct sockaddr *)&address, address_size);
    close(file);
    REQUIRE(sent == (ssize_t)message.size, UNAVAILABLE, "notify.socket");
    return OK;
}
