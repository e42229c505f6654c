#include "host/room_link/turn.h"

struct turn_row {
    enum turn_state state;
    enum message_kind kind;
    enum turn_state next;
};

static const struct turn_row rows[] = {
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

fallible turn_receive(struct turn *turn, enum message_kind kind, uint64_t exchange)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].state != turn->state || rows[i].kind != kind) {
            continue;
        }
        if (message_is_request(kind)) {
            REQUIRE(exchange > turn->last_exchange, INVALID, "room.turn.exchange");
            turn->last_exchange = exchange;
        }
        turn->state = rows[i].next;
        return OK;
    }
    return FAIL(INVALID, "room.turn.kind");
}

void turn_send_job(struct turn *turn)
{
    ASSERT(turn->state == TURN_IDLE);
    turn->state = TURN_WORKING;
    turn->last_exchange = 0;
}
