#include "seal/stream.h"

#include "crypto/digest.h"

static fallible derive(const struct secret *data_key, struct bytes associated, const uint8_t *header,
                       struct stream_key *out)
{
    REQUIRE(data_key->size == AEAD_KEY_BYTES, INVALID, "stream.data_key.size");
    struct secret derived = {0};
    TRY(digest_hkdf(data_key, (struct bytes){header + 1, STREAM_SALT_BYTES}, associated, AEAD_KEY_BYTES,
                    &derived));
    *out = (struct stream_key){.derived = derived};
    memcpy(out->header, header, STREAM_HEADER_BYTES);
    return OK;
}

fallible stream_key_new(const struct world *world, const struct secret *data_key, struct bytes associated,
                        struct stream_key *out)
{
    uint8_t header[STREAM_HEADER_BYTES] = {STREAM_HEADER_BYTES};
    TRY(world_random(world, header + 1, sizeof header - 1));
    return derive(data_key, associated, header, out);
}

fallible stream_key_of(const struct secret *data_key, struct bytes associated, struct bytes untrusted_header,
                       struct stream_key *out)
{
    REQUIRE(untrusted_header.size == STREAM_HEADER_BYTES && untrusted_header.data[0] == STREAM_HEADER_BYTES,
            UNTRUSTED, "stream.header");
    return derive(data_key, associated, untrusted_header.data, out);
}

void stream_key_release(struct stream_key *key)
{
    secret_release(&key->derived);
}

fallible stream_open_for_sealing(const struct stream_key *key, struct stream *out)
{
    struct aead aead;
    TRY(aead_open_for_sealing(&key->derived, &aead));
    out->aead = aead;
    memcpy(out->header, key->header, STREAM_HEADER_BYTES);
    return OK;
}

fallible stream_open_for_opening(const struct stream_key *key, struct stream *out)
{
    struct aead aead;
    TRY(aead_open_for_opening(&key->derived, &aead));
    out->aead = aead;
    memcpy(out->header, key->header, STREAM_HEADER_BYTES);
    return OK;
}

void stream_close(struct stream *stream)
{
    aead_close(&stream->aead);
}

uint64_t stream_segment_holding(uint64_t plain_offset)
{
    return (plain_offset + STREAM_HEADER_BYTES) / STREAM_NEXT_PLAIN_BYTES;
}

uint64_t stream_segment_count(uint64_t plain_size)
{
    return plain_size == 0 ? 1 : stream_segment_holding(plain_size - 1) + 1;
}

uint64_t stream_sealed_size(uint64_t plain_size)
{
    return STREAM_HEADER_BYTES + plain_size + stream_segment_count(plain_size) * AEAD_TAG_BYTES;
}

fallible stream_segment_at(uint64_t plain_size, uint64_t index, struct stream_segment *out)
{
    REQUIRE(plain_size <= STREAM_PLAIN_BYTES_MAX, LIMIT, "stream.size");
    uint64_t count = stream_segment_count(plain_size);
    REQUIRE(index < count, INVALID, "stream.segment.number");
    struct stream_segment segment = {.offset = index * STREAM_SEGMENT_BYTES, .is_last = index + 1 == count};
    if (index > 0) {
        segment.plain_offset = index * STREAM_NEXT_PLAIN_BYTES - STREAM_HEADER_BYTES;
    }
    uint64_t room = index == 0 ? STREAM_FIRST_PLAIN_BYTES : STREAM_NEXT_PLAIN_BYTES;
    uint64_t left = plain_size - segment.plain_offset;
    segment.plain_size = (uint32_t)(left < room ? left : room);
    segment.size = segment.plain_size + AEAD_TAG_BYTES + (index == 0 ? STREAM_HEADER_BYTES : 0);
    *out = segment;
    return OK;
}

fallible stream_plain_size(uint64_t untrusted_sealed_size, uint64_t *out)
{
    REQUIRE(untrusted_sealed_size >= STREAM_HEADER_BYTES + AEAD_TAG_BYTES, UNTRUSTED, "stream.size");
    REQUIRE(untrusted_sealed_size <= stream_sealed_size(STREAM_PLAIN_BYTES_MAX), UNTRUSTED, "stream.size");
    uint64_t count = (untrusted_sealed_size + STREAM_SEGMENT_BYTES - 1) / STREAM_SEGMENT_BYTES;
    uint64_t overhead = STREAM_HEADER_BYTES + count * AEAD_TAG_BYTES;
    REQUIRE(untrusted_sealed_size >= overhead &&
                stream_sealed_size(untrusted_sealed_size - overhead) == untrusted_sealed_size,
            UNTRUSTED, "stream.size");
    *out = untrusted_sealed_size - overhead;
    return OK;
}

static void make_nonce(const struct stream *stream, uint64_t index, bool is_last,
                       uint8_t out[static AEAD_NONCE_BYTES])
{
    memcpy(out, stream->header + 1 + STREAM_SALT_BYTES, STREAM_PREFIX_BYTES);
    for (size_t i = 0; i < 4; i++) {
        out[STREAM_PREFIX_BYTES + i] = (uint8_t)(index >> (24 - 8 * i));
    }
    out[AEAD_NONCE_BYTES - 1] = is_last;
}

fallible stream_seal_segment(struct stream *stream, uint64_t index, bool is_last, struct bytes plaintext,
                             uint8_t out[static STREAM_SEGMENT_BYTES], size_t *out_size)
{
    REQUIRE(index < stream_segment_count(STREAM_PLAIN_BYTES_MAX), LIMIT, "stream.size");
    size_t room = index == 0 ? STREAM_FIRST_PLAIN_BYTES : STREAM_NEXT_PLAIN_BYTES;
    bool fits =
        is_last ? plaintext.size <= room && (plaintext.size > 0 || index == 0) : plaintext.size == room;
    REQUIRE(fits, INVALID, "stream.segment.size");
    uint8_t nonce[AEAD_NONCE_BYTES];
    make_nonce(stream, index, is_last, nonce);
    size_t before = index == 0 ? STREAM_HEADER_BYTES : 0;
    TRY(aead_seal(&stream->aead, nonce, (struct bytes){0}, plaintext, out + before));
    memcpy(out, stream->header, before);
    *out_size = before + plaintext.size + AEAD_TAG_BYTES;
    return OK;
}

fallible stream_open_segment(struct stream *stream, uint64_t plain_size, uint64_t index,
                             struct bytes untrusted_segment, uint8_t out[static STREAM_NEXT_PLAIN_BYTES])
{
    struct stream_segment segment;
    TRY(stream_segment_at(plain_size, index, &segment));
    REQUIRE(untrusted_segment.size == segment.size, UNTRUSTED, "stream.segment.size");
    size_t before = index == 0 ? STREAM_HEADER_BYTES : 0;
    REQUIRE(memcmp(untrusted_segment.data, stream->header, before) == 0, UNTRUSTED, "stream.header");
    uint8_t nonce[AEAD_NONCE_BYTES];
    make_nonce(stream, index, segment.is_last, nonce);
    return aead_open(&stream->aead, nonce, (struct bytes){0},
                     bytes_slice(untrusted_segment, before, segment.size - before), out);
}
