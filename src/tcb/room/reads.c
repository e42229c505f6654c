#include "room/reads.h"

#include "edge/query_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

bool reads_answer(struct data *data, struct data_reader *reader, struct bytes untrusted_message)
{
    struct query_read wish;
    if (!result_is_ok(query_read_decode(untrusted_message, &wish)) || wish.dataset >= data->table_count ||
        wish.part >= data->tables[wish.dataset].part_count || wish.length > QUERY_READ_LENGTH_MAX) {
        return false;
    }
    return data_answer(data, &data->tables[wish.dataset].parts[wish.part], reader, wish.offset, wish.length);
}

static void serve_socket(struct data *data, struct data_reader *reader, int socket)
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
        reads_answer(data, reader, (struct bytes){message, (size_t)got});
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
        struct data *data = reads->data;
        pthread_mutex_unlock(&reads->mutex);
        serve_socket(data, start.reader, socket);
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

void reads_begin(struct reads *reads, struct data *data, int socket)
{
    pthread_mutex_lock(&reads->mutex);
    ASSERT(reads->serving == 0);
    reads->data = data;
    reads->socket = socket;
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
