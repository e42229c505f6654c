#include "room/reads.h"

#include "edge/query_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

static const struct data_part *find_part(const struct data *data, uint32_t dataset, uint32_t part)
{
    if (dataset >= data->table_count || part >= data->tables[dataset].part_count) {
        return NULL;
    }
    return &data->tables[dataset].parts[part];
}

static size_t refuse(struct reads *reads)
{
    atomic_fetch_add(&reads->wishes_refused, 1);
    return 0;
}

size_t reads_answer(struct reads *reads, struct data_reader *reader, struct bytes untrusted_message,
                    uint32_t *out_slot)
{
    struct query_read wish;
    *out_slot = 0;
    if (!result_is_ok(query_read_decode(untrusted_message, &wish))) {
        return refuse(reads);
    }
    *out_slot = wish.slot;
    const struct data_part *part = find_part(reads->data, wish.dataset, wish.part);
    if (part == NULL || wish.slot >= READS_SLOTS || wish.length > QUERY_SLOT_BYTES) {
        return refuse(reads);
    }
    if (atomic_exchange(&reads->slot_busy[wish.slot], true)) {
        return refuse(reads);
    }
    size_t given = 0;
    uint8_t *slot = reads->slots + (size_t)wish.slot * QUERY_SLOT_BYTES;
    struct result result = data_read(part, reader, wish.offset, wish.length, slot, &given);
    atomic_store(&reads->slot_busy[wish.slot], false);
    if (!result_is_ok(result)) {
        return refuse(reads);
    }
    atomic_fetch_add(&reads->octets_given, given);
    return given;
}

static void serve_socket(struct reads *reads, struct data_reader *reader, int socket)
{
    for (;;) {
        uint8_t message[QUERY_READ_BYTES + 1];
        ssize_t got = recv(socket, message, sizeof message, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return;
        }
        struct query_given answer;
        answer.given =
            (uint32_t)reads_answer(reads, reader, (struct bytes){message, (size_t)got}, &answer.slot);
        uint8_t octets[QUERY_GIVEN_BYTES];
        query_given_encode(&answer, octets);
        if (send(socket, octets, sizeof octets, MSG_NOSIGNAL) != (ssize_t)sizeof octets) {
            return;
        }
    }
}

struct thread_start {
    struct reads *reads;
    struct data_reader *reader;
};

static void *serve_rounds(void *argument)
{
    struct thread_start start = *(struct thread_start *)argument;
    free(argument);
    struct reads *reads = start.reads;
    uint64_t round = 0;
    pthread_mutex_lock(&reads->mutex);
    while (!reads->stopping) {
        if (reads->round == round) {
            pthread_cond_wait(&reads->changed, &reads->mutex);
            continue;
        }
        round = reads->round;
        int socket = reads->socket;
        pthread_mutex_unlock(&reads->mutex);
        serve_socket(reads, start.reader, socket);
        data_reader_release(start.reader);
        pthread_mutex_lock(&reads->mutex);
        reads->serving--;
        pthread_cond_broadcast(&reads->changed);
    }
    pthread_mutex_unlock(&reads->mutex);
    return NULL;
}

fallible reads_start(struct reads *reads, size_t thread_count)
{
    ASSERT(thread_count >= 1 && thread_count <= READS_THREADS_MAX);
    *reads = (struct reads){.socket = -1};
    ASSERT(pthread_mutex_init(&reads->mutex, NULL) == 0 && pthread_cond_init(&reads->changed, NULL) == 0);
    reads->readers = calloc(thread_count, sizeof *reads->readers);
    REQUIRE(reads->readers != NULL, NO_MEMORY, "reads.readers");
    for (; reads->thread_count < thread_count; reads->thread_count++) {
        struct thread_start *start = malloc(sizeof *start);
        REQUIRE(start != NULL, NO_MEMORY, "reads.thread");
        *start = (struct thread_start){reads, &reads->readers[reads->thread_count]};
        if (pthread_create(&reads->threads[reads->thread_count], NULL, serve_rounds, start) != 0) {
            free(start);
            return FAIL(UNAVAILABLE, "reads.thread");
        }
    }
    return OK;
}

void reads_begin(struct reads *reads, const struct data *data, int socket, uint8_t *slots)
{
    pthread_mutex_lock(&reads->mutex);
    ASSERT(reads->serving == 0);
    reads->data = data;
    reads->socket = socket;
    reads->slots = slots;
    for (size_t i = 0; i < READS_SLOTS; i++) {
        atomic_store(&reads->slot_busy[i], false);
    }
    reads->serving = reads->thread_count;
    reads->round++;
    pthread_cond_broadcast(&reads->changed);
    pthread_mutex_unlock(&reads->mutex);
}

void reads_finish(struct reads *reads)
{
    pthread_mutex_lock(&reads->mutex);
    while (reads->serving > 0) {
        pthread_cond_wait(&reads->changed, &reads->mutex);
    }
    reads->data = NULL;
    reads->socket = -1;
    reads->slots = NULL;
    pthread_mutex_unlock(&reads->mutex);
}

void reads_stop(struct reads *reads)
{
    pthread_mutex_lock(&reads->mutex);
    reads->stopping = true;
    pthread_cond_broadcast(&reads->changed);
    pthread_mutex_unlock(&reads->mutex);
    for (size_t i = 0; i < reads->thread_count; i++) {
        pthread_join(reads->threads[i], NULL);
    }
    free(reads->readers);
    reads->readers = NULL;
    reads->thread_count = 0;
    pthread_cond_destroy(&reads->changed);
    pthread_mutex_destroy(&reads->mutex);
}
