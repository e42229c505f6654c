#include "edge/message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void headers_round_trip(void **state)
{
    (void)state;
    for (int kind = 1; kind < MESSAGE_KIND_END; kind++) {
        scoped_buffer buffer;
        buffer_init(&buffer, 4096);
        struct result result = message_encode((enum message_kind)kind, 7, bytes_of_text(TEXT("{}")), &buffer);
        assert_string_equal(result.why, "ok");
        struct message_header header;
        result = message_decode_header(bytes_slice(buffer_view(&buffer), 0, MESSAGE_HEADER_BYTES),
                                       message_sender((enum message_kind)kind), &header);
        assert_string_equal(result.why, "ok");
        assert_int_equal(header.kind, kind);
        assert_int_equal(header.size, 2);
        assert_int_equal(header.exchange, 7);
    }
}

static void strange_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t octets[MESSAGE_HEADER_BYTES];
        enum message_side sender;
        const char *want_why;
    } rows[] = {
        {{0, 0, 0, 0, 0, 0}, MESSAGE_FROM_HOST, "message.kind"},
        {{0, 0, 0, 0, 99, 0}, MESSAGE_FROM_HOST, "message.kind"},
        {{0, 0, 0, 0, 0xff, 0xff}, MESSAGE_FROM_HOST, "message.kind"},
        {{0, 0, 0, 0, MESSAGE_result, 0}, MESSAGE_FROM_HOST, "message.sender"},
        {{0, 0, 0, 0, MESSAGE_job, 0}, MESSAGE_FROM_ROOM, "message.sender"},
        {{0, 0, 0, 0, MESSAGE_job, 0, 1}, MESSAGE_FROM_HOST, "message.reserved"},
        {{0, 0, 0, 3, MESSAGE_job, 0}, MESSAGE_FROM_HOST, "message.size"},
        {{0xff, 0xff, 0xff, 0xff, MESSAGE_leaves, 0}, MESSAGE_FROM_HOST, "message.size"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message_header header;
        struct result result = message_decode_header(BYTES_OF(rows[i].octets), rows[i].sender, &header);
        assert_string_equal(result.why, rows[i].want_why);
    }
    struct message_header header;
    struct result result =
        message_decode_header((struct bytes){rows[0].octets, 15}, MESSAGE_FROM_HOST, &header);
    assert_string_equal(result.why, "reader.truncated");
}

static void replies_answer_their_request(void **state)
{
    (void)state;
    assert_true(message_replies_to(MESSAGE_token, MESSAGE_token_request));
    assert_false(message_replies_to(MESSAGE_token, MESSAGE_release_request));
    assert_true(message_replies_to(MESSAGE_unavailable, MESSAGE_leaves_request));
    assert_false(message_replies_to(MESSAGE_unavailable, MESSAGE_progress));
    assert_false(message_replies_to(MESSAGE_job, MESSAGE_token_request));
    assert_false(message_is_request(MESSAGE_NONE));
    assert_false(message_is_request(MESSAGE_job));
    assert_string_equal(message_name((enum message_kind)77), "none");
}

static void an_oversized_payload_is_not_sent(void **state)
{
    (void)state;
    uint8_t header[MESSAGE_HEADER_BYTES];
    struct result result = message_encode_header(MESSAGE_progress, 1, 4097, header);
    assert_string_equal(result.why, "message.size");
    assert_int_equal(result.code, RESULT_LIMIT);
}

static void every_message_has_its_limit(void **state)
{
    (void)state;
    for (int kind = MESSAGE_NONE + 1; kind < MESSAGE_KIND_END; kind++) {
        uint8_t header[MESSAGE_HEADER_BYTES];
        struct message_header read;
        size_t max = message_size_max((enum message_kind)kind);
        enum message_side sender = message_sender((enum message_kind)kind);
        assert_true(max > 0);
        assert_true(result_is_ok(message_encode_header((enum message_kind)kind, 1, max, header)));
        assert_true(result_is_ok(message_decode_header(BYTES_OF(header), sender, &read)));
        store_little_endian(header, max + 1, 4);
        assert_string_equal(message_decode_header(BYTES_OF(header), sender, &read).why, "message.size");
        assert_string_equal(message_encode_header((enum message_kind)kind, 1, max + 1, header).why,
                            "message.size");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_round_trip),
        cmocka_unit_test(strange_headers_are_refused),
        cmocka_unit_test(every_message_has_its_limit),
        cmocka_unit_test(replies_answer_their_request),
        cmocka_unit_test(an_oversized_payload_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
