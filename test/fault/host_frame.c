/* Frames between the host and a room, on the host's side. */
#include "fault.h"

#include "host/room_link/frame.h"

#include <stdlib.h>

fallible __real_frame_send(int socket, const struct world *world, int64_t patience_ms, enum message_kind kind,
                           uint64_t exchange, struct bytes payload);
fallible __wrap_frame_send(int socket, const struct world *world, int64_t patience_ms, enum message_kind kind,
                           uint64_t exchange, struct bytes payload);
fallible __real_frame_receive(int socket, const struct world *world, int64_t patience_ms,
                              struct message_header *out, struct buffer *payload);
fallible __wrap_frame_receive(int socket, const struct world *world, int64_t patience_ms,
                              struct message_header *out, struct buffer *payload);

#include <sys/socket.h>
#include <unistd.h>

static struct bytes flip(struct bytes payload)
{
    uint8_t *copy = malloc(payload.size + 1);
    if (copy == NULL || payload.size == 0) {
        return payload;
    }
    memcpy(copy, payload.data, payload.size);
    copy[payload.size / 2] ^= 1;
    return (struct bytes){copy, payload.size}; /* once in the life of a process: not released */
}

/* Header and payload in pieces of `size` octets, a pause between the first ones. */
static fallible send_pieces(int socket, enum message_kind kind, uint64_t exchange, struct bytes payload,
                            bool whole)
{
    scoped_buffer frame;
    buffer_init(&frame, MESSAGE_HEADER_BYTES + payload.size);
    TRY(message_encode(kind, exchange, payload, &frame));
    size_t end = whole ? frame.size : frame.size / 2;
    size_t piece = end / 3 + 1;
    for (size_t at = 0; at < end; at += piece) {
        size_t size = piece < end - at ? piece : end - at;
        for (size_t done = 0; done < size;) {
            ssize_t sent = send(socket, frame.data + at + done, size - done, MSG_NOSIGNAL);
            REQUIRE(sent > 0, UNAVAILABLE, "room.lost");
            done += (size_t)sent;
        }
        fault_pause_ms(50);
    }
    return OK;
}

fallible __wrap_frame_send(int socket, const struct world *world, int64_t patience_ms, enum message_kind kind,
                           uint64_t exchange, struct bytes payload)
{
    enum fault_kind fault = fault_meet("frame", message_name(kind));
    if (fault == FAULT_SHORT || fault == FAULT_TORN) {
        TRY(send_pieces(socket, kind, exchange, payload, fault == FAULT_SHORT));
        if (fault == FAULT_TORN) {
            fault_die();
        }
        return OK;
    }
    struct bytes sent = fault == FAULT_BROKEN ? flip(payload) : payload;
    TRY(__real_frame_send(socket, world, patience_ms, kind, exchange, sent));
    if (fault == FAULT_KILLED) {
        fault_die();
    }
    return fault == FAULT_TWICE ? __real_frame_send(socket, world, patience_ms, kind, exchange, payload) : OK;
}

fallible __wrap_frame_receive(int socket, const struct world *world, int64_t patience_ms,
                              struct message_header *out, struct buffer *payload)
{
    TRY(__real_frame_receive(socket, world, patience_ms, out, payload));
    if (fault_meet("arrive", message_name(out->kind)) == FAULT_BROKEN && payload->size > 0) {
        payload->data[payload->size / 2] ^= 1;
    }
    return OK;
}
