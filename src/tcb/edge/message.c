#include "edge/message.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

enum { MESSAGE_any_request = -1 }; /* stands for "any request" in the column "replies to" */
#define MESSAGE_none MESSAGE_NONE

struct message_row {
    const char *name;
    enum message_side sender;
    size_t size_max;
    int replies_to;
};

static const struct message_row rows[MESSAGE_KIND_END] = {
#define MESSAGE(name, number, sender, size_max, replies_to)                                                  \
    [number] = {#name, MESSAGE_FROM_##sender, size_max, MESSAGE_##replies_to},
#include "edge/messages.def"
#undef MESSAGE
};

static const struct message_row *row_of(enum message_kind kind)
{
    bool known = (int)kind > 0 && kind < MESSAGE_KIND_END && rows[kind].name != NULL;
    return known ? &rows[kind] : NULL;
}

const char *message_name(enum message_kind kind)
{
    const struct message_row *row = row_of(kind);
    return row == NULL ? "none" : row->name;
}

enum message_side message_sender(enum message_kind kind)
{
    const struct message_row *row = row_of(kind);
    return row == NULL ? MESSAGE_FROM_NOBODY : row->sender;
}

size_t message_size_max(enum message_kind kind)
{
    const struct message_row *row = row_of(kind);
    return row == NULL ? 0 : row->size_max;
}

bool message_is_request(enum message_kind kind)
{
    for (int other = 1; other < MESSAGE_KIND_END; other++) {
        if (rows[other].name != NULL && rows[other].replies_to == (int)kind && row_of(kind) != NULL) {
            return true;
        }
    }
    return false;
}

bool message_replies_to(enum message_kind reply, enum message_kind request)
{
    const struct message_row *row = row_of(reply);
    if (row == NULL || !message_is_request(request)) {
        return false;
    }
    return row->replies_to == MESSAGE_any_request || row->replies_to == (int)request;
}

fallible message_encode_header(enum message_kind kind, uint64_t exchange, size_t payload_size,
                               uint8_t out[static MESSAGE_HEADER_BYTES])
{
    ASSERT(row_of(kind) != NULL);
    REQUIRE(payload_size <= message_size_max(kind), LIMIT, "message.size");
    store_little_endian(out, payload_size, 4);
    store_little_endian(out + 4, (uint64_t)kind, 2);
    store_little_endian(out + 6, 0, 2);
    store_little_endian(out + 8, exchange, 8);
    return OK;
}

fallible message_encode(enum message_kind kind, uint64_t exchange, struct bytes payload, struct buffer *out)
{
    uint8_t header[MESSAGE_HEADER_BYTES];
    TRY(message_encode_header(kind, exchange, payload.size, header));
    uint8_t *at;
    TRY(buffer_extend(out, sizeof header + payload.size, &at));
    memcpy(at, header, sizeof header);
    if (payload.size > 0) {
        memcpy(at + sizeof header, payload.data, payload.size);
    }
    return OK;
}

fallible message_decode_header(struct bytes untrusted_header, enum message_side expected_sender,
                               struct message_header *out)
{
    struct reader reader = reader_of(untrusted_header);
    uint32_t size;
    uint16_t kind;
    uint16_t reserved;
    uint64_t exchange;
    TRY(reader_u32le(&reader, &size));
    TRY(reader_u16le(&reader, &kind));
    TRY(reader_u16le(&reader, &reserved));
    TRY(reader_u64le(&reader, &exchange));
    TRY(reader_end(&reader));
    const struct message_row *row = row_of((enum message_kind)kind);
    REQUIRE(row != NULL, INVALID, "message.kind");
    REQUIRE(row->sender == expected_sender, INVALID, "message.sender");
    REQUIRE(reserved == 0, INVALID, "message.reserved");
    REQUIRE(size <= row->size_max, LIMIT, "message.size");
    *out = (struct message_header){size, (enum message_kind)kind, exchange};
    return OK;
}
