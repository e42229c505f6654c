/* edge/query_wire.h: what the room and the query program say to each other (doc/formats.md §7).
 *
 * Four small formats: frames on a task's stream socket, wishes of fixed size on a SOCK_SEQPACKET socket, the
 * window that the room shows, and cells of a result. Both sides use this one codec, so that there is one
 * place to fuzz. Decoding never trusts a size; frames are bounded by the receiving buffer's maximum. The
 * frame calls block and use only send(2) and recv(2), so that either side's syscall list stays short. Any
 * thread. */
#pragma once

#include "base/buffer.h"
#include "base/reader.h"
#include "column/column_type.h"

/* What a query program of this release calls its vetter and its engine. Both names stand in receipts, so the
 * room compares them: nothing in a receipt is a child's choice. */
#define QUERY_VETTER "vet/1"
#define QUERY_ENGINE "duckdb 1.5.6"

enum {
    QUERY_FRAME_BYTES_MAX = 64 << 20, /* no frame is larger, whatever the buffer allows */
    QUERY_READ_BYTES = 20,
    QUERY_READ_LENGTH_MAX = 1 << 20,
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

/* The window: a memory object that the room writes and the child can only read. It begins with one u32 for
 * each segment of the run's parts, its state; then the parts follow as virtual files. Part after part has the
 * segments `first`, `first` + 1, …; octet n of a file belongs to its segment (n + 40) / 65520, because
 * that is how sealed parts are cut, and lies at `query_window_at`. Octets that nobody may read are holes,
 * which read as zeros. */
enum {
    QUERY_SEGMENT_BYTES = 65520,
    QUERY_SEGMENT_SHIFT = 40,
    QUERY_SEGMENTS_MAX = 1 << 24,
    QUERY_STATES_BYTES = 4 * QUERY_SEGMENTS_MAX,
};
#define QUERY_WINDOW_BYTES (QUERY_STATES_BYTES + ((uint64_t)QUERY_SEGMENTS_MAX << 16))
/* A segment that is absent may be wished for; every other value is a time at which it was shown. */
#define QUERY_STATE_ABSENT 0u
#define QUERY_STATE_REFUSED UINT32_MAX

static inline uint64_t query_segment_of(uint64_t offset)
{
    return (offset + QUERY_SEGMENT_SHIFT) / QUERY_SEGMENT_BYTES;
}

static inline uint64_t query_window_at(uint64_t first, uint64_t offset)
{
    return QUERY_STATES_BYTES + (first << 16) + offset;
}

/* A child's wish that the segments of a range be shown. Everything in it is the child's claim until the room
 * has checked it. There is no answer but the states. */
struct query_read {
    uint32_t dataset;
    uint32_t part;
    uint32_t length;
    uint64_t offset;
};

void query_read_encode(const struct query_read *read, uint8_t out[QUERY_READ_BYTES]);
/* CORRUPT unless exactly QUERY_READ_BYTES. The values are not judged. */
fallible query_read_decode(struct bytes untrusted_message, struct query_read *out);

/* Appends one cell; LIMIT where the buffer is full. */
fallible query_cell_encode(struct buffer *out, const struct cell *cell);
/* Takes one cell; its text is borrowed from the reader's octets and is well-formed UTF-8 as far as a
 * terminal is concerned only if the caller checks it: any octets may come. CORRUPT. */
fallible query_cell_decode(struct reader *untrusted_cells, struct cell *out);
