/* edge/query_wire.h: what the room and the query program say to each other (doc/formats.md §7).
 *
 * Three small formats: frames on a task's stream socket, the fixed-size read messages on a SOCK_SEQPACKET
 * socket, and cells of a result. Both sides use this one codec, so that there is one place to fuzz. Decoding
 * never trusts a size; frames are bounded by the receiving buffer's maximum. The frame calls block and use
 * only send(2) and recv(2), so that either side's syscall list stays short. Any thread. */
#pragma once

#include "base/buffer.h"
#include "base/reader.h"
#include "column/column_type.h"

/* What a query program of this release calls its vetter and its engine. Both names stand in receipts, so the
 * room compares them: nothing in a receipt is a child's choice. */
#define QUERY_VETTER "vet/1"
#define QUERY_ENGINE "duckdb 1.5.6"

enum {
    QUERY_SLOT_BYTES = 1 << 20, /* one slot of the shared memory object */
    QUERY_SLOTS_MAX = 64,
    QUERY_FRAME_BYTES_MAX = 64 << 20, /* no frame is larger, whatever the buffer allows */
    QUERY_READ_BYTES = 24,
    QUERY_GIVEN_BYTES = 8,
    QUERY_DATASETS_MAX = 256,
    QUERY_PARTS_MAX = 65536,
};

/* Kinds of frames. `size` in a frame counts the payload only: u32 size, u8 kind, payload. */
enum query_frame {
    QUERY_FRAME_VET = 'V',
    QUERY_FRAME_ACCEPTED = 'A',
    QUERY_FRAME_REFUSED = 'R',
    QUERY_FRAME_RUN = 'Q',
    QUERY_FRAME_CELLS = 'C',
    QUERY_FRAME_END = 'E',
    QUERY_FRAME_FAILED = 'F',
};

/* Sends one frame. UNAVAILABLE when the other side is gone, LIMIT beyond QUERY_FRAME_BYTES_MAX. */
fallible query_frame_send(int socket, uint8_t kind, struct bytes payload);

/* Receives one frame into `payload` (cleared first; its maximum bounds the frame: LIMIT). NOT_FOUND
 * "query.frame.end" at an orderly end between frames, CORRUPT within one, UNAVAILABLE on a broken socket. */
fallible query_frame_receive(int socket, struct buffer *payload, uint8_t *out_kind);

/* A child's wish for octets of a part. Everything in it is the child's claim until the room has checked it.
 */
struct query_read {
    uint32_t slot;
    uint32_t dataset;
    uint32_t part;
    uint32_t length;
    uint64_t offset;
};

void query_read_encode(const struct query_read *read, uint8_t out[QUERY_READ_BYTES]);
/* CORRUPT unless exactly QUERY_READ_BYTES. The values are not judged. */
fallible query_read_decode(struct bytes untrusted_message, struct query_read *out);

/* The room's answer: `given` octets are in slot `slot`; 0 at the end of the file or when refused. */
struct query_given {
    uint32_t slot;
    uint32_t given;
};

void query_given_encode(const struct query_given *given, uint8_t out[QUERY_GIVEN_BYTES]);
fallible query_given_decode(struct bytes message, struct query_given *out);

/* Appends one cell; LIMIT where the buffer is full. */
fallible query_cell_encode(struct buffer *out, const struct cell *cell);
/* Takes one cell; its text is borrowed from the reader's octets and is well-formed UTF-8 as far as a
 * terminal is concerned only if the caller checks it: any octets may come. CORRUPT. */
fallible query_cell_decode(struct reader *untrusted_cells, struct cell *out);
