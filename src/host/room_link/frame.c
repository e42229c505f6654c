#include "host/room_link/frame.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

enum { PIECE_BYTES = 1024 * 1024 };

/* `deadline_ms` < 0 waits without end. */
static fallible wait_for(int socket, short events, const struct world *world, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms < 0 ? -1 : deadline_ms - world_monotonic_ms(world);
        REQUIRE(deadline_ms < 0 || left > 0, TIMEOUT, "room.silent");
        struct pollfd poller = {.fd = socket, .events = events};
        int ready = poll(&poller, 1, left > INT32_MAX ? INT32_MAX : (int)left);
        if (ready > 0) {
            return OK;
        }
        REQUIRE(ready == 0 || errno == EINTR, UNAVAILABLE, "room.lost");
    }
}

static fallible receive(int socket, const struct world *world, int64_t deadline_ms, uint8_t *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        TRY(wait_for(socket, POLLIN, world, deadline_ms));
        ssize_t got = recv(socket, out + done, size - done, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        REQUIRE(got > 0, UNAVAILABLE, "room.lost");
        done += (size_t)got;
    }
    return OK;
}

fallible frame_receive(int socket, const struct world *world, int64_t patience_ms, struct message_header *out,
                       struct buffer *payload)
{
    uint8_t octets[MESSAGE_HEADER_BYTES];
    TRY(receive(socket, world, -1, octets, 1));
    TRY(receive(socket, world, world_monotonic_ms(world) + patience_ms, octets + 1, sizeof octets - 1));
    struct message_header header;
    TRY(message_decode_header(BYTES_OF(octets), MESSAGE_FROM_ROOM, &header));
    buffer_clear(payload);
    for (size_t left = header.size; left > 0;) {
        size_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;
        uint8_t *at;
        TRY(buffer_extend(payload, piece, &at));
        TRY(receive(socket, world, world_monotonic_ms(world) + patience_ms, at, piece));
        left -= piece;
    }
    *out = header;
    return OK;
}

static fallible send_all(int socket, const struct world *world, int64_t patience_ms, struct bytes octets)
{
    for (size_t done = 0; done < octets.size;) {
        TRY(wait_for(socket, POLLOUT, world, world_monotonic_ms(world) + patience_ms));
        ssize_t sent = send(socket, octets.data + done, octets.size - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        REQUIRE(sent > 0, UNAVAILABLE, "room.lost");
        done += (size_t)sent;
    }
    return OK;
}

fallible frame_send(int socket, const struct world *world, int64_t patience_ms, enum message_kind kind,
                    uint64_t exchange, struct bytes payload)
{
    ASSERT(message_sender(kind) == MESSAGE_FROM_HOST);
    uint8_t header[MESSAGE_HEADER_BYTES];
    TRY(message_encode_header(kind, exchange, payload.size, header));
    TRY(send_all(socket, world, patience_ms, BYTES_OF(header)));
    return send_all(socket, world, patience_ms, payload);
}
