#include "edge/query_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

static void assert_ok(struct result result)
{
    assert_string_equal(result.why, "ok");
}

static void reads_have_their_octets(void **state)
{
    (void)state;
    static const uint8_t want[] = {2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1};
    uint8_t octets[QUERY_READ_BYTES];
    struct query_read read = {2, 3, 4, 0x0102030405060708};
    struct query_read again;
    query_read_encode(&read, octets);
    assert_memory_equal(octets, want, sizeof want);
    assert_ok(query_read_decode(BYTES_OF(octets), &again));
    assert_true(again.dataset == 2 && again.part == 3 && again.length == 4 && again.offset == read.offset);
    assert_int_equal(query_read_decode((struct bytes){octets, 19}, &again).code, RESULT_CORRUPT);
    uint8_t longer[21] = {0};
    assert_int_equal(query_read_decode(BYTES_OF(longer), &again).code, RESULT_CORRUPT);
}

static void segments_have_their_places(void **state)
{
    (void)state;
    assert_int_equal(query_segment_of(0), 0);
    assert_int_equal(query_segment_of(65479), 0);
    assert_int_equal(query_segment_of(65480), 1);
    assert_int_equal(query_segment_of(65480 + 65520), 2);
    assert_int_equal(query_window_at(0, 0), QUERY_STATES_BYTES);
    /* The last octet of a file's last segment lies before the next file. */
    assert_true(query_window_at(7, 65480 + 2 * 65520 - 1) < query_window_at(10, 0));
    assert_true(query_window_at(QUERY_SEGMENTS_MAX, 0) == QUERY_WINDOW_BYTES);
}

static void cells_come_back(void **state)
{
    (void)state;
    __int128 least = (__int128)((unsigned __int128)1 << 127);
    const struct cell cells[] = {
        {.kind = CELL_NULL},
        {.kind = CELL_NUMBER, .number = 0},
        {.kind = CELL_NUMBER, .number = -1},
        {.kind = CELL_NUMBER, .number = least},
        {.kind = CELL_DATE, .number = -719162},
        {.kind = CELL_TEXT, .text = TEXT("")},
        {.kind = CELL_TEXT, .text = TEXT("a\0b")},
    };
    scoped_buffer buffer;
    buffer_init(&buffer, 1000);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        assert_ok(query_cell_encode(&buffer, &cells[i]));
    }
    struct reader reader = reader_of(buffer_view(&buffer));
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        struct cell cell;
        assert_ok(query_cell_decode(&reader, &cell));
        assert_int_equal(cell.kind, cells[i].kind);
        assert_true(cell.number == cells[i].number && cell.number == cells[i].number);
        assert_true(text_equal(cell.text, cells[i].text));
    }
    assert_ok(reader_end(&reader));
    struct buffer small;
    buffer_init(&small, 6);
    assert_int_equal(query_cell_encode(&small, &cells[6]).code, RESULT_LIMIT);
    assert_int_equal(small.size, 0);
    buffer_release(&small);
}

static void broken_cells_are_refused(void **state)
{
    static const struct {
        uint8_t octets[8];
        size_t size;
        const char *want_why;
    } cases[] = {
        {{4}, 1, "query.cell.kind"},
        {{1, 0}, 2, "reader.truncated"},
        {{2, 0, 0}, 3, "reader.truncated"},
        {{3, 5, 0, 0, 0, 'a'}, 6, "reader.truncated"},
        {{3, 0xff, 0xff, 0xff, 0xff, 'a'}, 6, "reader.truncated"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reader reader = reader_of((struct bytes){cases[i].octets, cases[i].size});
        struct cell cell;
        assert_int_equal(query_cell_decode(&reader, &cell).code, RESULT_CORRUPT);
        assert_int_equal(reader.at, 0);
    }
}

static void frames_are_bounded(void **state)
{
    (void)state;
    int pair[2];
    uint8_t kind = 0;
    scoped_buffer payload;
    buffer_init(&payload, 4);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_ok(query_frame_send(pair[0], 'C', bytes_of_text(TEXT("abcd"))));
    assert_ok(query_frame_receive(pair[1], &payload, &kind));
    assert_int_equal(kind, 'C');
    assert_true(text_is(buffer_text(&payload), "abcd"));
    assert_ok(query_frame_send(pair[0], 'E', (struct bytes){0}));
    assert_ok(query_frame_receive(pair[1], &payload, &kind));
    assert_true(kind == 'E' && payload.size == 0);
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 'C'};
    assert_int_equal(send(pair[0], huge, sizeof huge, 0), sizeof huge);
    assert_string_equal(query_frame_receive(pair[1], &payload, &kind).why, "query.frame.size");
    assert_ok(query_frame_send(pair[0], 'C', bytes_of_text(TEXT("abcde"))));
    assert_int_equal(query_frame_receive(pair[1], &payload, &kind).code, RESULT_LIMIT);
    close(pair[0]);
    close(pair[1]);
}

static void ends_within_a_frame_are_told_apart(void **state)
{
    static const struct {
        const char *octets;
        size_t size;
        const char *want_why;
    } cases[] = {
        {"", 0, "query.frame.end"},
        {"\4\0", 2, "query.frame.truncated"},
        {"\4\0\0\0Cab", 7, "query.frame.truncated"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int pair[2];
        uint8_t kind = 0;
        scoped_buffer payload;
        buffer_init(&payload, 100);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(send(pair[0], cases[i].octets, cases[i].size, 0), cases[i].size);
        close(pair[0]);
        assert_string_equal(query_frame_receive(pair[1], &payload, &kind).why, cases[i].want_why);
        close(pair[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_have_their_octets), cmocka_unit_test(segments_have_their_places),
        cmocka_unit_test(cells_come_back),         cmocka_unit_test(broken_cells_are_refused),
        cmocka_unit_test(frames_are_bounded),      cmocka_unit_test(ends_within_a_frame_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
