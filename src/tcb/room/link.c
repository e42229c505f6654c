#include "room/link.h"

#include "edge/socket.h"

#include <errno.h>
#include <poll.h>

static fallible read_all(int socket, uint8_t *out, size_t size)
{
    size_t got;
    REQUIRE(result_is_ok(socket_receive(socket, out, size, &got)), UNAVAILABLE, "link.read");
    REQUIRE(got == size, NOT_FOUND, "link.closed");
    return OK;
}

static fallible write_all(int socket, struct bytes bytes)
{
    REQUIRE(result_is_ok(socket_send(socket, bytes, 0)), UNAVAILABLE, "link.write");
    return OK;
}

static fallible receive(struct link *link, struct message_header *out_header, struct buffer *untrusted_out)
{
    uint8_t octets[MESSAGE_HEADER_BYTES];
    TRY(read_all(link->socket, octets, sizeof octets));
    struct message_header header;
    TRY(message_decode_header(BYTES_OF(octets), MESSAGE_FROM_HOST, &header));
    size_t size_before = untrusted_out->size;
    uint8_t *at;
    struct result result = buffer_extend(untrusted_out, header.size, &at);
    if (!result_is_ok(result)) { /* too much is taken from the stream and thrown away */
        uint8_t waste[4096];
        for (size_t left = header.size; left > 0; left -= left < sizeof waste ? left : sizeof waste) {
            TRY(read_all(link->socket, waste, left < sizeof waste ? left : sizeof waste));
        }
        return result;
    }
    result = read_all(link->socket, at, header.size);
    if (!result_is_ok(result)) {
        untrusted_out->size = size_before;
        return result;
    }
    *out_header = header;
    return OK;
}

fallible link_send(struct link *link, enum message_kind kind, struct bytes payload)
{
    uint8_t header[MESSAGE_HEADER_BYTES];
    TRY(message_encode_header(kind, ++link->last_exchange, payload.size, header));
    TRY(write_all(link->socket, BYTES_OF(header)));
    return write_all(link->socket, payload);
}

fallible link_next_job(struct link *link, struct buffer *untrusted_out)
{
    struct message_header header;
    TRY(receive(link, &header, untrusted_out));
    REQUIRE(header.kind == MESSAGE_job, INVALID, "link.not_a_job");
    return OK;
}

fallible link_wait(struct link *link, int timeout_ms, bool *out_readable)
{
    struct pollfd wait = {.fd = link->socket, .events = POLLIN};
    int ready = poll(&wait, 1, timeout_ms);
    REQUIRE(ready >= 0 || errno == EINTR, UNAVAILABLE, "link.poll");
    *out_readable = ready > 0;
    return OK;
}

fallible link_send_json(struct link *link, enum message_kind kind, json_t *message)
{
    scoped_json *taken = message;
    REQUIRE(taken != NULL, NO_MEMORY, "json.memory");
    scoped_buffer text;
    buffer_init(&text, message_size_max(kind));
    TRY(json_encode(taken, &text));
    return link_send(link, kind, buffer_view(&text));
}

fallible link_ask(struct link *link, enum message_kind request, json_t *message, enum message_kind reply,
                  struct buffer *untrusted_out)
{
    TRY(link_send_json(link, request, message));
    uint64_t exchange = link->last_exchange;
    size_t size_before = untrusted_out->size;
    struct message_header header;
    TRY(receive(link, &header, untrusted_out));
    bool answers = header.exchange == exchange && message_replies_to(header.kind, request);
    if (answers && header.kind == reply) {
        return OK;
    }
    untrusted_out->size = size_before;
    REQUIRE(answers, INVALID, "link.not_the_reply");
    return FAIL(UNAVAILABLE, "link.unavailable");
}
