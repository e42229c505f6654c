#include "edge/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a header says fits its row of the table, and writing it again gives the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum message_side sides[] = {MESSAGE_FROM_HOST, MESSAGE_FROM_ROOM};
    for (size_t i = 0; i < 2; i++) {
        struct message_header header;
        struct bytes octets = {data, size < MESSAGE_HEADER_BYTES ? size : MESSAGE_HEADER_BYTES};
        if (!result_is_ok(message_decode_header(octets, sides[i], &header))) {
            continue;
        }
        uint8_t again[MESSAGE_HEADER_BYTES];
        ASSERT(message_sender(header.kind) == sides[i] && header.size <= message_size_max(header.kind));
        ASSERT(result_is_ok(message_encode_header(header.kind, header.exchange, header.size, again)));
        ASSERT(bytes_equal(octets, BYTES_OF(again)));
    }
    return 0;
}
