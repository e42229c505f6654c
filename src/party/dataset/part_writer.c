#include "party/dataset/part_writer.h"

#include "party/dataset/folder.h"

#include <pthread.h>
#include <stdlib.h>

enum { BATCH_SEGMENTS = 16, BATCHES_PER_THREAD = 3 };
enum { BATCH_BYTES = BATCH_SEGMENTS * STREAM_SEGMENT_BYTES };

/* Whole segments that follow each other, in plaintext. */
struct batch {
    struct batch *next;
    uint64_t first_segment;
    bool is_last; /* of the stream */
    size_t size;
    uint8_t plaintext[BATCH_BYTES];
};

struct batch_list {
    struct batch *head;
    struct batch *tail;
};

struct part_writer {
    const struct stream_key *key;
    int descriptor;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct batch_list waiting;
    struct batch_list spare;
    unsigned in_work;
    bool is_ended;
    struct result failure;
    struct buffer leaves;
    struct batch *current; /* the caller's */
    uint64_t plain_size;
    struct batch *batches;
    size_t batch_count;
    pthread_t threads[PART_WRITER_THREADS_MAX];
    unsigned thread_count;
};

static void list_put(struct batch_list *list, struct batch *batch)
{
    batch->next = NULL;
    if (list->head == NULL) {
        list->head = batch;
    } else {
        list->tail->next = batch;
    }
    list->tail = batch;
}

static struct batch *list_take(struct batch_list *list)
{
    struct batch *batch = list->head;
    if (batch != NULL) {
        list->head = batch->next;
    }
    return batch;
}

static size_t batch_room(const struct batch *batch)
{
    size_t all = (size_t)BATCH_SEGMENTS * STREAM_NEXT_PLAIN_BYTES;
    return batch->first_segment == 0 ? all - STREAM_HEADER_BYTES : all;
}

struct sealed_batch {
    size_t size;
    size_t leaf_count;
    struct digest leaves[BATCH_SEGMENTS];
    uint8_t octets[BATCH_BYTES];
};

static fallible seal_batch(struct stream *stream, const struct batch *batch, struct sealed_batch *sealed)
{
    struct bytes plaintext = {batch->plaintext, batch->size};
    sealed->size = 0;
    sealed->leaf_count = 0;
    size_t at = 0;
    do {
        uint64_t segment = batch->first_segment + sealed->leaf_count;
        size_t room = segment == 0 ? STREAM_FIRST_PLAIN_BYTES : STREAM_NEXT_PLAIN_BYTES;
        struct bytes piece = bytes_slice(plaintext, at, room);
        at += piece.size;
        uint8_t *out = sealed->octets + sealed->leaf_count * STREAM_SEGMENT_BYTES;
        size_t size;
        TRY(stream_seal_segment(stream, segment, batch->is_last && at == batch->size, piece, out, &size));
        sealed->leaves[sealed->leaf_count++] = merkle_leaf((struct bytes){out, size});
        sealed->size += size;
    } while (at < batch->size);
    return OK;
}

static fallible keep_leaves(struct part_writer *writer, uint64_t first, const struct sealed_batch *sealed)
{
    size_t start = (size_t)first * DIGEST_BYTES, end = start + sealed->leaf_count * DIGEST_BYTES;
    if (end > writer->leaves.size) {
        uint8_t *added;
        TRY(buffer_extend(&writer->leaves, end - writer->leaves.size, &added));
    }
    memcpy(writer->leaves.data + start, sealed->leaves, sealed->leaf_count * DIGEST_BYTES);
    return OK;
}

/* The next batch, or NULL when there will be none. */
static struct batch *wait_for_batch(struct part_writer *writer)
{
    while (writer->waiting.head == NULL && !writer->is_ended) {
        pthread_cond_wait(&writer->changed, &writer->lock);
    }
    return writer->is_ended ? NULL : list_take(&writer->waiting);
}

static fallible seal_and_write(struct part_writer *writer, struct stream *stream, const struct batch *batch,
                               struct sealed_batch *sealed)
{
    TRY(seal_batch(stream, batch, sealed));
    return folder_write_at(writer->descriptor, (struct bytes){sealed->octets, sealed->size},
                           batch->first_segment * STREAM_SEGMENT_BYTES);
}

