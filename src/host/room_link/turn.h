/* room_link/turn.h: which frame a room may send when. No I/O; one thread.
 *
 *     connected ─ready→ idle ─(job sent)→ working ─result→ reporting ─receipt→ idle
 *                                            └─refused, failed→ idle
 *
 * Requests and progress belong to `working`. A room that breaks the order is disconnected. */
#pragma once

#include "edge/message.h"

enum turn_state { TURN_CONNECTED = 0, TURN_IDLE, TURN_WORKING, TURN_REPORTING };

struct turn {
    enum turn_state state;
    uint64_t last_exchange; /* numbers of requests grow */
};

/* INVALID "room.turn.kind" for a frame that does not belong here, "room.turn.exchange" for a request whose
 * number is not larger than those before it. */
fallible turn_receive(struct turn *turn, enum message_kind kind, uint64_t exchange);

/* A job is handed over. Only when idle: a defect of ours otherwise. */
void turn_send_job(struct turn *turn);
