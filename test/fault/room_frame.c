/* Frames that the room and its children send: a header and then a payload, each with one socket_send. The
 * header is held back until its payload comes, so that both fail together. */
#include "fault.h"

#include "edge/message.h"
#include "edge/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

fallible __real_socket_send(int socket, struct bytes bytes, int flags);
fallible __wrap_socket_send(int socket, struct bytes bytes, int flags);

enum { CHILD_HEADER_BYTES = 5, CHIP_HEADER_BYTES = 4, REPORT_DATA_BYTES = 64 };

static _Thread_local struct {
    int socket; /* 0: nothing is held back */
    uint8_t header[MESSAGE_HEADER_BYTES];
    size_t size;
    char name[32];
} held;

/* The name of the frame that starts with this header, "" for anything else. */
static void name_of(struct bytes header, char out[static 32])
{
    struct message_header message;
    out[0] = '\0';
    if (header.size == MESSAGE_HEADER_BYTES &&
        result_is_ok(message_decode_header(header, MESSAGE_FROM_ROOM, &message))) {
        snprintf(out, 32, "%s", message_name(message.kind));
    } else if (header.size == CHILD_HEADER_BYTES) {
        snprintf(out, 32, "%c", header.data[4]);
    } else if (header.size == CHIP_HEADER_BYTES) {
        snprintf(out, 32, "evidence");
    }
}

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

static fallible send_once(int socket, struct bytes header, struct bytes payload, int flags)
{
    if (header.size > 0) {
        TRY(__real_socket_send(socket, header, payload.size > 0 ? MSG_MORE : 0));
    }
    return __real_socket_send(socket, payload, flags);
}

static fallible send_in_pieces(int socket, struct bytes header, struct bytes payload, int flags)
{
    TRY(__real_socket_send(socket, header, 0));
    fault_pause_ms(50);
    TRY(__real_socket_send(socket, bytes_slice(payload, 0, payload.size / 2), flags));
    fault_pause_ms(50);
    return __real_socket_send(socket, bytes_slice(payload, payload.size / 2, payload.size), flags);
}

static fallible send_frame(int socket, const char *name, struct bytes header, struct bytes payload, int flags)
{
    enum fault_kind kind = fault_meet("frame", name);
    if (kind == FAULT_TORN) {
        struct result ignored = __real_socket_send(socket, header, 0);
        ignored = __real_socket_send(socket, bytes_slice(payload, 0, payload.size / 2), 0);
        (void)ignored;
        fault_die();
    }
    if (kind == FAULT_SHORT) {
        return send_in_pieces(socket, header, payload, flags);
    }
    struct bytes sent = kind == FAULT_BROKEN ? flip(payload) : payload;
    TRY(send_once(socket, header, sent, flags));
    if (kind == FAULT_KILLED) {
        fault_die();
    }
    return kind == FAULT_TWICE ? send_once(socket, header, payload, flags) : OK;
}

fallible __wrap_socket_send(int socket, struct bytes bytes, int flags)
{
    if (!fault_wants("frame")) {
        return __real_socket_send(socket, bytes, flags);
    }
    if (held.socket == socket && socket != 0) {
        held.socket = 0;
        return send_frame(socket, held.name, (struct bytes){held.header, held.size}, bytes, flags);
    }
    if (bytes.size == REPORT_DATA_BYTES) {
        return send_frame(socket, "report_data", (struct bytes){0}, bytes, flags);
    }
    name_of(bytes, held.name);
    if (held.name[0] == '\0') {
        return __real_socket_send(socket, bytes, flags);
    }
    memcpy(held.header, bytes.data, bytes.size);
    held.size = bytes.size;
    held.socket = socket;
    return OK;
}