static void work(struct part_writer *writer, struct stream *stream, struct sealed_batch *sealed)
{
    pthread_mutex_lock(&writer->lock);
    struct batch *batch;
    while ((batch = wait_for_batch(writer)) != NULL) {
        writer->in_work++;
        pthread_mutex_unlock(&writer->lock);
        struct result result = seal_and_write(writer, stream, batch, sealed);
        pthread_mutex_lock(&writer->lock);
        if (result_is_ok(result)) {
            result = keep_leaves(writer, batch->first_segment, sealed);
        }
        if (!result_is_ok(result) && result_is_ok(writer->failure)) {
            writer->failure = result;
        }
        writer->in_work--;
        list_put(&writer->spare, batch);
        pthread_cond_broadcast(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
}

static void *run_thread(void *argument)
{
    struct part_writer *writer = argument;
    scoped_stream stream = {0};
    struct sealed_batch *sealed = malloc(sizeof *sealed);
    struct result result = sealed == NULL ? FAIL(NO_MEMORY, "dataset.part.batch")
                                          : stream_open_for_sealing(writer->key, &stream);
    if (result_is_ok(result)) {
        work(writer, &stream, sealed);
    } else {
        pthread_mutex_lock(&writer->lock);
        writer->failure = result;
        pthread_cond_broadcast(&writer->changed);
        pthread_mutex_unlock(&writer->lock);
    }
    free(sealed);
    return NULL;
}

static fallible make_batches(struct part_writer *writer, unsigned threads)
{
    writer->batch_count = (size_t)threads * BATCHES_PER_THREAD;
    writer->batches = calloc(writer->batch_count, sizeof *writer->batches);
    REQUIRE(writer->batches != NULL, NO_MEMORY, "dataset.part.batch");
    for (size_t i = 0; i < writer->batch_count; i++) {
        list_put(&writer->spare, &writer->batches[i]);
    }
    writer->current = list_take(&writer->spare);
    return OK;
}

fallible part_writer_open(const struct stream_key *key, int descriptor, unsigned threads,
                          struct part_writer **out)
{
    REQUIRE(threads >= 1 && threads <= PART_WRITER_THREADS_MAX, INVALID, "dataset.threads");
    scoped_part_writer *writer = calloc(1, sizeof *writer);
    REQUIRE(writer != NULL, NO_MEMORY, "dataset.part.writer");
    writer->key = key;
    writer->descriptor = descriptor;
    writer->failure = OK;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    buffer_init(&writer->leaves, (size_t)stream_segment_count(STREAM_PLAIN_BYTES_MAX) * DIGEST_BYTES);
    TRY(make_batches(writer, threads));
    for (; writer->thread_count < threads; writer->thread_count++) {
        REQUIRE(pthread_create(&writer->threads[writer->thread_count], NULL, run_thread, writer) == 0,
                UNAVAILABLE, "dataset.part.thread");
    }
    *out = writer;
    writer = NULL;
    return OK;
}

/* Gives the current batch to the threads and waits for an empty one to be the current. */
static fallible hand_over(struct part_writer *writer, bool is_last)
{
    struct batch *batch = writer->current;
    uint64_t next_segment = batch->first_segment + BATCH_SEGMENTS;
    batch->is_last = is_last;
    pthread_mutex_lock(&writer->lock);
    list_put(&writer->waiting, batch);
    writer->current = NULL;
    pthread_cond_broadcast(&writer->changed);
    while (writer->spare.head == NULL && result_is_ok(writer->failure)) {
        pthread_cond_wait(&writer->changed, &writer->lock);
    }
    struct result failure = writer->failure;
    if (result_is_ok(failure)) {
        writer->current = list_take(&writer->spare);
        writer->current->first_segment = next_segment;
        writer->current->size = 0;
    }
    pthread_mutex_unlock(&writer->lock);
    return failure;
}

fallible part_writer_add(struct part_writer *writer, struct bytes plaintext)
{
    REQUIRE(plaintext.size <= STREAM_PLAIN_BYTES_MAX - writer->plain_size, LIMIT, "stream.size");
    while (plaintext.size > 0) {
        REQUIRE(writer->current != NULL, INTERNAL, "dataset.part.ended");
        /* A full batch is handed over only when more follows: its last segment might have been the stream's.
         */
        if (writer->current->size == batch_room(writer->current)) {
            TRY(hand_over(writer, false));
        }
        struct batch *batch = writer->current;
        struct bytes piece = bytes_slice(plaintext, 0, batch_room(batch) - batch->size);
        memcpy(batch->plaintext + batch->size, piece.data, piece.size);
        batch->size += piece.size;
        writer->plain_size += piece.size;
        plaintext = bytes_slice(plaintext, piece.size, SIZE_MAX);
    }
    return OK;
}

static fallible wait_for_all(struct part_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while ((writer->waiting.head != NULL || writer->in_work > 0) && result_is_ok(writer->failure)) {
        pthread_cond_wait(&writer->changed, &writer->lock);
    }
    struct result failure = writer->failure;
    pthread_mutex_unlock(&writer->lock);
    return failure;
}

fallible part_writer_finish(struct part_writer *writer, struct arena *arena, struct part_written *out)
{
    REQUIRE(writer->current != NULL, INTERNAL, "dataset.part.ended");
    TRY(hand_over(writer, true));
    TRY(wait_for_all(writer));
    struct part_written written = {.plain_size = writer->plain_size,
                                   .size = stream_sealed_size(writer->plain_size)};
    ASSERT(writer->leaves.size == stream_segment_count(written.plain_size) * DIGEST_BYTES);
    struct bytes leaves;
    TRY(arena_copy(arena, buffer_view(&writer->leaves), &leaves));
    written.leaves = (struct digest *)(uintptr_t)leaves.data;
    written.leaf_count = leaves.size / DIGEST_BYTES;
    *out = written;
    return OK;
}

void part_writer_close(struct part_writer **owned)
{
    struct part_writer *writer = *owned;
    if (writer == NULL) {
        return;
    }
    pthread_mutex_lock(&writer->lock);
    writer->is_ended = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    for (unsigned i = 0; i < writer->thread_count; i++) {
        pthread_join(writer->threads[i], NULL);
    }
    if (writer->batches != NULL) {
        wipe(writer->batches, writer->batch_count * sizeof *writer->batches);
    }
    free(writer->batches);
    buffer_release(&writer->leaves);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
    *owned = NULL;
}
