#include "host/room_link/turn.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What may come in each state, and where it leads: everything that is not listed is refused. */
static const struct {
    enum turn_state state;
    enum message_kind kind;
    enum turn_state want;
} allowed[] = {
    {TURN_CONNECTED, MESSAGE_ready, TURN_IDLE},
    {TURN_WORKING, MESSAGE_token_request, TURN_WORKING},
    {TURN_WORKING, MESSAGE_release_request, TURN_WORKING},
    {TURN_WORKING, MESSAGE_leaves_request, TURN_WORKING},
    {TURN_WORKING, MESSAGE_segments_request, TURN_WORKING},
    {TURN_WORKING, MESSAGE_progress, TURN_WORKING},
    {TURN_WORKING, MESSAGE_result, TURN_REPORTING},
    {TURN_WORKING, MESSAGE_refused, TURN_IDLE},
    {TURN_WORKING, MESSAGE_failed, TURN_IDLE},
    {TURN_REPORTING, MESSAGE_progress, TURN_REPORTING},
    {TURN_REPORTING, MESSAGE_receipt, TURN_IDLE},
    {TURN_REPORTING, MESSAGE_failed, TURN_IDLE},
};

static void every_frame_in_every_state(void **state)
{
    (void)state;
    size_t accepted = 0;
    for (int at = TURN_CONNECTED; at <= TURN_REPORTING; at++) {
        for (int kind = 0; kind <= MESSAGE_KIND_END; kind++) {
            int want = -1;
            for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
                bool fits = (int)allowed[i].state == at && (int)allowed[i].kind == kind;
                want = fits ? (int)allowed[i].want : want;
            }
            struct turn turn = {.state = (enum turn_state)at};
            struct result result = turn_receive(&turn, (enum message_kind)kind, 1);
            assert_string_equal(result.why, want >= 0 ? "ok" : "room.turn.kind");
            assert_int_equal(turn.state, want >= 0 ? want : at);
            accepted += want >= 0;
        }
    }
    assert_int_equal(accepted, sizeof allowed / sizeof *allowed);
}

static void every_row_of_the_table_from_a_room_has_its_turn(void **state)
{
    (void)state;
    for (int kind = 1; kind < MESSAGE_KIND_END; kind++) {
        bool is_allowed = false;
        for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
            is_allowed = is_allowed || (int)allowed[i].kind == kind;
        }
        assert_int_equal(is_allowed, message_sender((enum message_kind)kind) == MESSAGE_FROM_ROOM);
    }
}

static void numbers_of_requests_grow(void **state)
{
    (void)state;
    struct turn turn = {.state = TURN_IDLE};
    turn_send_job(&turn);
    assert_string_equal(turn_receive(&turn, MESSAGE_leaves_request, 0).why, "room.turn.exchange");
    assert_string_equal(turn_receive(&turn, MESSAGE_leaves_request, 5).why, "ok");
    assert_string_equal(turn_receive(&turn, MESSAGE_segments_request, 5).why, "room.turn.exchange");
    assert_string_equal(turn_receive(&turn, MESSAGE_segments_request, 6).why, "ok");
    assert_string_equal(turn_receive(&turn, MESSAGE_progress, 0).why, "ok");
    assert_string_equal(turn_receive(&turn, MESSAGE_failed, 0).why, "ok");
    turn_send_job(&turn);
    assert_string_equal(turn_receive(&turn, MESSAGE_token_request, 1).why, "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_in_every_state),
        cmocka_unit_test(every_row_of_the_table_from_a_room_has_its_turn),
        cmocka_unit_test(numbers_of_requests_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
