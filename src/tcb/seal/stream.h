/* seal/stream.h: Tink's streaming AEAD, AES256-GCM-HKDF-SHA256 with 64 KiB ciphertext segments.
 *
 * The format of every sealed part. A stream is header (octet 0x28 ‖ salt of 32 ‖ nonce prefix of 7), then
 * segments of at most 65536 octets, the header counted in the first one; each segment is ciphertext ‖ tag
 * of 16. The stream's own key is HKDF-SHA-256 (key = data key, salt, info = associated data); the nonce of a
 * segment is prefix ‖ u32 big-endian segment number ‖ octet 1 for the last segment and 0 for the others. So a
 * segment can be opened alone, and one that was moved, dropped, repeated or cut off does not authenticate.
 * Google's Tink libraries read and write the same octets (test/vectors/tink).
 *
 * No I/O and no threads here: a `struct stream_key` is made once per stream, and every thread opens a `struct
 * stream` of its own from it. Whoever seals must never seal two different plaintexts as the same segment of
 * one stream key: a stream that is begun again gets a new key. */
#pragma once

#include "base/world.h"
#include "crypto/aead.h"

enum {
    STREAM_SALT_BYTES = 32,
    STREAM_PREFIX_BYTES = 7,
    STREAM_HEADER_BYTES = 1 + STREAM_SALT_BYTES + STREAM_PREFIX_BYTES,
    STREAM_SEGMENT_BYTES = 65536,
    STREAM_NEXT_PLAIN_BYTES = STREAM_SEGMENT_BYTES - AEAD_TAG_BYTES,
    STREAM_FIRST_PLAIN_BYTES = STREAM_NEXT_PLAIN_BYTES - STREAM_HEADER_BYTES,
};

/* The most plaintext of one stream that we handle; far below what the segment number allows. */
#define STREAM_PLAIN_BYTES_MAX (UINT64_C(1) << 40)

struct stream_key {
    struct secret derived;
    uint8_t header[STREAM_HEADER_BYTES];
};

/* A key for a new stream: random salt and prefix. The data key has 32 octets (INVALID otherwise). */
fallible stream_key_new(const struct world *world, const struct secret *data_key, struct bytes associated,
                        struct stream_key *out);

/* The key of an existing stream, from its first 40 octets. UNTRUSTED "stream.header" when they are not a
 * header of this format. A wrong data key or associated data shows only when a segment is opened. */
fallible stream_key_of(const struct secret *data_key, struct bytes associated, struct bytes untrusted_header,
                       struct stream_key *out);
void stream_key_release(struct stream_key *key);
#define scoped_stream_key defer(stream_key_release) struct stream_key

struct stream {
    struct aead aead;
    uint8_t header[STREAM_HEADER_BYTES];
};

fallible stream_open_for_sealing(const struct stream_key *key, struct stream *out);
fallible stream_open_for_opening(const struct stream_key *key, struct stream *out);
void stream_close(struct stream *stream);
#define scoped_stream defer(stream_close) struct stream

/* Where segment `index` lies in the plaintext and in the stream. The header belongs to segment 0. */
struct stream_segment {
    uint64_t plain_offset;
    uint64_t offset;
    uint32_t plain_size;
    uint32_t size;
    bool is_last;
};

/* Arithmetic of a stream whose plaintext has `plain_size` octets (at most STREAM_PLAIN_BYTES_MAX). There is
 * always at least one segment. */
uint64_t stream_segment_count(uint64_t plain_size);
uint64_t stream_sealed_size(uint64_t plain_size);
/* The number of the segment that holds plaintext octet `plain_offset`. */
uint64_t stream_segment_holding(uint64_t plain_offset);
/* INVALID "stream.segment.number" beyond the last, LIMIT "stream.size" for a plaintext above the maximum. */
fallible stream_segment_at(uint64_t plain_size, uint64_t index, struct stream_segment *out);
/* The other way round. UNTRUSTED "stream.size" for a size that no stream has. */
fallible stream_plain_size(uint64_t untrusted_sealed_size, uint64_t *out);

/* Seals segment `index`. The plaintext must fill its segment unless it is the last, and only the last of an
 * empty stream may be empty (INVALID). Writes plaintext.size + 16 octets to `out`, and 40 more, the header,
 * for segment 0; `out_size` tells. */
fallible stream_seal_segment(struct stream *stream, uint64_t index, bool is_last, struct bytes plaintext,
                             uint8_t out[static STREAM_SEGMENT_BYTES], size_t *out_size);

/* Opens segment `index` of a stream with `plain_size` octets of plaintext; `out` gets the segment's
 * `plain_size`
 * (`stream_segment_at`). UNTRUSTED: "stream.segment.size", "stream.header" (segment 0), "aead.tag". Nothing
 * of a segment that does not authenticate is left in `out`. */
fallible stream_open_segment(struct stream *stream, uint64_t plain_size, uint64_t index,
                             struct bytes untrusted_segment, uint8_t out[static STREAM_NEXT_PLAIN_BYTES]);
