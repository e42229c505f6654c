/* room/link.h: the room's one way out: a stream to the host, by the table of edge/messages.def.
 *
 * Everything that comes from here is the host's word: callers name it untrusted_ and check it against a
 * signature, a digest or a key that only the room holds. The room speaks first in every exchange but `job`.
 * One thread. */
#pragma once

#include "base/json.h"
#include "edge/message.h"

struct link {
    int socket;
    uint64_t last_exchange;
};

/* The `job` frame that the host sends to a room that waits. Blocks. NOT_FOUND "link.closed" when the host has
 * ended the stream, INVALID for anything but a job. The payload is appended to `untrusted_out`. */
fallible link_next_job(struct link *link, struct buffer *untrusted_out);

/* Waits until something can be read, at most `timeout_ms`: so that a waiting room can do idle work. */
fallible link_wait(struct link *link, int timeout_ms, bool *out_readable);

fallible link_send(struct link *link, enum message_kind kind, struct bytes payload);
/* JSON is taken over, also on failure; NULL is NO_MEMORY. */
fallible link_send_json(struct link *link, enum message_kind kind, json_t *message);

/* Sends a request and waits for its reply. UNAVAILABLE "link.unavailable" when the courier could not get it,
 * INVALID for a frame that does not answer it. The payload is appended to `untrusted_out`. */
fallible link_ask(struct link *link, enum message_kind request, json_t *message, enum message_kind reply,
                  struct buffer *untrusted_out);
