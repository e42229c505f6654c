/* room/reads.h: serving the query child's wishes.
 *
 * The child wishes on a SOCK_SEQPACKET socket and finds the octets in the window (room/window.h). A wish is
 * one message, received once into private memory and then validated: nothing the child can still change is
 * ever looked at. A wish outside the contract (unknown dataset or part, beyond the file, too long) gets
 * nothing; octets of a column that is not granted are zeros. Several threads serve at once; they are made
 * before the room locks itself in and sleep between runs. */
#pragma once

#include "room/data.h"

#include <pthread.h>

enum { READS_THREADS_MAX = 16 };

struct reads {
    pthread_t threads[READS_THREADS_MAX];
    size_t thread_count;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Under the mutex: the run being served. */
    uint64_t round;
    size_t serving;
    bool stopping;
    int socket;
    struct data *data;
    struct data_reader *readers;
};

/* Starts `thread_count` sleeping threads. */
fallible reads_start(struct reads *reads, size_t thread_count);
void reads_stop(struct reads *reads);

/* Serves `data` to the child behind `socket` until the socket ends. Borrowed until `reads_finish`. */
void reads_begin(struct reads *reads, struct data *data, int socket);
/* Waits until no thread serves any more (shut the socket down first), then wipes what the threads decrypted.
 */
void reads_finish(struct reads *reads);

/* One wish, judged and granted; false when it is refused. For the threads, and for tests. */
bool reads_answer(struct data *data, struct data_reader *reader, struct bytes untrusted_message);
