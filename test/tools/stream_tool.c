/* For the tests with Google's Tink: seals or opens one stream from standard input to standard output.
 *
 *     stream-tool seal|open KEY-HEX ASSOCIATED-HEX
 */
#include "base/encode.h"
#include "seal/stream.h"

#include <stdio.h>

enum { TOOL_BYTES_MAX = 64 * 1024 * 1024 };

static fallible read_input(struct buffer *out)
{
    uint8_t chunk[65536];
    size_t size;
    while ((size = fread(chunk, 1, sizeof chunk, stdin)) > 0) {
        TRY(buffer_add(out, (struct bytes){chunk, size}));
    }
    return OK;
}

static fallible seal(const struct secret *data_key, struct bytes associated, struct bytes input,
                     struct buffer *out)
{
    struct world world = world_of_system();
    scoped_stream_key key = {0};
    TRY(stream_key_new(&world, data_key, associated, &key));
    scoped_stream stream = {0};
    TRY(stream_open_for_sealing(&key, &stream));
    for (uint64_t i = 0; i < stream_segment_count(input.size); i++) {
        struct stream_segment at;
        uint8_t segment[STREAM_SEGMENT_BYTES];
        size_t size;
        TRY(stream_segment_at(input.size, i, &at));
        TRY(stream_seal_segment(&stream, i, at.is_last, bytes_slice(input, at.plain_offset, at.plain_size),
                                segment, &size));
        TRY(buffer_add(out, (struct bytes){segment, size}));
    }
    return OK;
}

static fallible open(const struct secret *data_key, struct bytes associated, struct bytes input,
                     struct buffer *out)
{
    uint64_t plain_size;
    TRY(stream_plain_size(input.size, &plain_size));
    scoped_stream_key key = {0};
    TRY(stream_key_of(data_key, associated, bytes_slice(input, 0, STREAM_HEADER_BYTES), &key));
    scoped_stream stream = {0};
    TRY(stream_open_for_opening(&key, &stream));
    for (uint64_t i = 0; i < stream_segment_count(plain_size); i++) {
        struct stream_segment at;
        uint8_t plain[STREAM_NEXT_PLAIN_BYTES];
        TRY(stream_segment_at(plain_size, i, &at));
        TRY(stream_open_segment(&stream, plain_size, i, bytes_slice(input, at.offset, at.size), plain));
        TRY(buffer_add(out, (struct bytes){plain, at.plain_size}));
    }
    return OK;
}

static fallible run(char **arguments, struct buffer *out)
{
    scoped_arena arena;
    arena_init(&arena, 1024 * 1024);
    struct bytes raw, associated;
    TRY(decode_hex(&arena, text_of(arguments[2]), &raw));
    TRY(decode_hex(&arena, text_of(arguments[3]), &associated));
    scoped_secret data_key = {0};
    TRY(secret_from(raw, &data_key));
    scoped_buffer input;
    buffer_init(&input, TOOL_BYTES_MAX);
    TRY(read_input(&input));
    return strcmp(arguments[1], "seal") == 0 ? seal(&data_key, associated, buffer_view(&input), out)
                                             : open(&data_key, associated, buffer_view(&input), out);
}

int main(int count, char **arguments)
{
    if (count != 4) {
        fprintf(stderr, "usage: stream-tool seal|open KEY-HEX ASSOCIATED-HEX\n");
        return 2;
    }
    scoped_buffer out;
    buffer_init(&out, TOOL_BYTES_MAX);
    struct result result = run(arguments, &out);
    if (!result_is_ok(result) || fwrite(out.data, 1, out.size, stdout) != out.size) {
        fprintf(stderr, "%s\n", result.why);
        return result_code_exit_status(result.code);
    }
    return 0;
}
