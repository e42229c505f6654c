/* room_link/frame.h: whole frames over a stream socket, with a deadline within a frame.
 *
 * Whether a frame may come now is for turn.h. One thread per direction. */
#pragma once

#include "base/world.h"
#include "edge/message.h"

/* Waits without end for the first octet, then at most `patience_ms` for the rest. The payload replaces what
 * `payload` holds; its memory grows with what arrives, never with what the header promises. UNAVAILABLE
 * "room.lost", TIMEOUT "room.silent", and the reasons of message_decode_header. */
fallible frame_receive(int socket, const struct world *world, int64_t patience_ms, struct message_header *out,
                       struct buffer *payload);

fallible frame_send(int socket, const struct world *world, int64_t patience_ms, enum message_kind kind,
                    uint64_t exchange, struct bytes payload);
