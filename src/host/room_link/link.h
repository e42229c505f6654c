/* room_link/link.h: one room on one stream: frames in and out, requests answered, outcomes recorded.
 *
 * A link belongs to one thread, which waits in it. The room is not trusted with anything but its own jobs:
 * frames, their order and their sizes follow the table (edge/messages.def, turn.h); a room that breaks it is
 * disconnected and its job given back. Results and receipts go to storage before the job counts as done.
 * Requests of data are answered for any stored dataset: it is ciphertext. */
#pragma once

#include "host/courier/courier.h"
#include "host/log/trace.h"
#include "host/queue/queue.h"
#include "host/room_link/turn.h"
#include "host/storage/storage.h"
#include "service/event/event.h"

enum { LINK_PAYLOAD_BYTES_MAX = 256 * 1024 * 1024 }; /* the largest row of the table */

/* What all links share. */
struct link_host {
    struct storage *storage;
    struct queue *queue;
    struct courier *courier;
    struct event_log *log; /* may be NULL */
    struct trace *trace;
    const struct world *world;
    int64_t patience_ms; /* of the room within a frame, and for `ready` */
};

/* What the room said when it connected. */
struct link_identity {
    char id[QUEUE_NAME_CHARS + 1];       /* ours: "room-7" */
    char tee[QUEUE_TEE_CHARS + 1];       /* "sim:…measurement" */
    char instance[QUEUE_NAME_CHARS + 1]; /* key id of the instance key */
    json_t *ready;                       /* the payload, owned */
};

struct link {
    const struct link_host *host;
    int socket; /* the caller's; shutdown(2) by another thread ends the link */
    struct turn turn;
    struct link_identity identity;
    struct courier_session courier;
    struct buffer payload;   /* of the last frame */
    struct buffer result;    /* until its receipt comes */
    int64_t started_ms;      /* when the job was handed over */
    const char *unavailable; /* why the last `unavailable` of this job was sent, or NULL */
};

/* Waits for `ready` on a connected socket. INVALID "room.ready", "room.turn.…", the reasons of message.h;
 * TIMEOUT "room.silent"; UNAVAILABLE "room.lost". `is_stopping` ends what the courier is doing for this room.
 */
fallible link_open(const struct link_host *host, int socket, uint64_t number, bool (*is_stopping)(void *self),
                   void *self, struct link *out);
void link_close(struct link *link); /* not the socket */

/* Hands a leased job over and serves the room until the job has ended. OK: the job has its outcome in the
 * queue, and the link is idle. A failure means that the link is of no more use; then the caller gives the job
 * back. `dossier` is the payload of the frame. */
fallible link_run(struct link *link, const struct queue_job *job, struct bytes dossier);
