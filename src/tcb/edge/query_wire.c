#include "edge/query_wire.h"

#include "edge/socket.h"

#include <sys/socket.h>

fallible query_frame_send(int socket, uint8_t kind, struct bytes payload)
{
    REQUIRE(payload.size <= QUERY_FRAME_BYTES_MAX, LIMIT, "query.frame.size");
    uint8_t head[5];
    store_little_endian(head, payload.size, 4);
    head[4] = kind;
    TRY(socket_send(socket, BYTES_OF(head), payload.size > 0 ? MSG_MORE : 0));
    return socket_send(socket, payload, 0);
}

fallible query_frame_receive(int socket, struct buffer *payload, uint8_t *out_kind)
{
    uint8_t head[5];
    size_t got = 0;
    TRY(socket_receive(socket, head, sizeof head, &got));
    REQUIRE(got != 0, NOT_FOUND, "query.frame.end");
    REQUIRE(got == sizeof head, CORRUPT, "query.frame.truncated");
    struct reader reader = reader_of(BYTES_OF(head));
    uint32_t size = 0;
    TRY(reader_u32le(&reader, &size));
    REQUIRE(size <= QUERY_FRAME_BYTES_MAX, LIMIT, "query.frame.size");
    buffer_clear(payload);
    uint8_t *data = NULL;
    TRY(buffer_extend(payload, size, &data));
    TRY(socket_receive(socket, data, size, &got));
    REQUIRE(got == size, CORRUPT, "query.frame.truncated");
    *out_kind = head[4];
    return OK;
}

void query_read_encode(const struct query_read *read, uint8_t out[QUERY_READ_BYTES])
{
    store_little_endian(out, read->dataset, 4);
    store_little_endian(out + 4, read->part, 4);
    store_little_endian(out + 8, read->length, 4);
    store_little_endian(out + 12, read->offset, 8);
}

fallible query_read_decode(struct bytes untrusted_message, struct query_read *out)
{
    struct reader reader = reader_of(untrusted_message);
    struct query_read read = {0};
    TRY(reader_u32le(&reader, &read.dataset));
    TRY(reader_u32le(&reader, &read.part));
    TRY(reader_u32le(&reader, &read.length));
    TRY(reader_u64le(&reader, &read.offset));
    TRY(reader_end(&reader));
    *out = read;
    return OK;
}

fallible query_cell_encode(struct buffer *out, const struct cell *cell)
{
    uint8_t fixed[17] = {(uint8_t)cell->kind};
    size_t size = 1;
    if (cell->kind == CELL_NUMBER) {
        unsigned __int128 number = (unsigned __int128)cell->number;
        for (size = 1; size < 17; size++, number >>= 8) {
            fixed[size] = (uint8_t)number;
        }
    } else if (cell->kind == CELL_DATE) {
        store_little_endian(fixed + 1, (uint64_t)cell->number, 4);
        size = 5;
    } else if (cell->kind == CELL_TEXT) {
        REQUIRE(cell->text.size <= UINT32_MAX, LIMIT, "query.cell.size");
        store_little_endian(fixed + 1, cell->text.size, 4);
        size = 5;
    }
    size_t before = out->size;
    TRY(buffer_add(out, (struct bytes){fixed, size}));
    if (cell->kind == CELL_TEXT) {
        struct result added = buffer_add_text(out, cell->text);
        if (!result_is_ok(added)) {
            out->size = before;
            return added;
        }
    }
    return OK;
}

static fallible number_decode(struct reader *untrusted_cells, __int128 *out)
{
    uint64_t low = 0;
    uint64_t high = 0;
    TRY(reader_u64le(untrusted_cells, &low));
    TRY(reader_u64le(untrusted_cells, &high));
    *out = (__int128)((unsigned __int128)high << 64 | low);
    return OK;
}

static fallible text_decode(struct reader *untrusted_cells, struct text *out)
{
    uint32_t size = 0;
    struct bytes bytes;
    TRY(reader_u32le(untrusted_cells, &size));
    TRY(reader_take(untrusted_cells, size, &bytes));
    *out = text_of_bytes(bytes);
    return OK;
}

fallible query_cell_decode(struct reader *untrusted_cells, struct cell *out)
{
    struct reader reader = *untrusted_cells;
    struct cell cell = {0};
    uint8_t kind = 0;
    uint32_t days = 0;
    TRY(reader_u8(&reader, &kind));
    REQUIRE(kind <= CELL_TEXT, CORRUPT, "query.cell.kind");
    cell.kind = (enum cell_kind)kind;
    if (cell.kind == CELL_NUMBER) {
        TRY(number_decode(&reader, &cell.number));
    } else if (cell.kind == CELL_DATE) {
        TRY(reader_u32le(&reader, &days));
        cell.number = (int32_t)days;
    } else if (cell.kind == CELL_TEXT) {
        TRY(text_decode(&reader, &cell.text));
    }
    *untrusted_cells = reader;
    *out = cell;
    return OK;
}
