/* room/reads.h: serving the query child's reads.
 *
 * The child asks on a SOCK_SEQPACKET socket and finds the octets in a slot of a shared memory object that it
 * can only map read-only. A request is one message, received once into private memory and then validated:
 * nothing the child can still change is ever looked at. Slots and their state belong to the room: a slot that
 * is being filled is refused to a second request. A wish outside the contract (unknown dataset or part,
 * beyond the file, too long) gets nothing; octets of a column that is not granted are zeros. Several threads
 * serve at once; they are made before the room locks itself in and sleep between runs. */
#pragma once

#include "room/data.h"

#include <pthread.h>
#include <stdatomic.h>

enum { READS_THREADS_MAX = 16, READS_SLOTS = 16 };

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
    const struct data *data;
    uint8_t *slots;
    atomic_bool slot_busy[READS_SLOTS];
    atomic_uint_fast64_t octets_given;
    atomic_uint_fast64_t wishes_refused;
    struct data_reader *readers;
};

/* Starts `thread_count` sleeping threads. */
fallible reads_start(struct reads *reads, size_t thread_count);
void reads_stop(struct reads *reads);

/* Serves `data` to the child behind `socket` until the socket ends. `slots` has READS_SLOTS *
 * QUERY_SLOT_BYTES octets. Everything is borrowed until `reads_finish`. */
void reads_begin(struct reads *reads, const struct data *data, int socket, uint8_t *slots);
/* Waits until no thread serves any more (shut the socket down first), then wipes what the threads decrypted.
 */
void reads_finish(struct reads *reads);

/* One wish, judged and answered: fills the slot and gives the number of octets. For the threads, and for
 * tests. */
size_t reads_answer(struct reads *reads, struct data_reader *reader, struct bytes untrusted_message,
                    uint32_t *out_slot);
