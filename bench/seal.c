/* bench/seal: what sealing and opening cost in memory.
 *
 *   bench-seal THREADS MIB
 *
 * Each thread seals and opens MIB megabytes of its own, segment by segment, with and without the Merkle
 * leaves. Prints octets per second of all threads together as JSON. */
#include "seal/part.h"
#include "seal/stream.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS_MAX = 64, MEASURES = 4 };

struct work {
    const struct stream_key *key;
    uint8_t *plain, *sealed;
    size_t segments;
    bool opening, digests;
};

static void seal(struct work *work)
{
    struct stream stream;
    size_t size;
    ASSERT(result_is_ok(stream_open_for_sealing(work->key, &stream)));
    for (size_t i = 1; i <= work->segments; i++) {
        uint8_t *out = work->sealed + (i - 1) * STREAM_SEGMENT_BYTES;
        struct bytes plain = {work->plain + (i - 1) * STREAM_NEXT_PLAIN_BYTES, STREAM_NEXT_PLAIN_BYTES};
        ASSERT(result_is_ok(stream_seal_segment(&stream, i, false, plain, out, &size)));
        if (work->digests) {
            merkle_leaf((struct bytes){out, size});
        }
    }
    stream_close(&stream);
}

static void unseal(struct work *work)
{
    struct stream stream;
    uint8_t plain[STREAM_SEGMENT_BYTES];
    uint64_t plain_size = (work->segments + 2) * STREAM_NEXT_PLAIN_BYTES;
    ASSERT(result_is_ok(stream_open_for_opening(work->key, &stream)));
    for (size_t i = 1; i <= work->segments; i++) {
        struct bytes sealed = {work->sealed + (i - 1) * STREAM_SEGMENT_BYTES, STREAM_SEGMENT_BYTES};
        if (work->digests) {
            merkle_leaf(sealed);
        }
        ASSERT(result_is_ok(stream_open_segment(&stream, plain_size, i, sealed, plain)));
    }
    stream_close(&stream);
}

static void *run(void *argument)
{
    struct work *work = argument;
    if (work->opening) {
        unseal(work);
    } else {
        seal(work);
    }
    return NULL;
}

static double octets_per_second(struct work works[], size_t threads, bool opening, bool digests)
{
    pthread_t ids[THREADS_MAX];
    struct timespec start;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < threads; i++) {
        works[i].opening = opening;
        works[i].digests = digests;
        ASSERT(pthread_create(&ids[i], NULL, run, &works[i]) == 0);
    }
    for (size_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    return (double)(threads * works[0].segments * STREAM_NEXT_PLAIN_BYTES) / seconds;
}

int main(int count, char **arguments)
{
    static const char *const names[MEASURES] = {"seal", "unseal", "seal.no_digest", "unseal.no_digest"};
    static struct work works[THREADS_MAX];
    size_t threads = count == 3 ? strtoul(arguments[1], NULL, 10) : 0;
    size_t segments = count == 3 ? strtoul(arguments[2], NULL, 10) * 16 : 0;
    if (threads < 1 || threads > THREADS_MAX || segments == 0) {
        return 2;
    }
    struct world world = world_of_system();
    scoped_secret data_key = {0};
    scoped_stream_key key = {0};
    ASSERT(result_is_ok(secret_random(&world, AEAD_KEY_BYTES, &data_key)));
    ASSERT(result_is_ok(stream_key_new(&world, &data_key, (struct bytes){0}, &key)));
    for (size_t i = 0; i < threads; i++) {
        works[i] = (struct work){.key = &key, .segments = segments};
        works[i].plain = malloc(segments * STREAM_NEXT_PLAIN_BYTES);
        works[i].sealed = malloc(segments * STREAM_SEGMENT_BYTES);
        ASSERT(works[i].plain != NULL && works[i].sealed != NULL);
        memset(works[i].plain, (int)i, segments * STREAM_NEXT_PLAIN_BYTES);
        seal(&works[i]);
    }
    for (size_t i = 0; i < MEASURES; i++) {
        double best = 0;
        for (int round = 0; round < 5; round++) {
            double now = octets_per_second(works, threads, i % 2 == 1, i < 2);
            best = now > best ? now : best;
        }
        printf("%s\"%s\": %.0f%s", i == 0 ? "{" : "", names[i], best, i + 1 < MEASURES ? ", " : "}\n");
    }
    return 0;
}
