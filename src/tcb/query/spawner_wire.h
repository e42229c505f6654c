/* query/spawner_wire.h: the control messages between the room and `truce-query`, one SOCK_SEQPACKET datagram
 * each, in the machine's own byte order: both ends are on one machine and are measured together. */
#pragma once

#include <stdint.h>

enum spawner_order { SPAWNER_ORDER_VET = 1, SPAWNER_ORDER_RUN = 2, SPAWNER_ORDER_KILL = 3 };

/* VET and RUN carry their descriptors with SCM_RIGHTS: stream; stream, read socket, memory. */
struct spawner_request {
    uint32_t order;
    int32_t pid;
};

/* READY comes first, once, when the program and its libraries are loaded. */
enum spawner_news {
    SPAWNER_NEWS_SPAWNED = 1,
    SPAWNER_NEWS_EXITED = 2,
    SPAWNER_NEWS_REFUSED = 3,
    SPAWNER_NEWS_READY = 4
};

struct spawner_report {
    uint32_t news;
    int32_t pid;
    int32_t status;
};
