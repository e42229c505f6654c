#include "seal/part.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A strange stream never authenticates under a fixed key, and every size that is accepted is the size of
 * exactly one plaintext. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes untrusted = {data, size};
    uint64_t plain_size;
    if (!result_is_ok(stream_plain_size(size, &plain_size))) {
        return 0;
    }
    ASSERT(stream_sealed_size(plain_size) == size);
    static const uint8_t fixed[AEAD_KEY_BYTES] = {1};
    scoped_secret data_key = {0};
    ASSERT(result_is_ok(secret_from(BYTES_OF(fixed), &data_key)));
    scoped_stream_key key = {0};
    if (!result_is_ok(stream_key_of(&data_key, (struct bytes){0},
                                    bytes_slice(untrusted, 0, STREAM_HEADER_BYTES), &key))) {
        return 0;
    }
    scoped_stream stream = {0};
    ASSERT(result_is_ok(stream_open_for_opening(&key, &stream)));
    for (uint64_t i = 0; i < stream_segment_count(plain_size); i++) {
        struct stream_segment at;
        ASSERT(result_is_ok(stream_segment_at(plain_size, i, &at)));
        uint8_t plain[STREAM_NEXT_PLAIN_BYTES];
        struct result result = stream_open_segment(&stream, plain_size, i,
                                                   bytes_slice(untrusted, (size_t)at.offset, at.size), plain);
        ASSERT(result.code == RESULT_UNTRUSTED);
    }
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    static const struct digest root = {{0}};
    const struct digest *leaves;
    ASSERT(!result_is_ok(part_take_leaves(&arena, untrusted, plain_size, &root, &leaves)));
    return 0;
}
