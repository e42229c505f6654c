/* scheduler/scheduler.h: rooms come and go on a socket; each idle one is given the next job it may run.
 *
 * One thread per connected room, one that accepts, and one that keeps time: it renews the leases of the rooms
 * that work, ends rooms whose job is over its deadline, and returns what has expired. Whatever ends a room —
 * its own end, a broken protocol, a deadline — gives its job back to the queue, which decides whether it is
 * tried again. */
#pragma once

#include "host/room_link/link.h"

enum { SCHEDULER_ROOMS_MAX = 16 };

struct scheduler_settings {
    int64_t job_extra_ms; /* beside the query's own seconds: attestation, release, loading */
    unsigned
        socket_mode; /* of the rooms' socket: 0600 in a folder of the own, 0660 where rooms share a group */
};

struct scheduler;

/* Listens on the socket `path`, in a folder that only its user and its rooms may enter. `host` must outlive
 * it. CONFLICT "scheduler.socket.used" while another process listens there. */
fallible scheduler_start(const char *path, const struct link_host *host,
                         const struct scheduler_settings *settings, struct scheduler **out);

/* A job was added: idle rooms look at once. */
void scheduler_wake(struct scheduler *scheduler);

/* The `ready` payloads of the connected rooms, as an array. */
fallible scheduler_rooms(struct scheduler *scheduler, json_t **out);

size_t scheduler_room_count(struct scheduler *scheduler);

/* No job is handed out any more; jobs in progress get up to `grace_ms`, then their rooms are disconnected.
 * Their jobs stay leased: `queue_return_all` at the next start gives them back without an attempt lost to us.
 * NULL does nothing. */
void scheduler_stop(struct scheduler *scheduler, int64_t grace_ms);
