/* edge/socket.h: all octets through a stream socket. Blocks, and uses only send(2) and recv(2), so that
 * either side's syscall list stays short. Any thread. */
#pragma once

#include "base/result.h"
#include "base/view.h"

/* `flags` as MSG_MORE. UNAVAILABLE when the other side is gone. */
fallible socket_send(int socket, struct bytes bytes, int flags);

/* `out_got` is less than `size` where the stream has ended before. UNAVAILABLE on a broken socket. */
fallible socket_receive(int socket, uint8_t *out, size_t size, size_t *out_got);
