/* rooms.h: rooms of the simulation: the real code of a run (`job_run`), each in a thread that works only
 * while the host waits for it. Their pipe is a pair of sockets whose other end the host holds. */
#pragma once

#include "room/job.h"
#include "setting.h"

enum { ROOMS = 2 };

enum seat_state { SEAT_GONE = 0, SEAT_IDLE, SEAT_ASKING };

struct seat {
    struct setting *setting;
    struct chance *chance;
    struct room room;
    struct tee tee;
    pthread_t thread;
    int socket; /* the host's end */
    enum seat_state state;
    size_t number;
    size_t spare; /* next wrapping key */

    /* What it asks for, while ASKING. */
    enum message_kind kind;
    uint64_t exchange;
    struct buffer payload;

    /* The job that it was given. */
    struct digest given; /* of the run request as it was sent, or zeros */
    bool has_result;
    struct digest result;
};

/* Starts a room; its first frame has been read. */
void seat_start(struct setting *setting, uint64_t seed, size_t number, struct seat *seat);
void seat_stop(struct seat *seat); /* as a kill: the pipe breaks */

/* The next frame of the room. False when it has ended. */
bool seat_receive(struct seat *seat, struct message_header *out, struct buffer *payload);
void seat_send(struct seat *seat, enum message_kind kind, uint64_t exchange, struct bytes payload);
void seat_send_raw(struct seat *seat, struct bytes octets);

/* The seat of the calling room thread. */
struct seat *seat_of_thread(void);
