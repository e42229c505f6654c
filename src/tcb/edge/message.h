/* edge/message.h: frames between host and room (doc/formats.md §6).
 *
 * The table is messages.def. This module encodes and judges frame headers; it does no I/O, so that both
 * sides and a simulation use the same code. Header: u32 payload size, u16 kind, u16 zero, u64 exchange,
 * little-endian. A request carries a number that its sender chose; the reply carries the same number. */
#pragma once

#include "base/buffer.h"
#include "base/reader.h"

enum message_side { MESSAGE_FROM_NOBODY = 0, MESSAGE_FROM_HOST, MESSAGE_FROM_ROOM };

enum message_kind {
    MESSAGE_NONE = 0,
#define MESSAGE(name, number, sender, size_max, replies_to) MESSAGE_##name = (number),
#include "edge/messages.def"
#undef MESSAGE
    MESSAGE_KIND_END
};

enum { MESSAGE_HEADER_BYTES = 16 };

struct message_header {
    uint32_t size;
    enum message_kind kind;
    uint64_t exchange;
};

const char *message_name(enum message_kind kind); /* "token_request"; "none" for what is not in the table */
enum message_side message_sender(enum message_kind kind);
size_t message_size_max(enum message_kind kind);

/* True if `reply` may answer `request`: the row says so, or it is `unavailable` and `request` is a request.
 */
bool message_replies_to(enum message_kind reply, enum message_kind request);
bool message_is_request(enum message_kind kind);

/* Appends header and payload. LIMIT "message.size" beyond the row's maximum. */
fallible message_encode(enum message_kind kind, uint64_t exchange, struct bytes payload, struct buffer *out);
/* Only the header, for a payload that is written apart. */
fallible message_encode_header(enum message_kind kind, uint64_t exchange, size_t payload_size,
                               uint8_t out[static MESSAGE_HEADER_BYTES]);

/* Judges the 16 octets of a header from the other side: INVALID "message.kind", "message.sender",
 * "message.reserved", LIMIT "message.size". Then read exactly `size` octets of payload. */
fallible message_decode_header(struct bytes untrusted_header, enum message_side expected_sender,
                               struct message_header *out);
