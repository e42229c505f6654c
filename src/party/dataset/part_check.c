#include "party/dataset/part_check.h"

#include "party/dataset/parquet.h"
#include "party/dataset/part_writer.h"
#include "seal/footer.h"
#include "seal/part.h"

#include <pthread.h>
#include <unistd.h>

enum { BATCH_SEGMENTS = 16, TELL_EVERY_BATCHES = 64 };
#define METADATA_BYTES_MAX ((uint64_t)1 << 30)

/* What the threads share. Each takes the next batch of segments until none is left or one has failed. */
struct reading {
    const struct part_check *check;
    const struct stream_key *key; /* or NULL */
    const struct digest *leaves;
    int descriptor;
    uint8_t *metadata; /* the plaintext from data_end on, or NULL */
    uint8_t *magic;    /* the first four octets */
    pthread_mutex_t lock;
    uint64_t next_segment;
    struct result failure;
};

/* Copies what a segment holds of the plaintext range that begins at `start`. */
static void copy_overlap(const struct stream_segment *at, const uint8_t *plain, uint64_t start, uint64_t end,
                         uint8_t *out)
{
    uint64_t from = at->plain_offset > start ? at->plain_offset : start;
    uint64_t until = at->plain_offset + at->plain_size;
    until = until < end ? until : end;
    if (from < until) {
        memcpy(out + (from - start), plain + (from - at->plain_offset), (size_t)(until - from));
    }
}

static fallible check_segment(struct reading *reading, struct stream *stream, uint64_t index,
                              struct bytes segment)
{
    const struct manifest_part *part = reading->check->part;
    TRY(part_check_segment(&reading->leaves[index], segment));
    if (reading->key == NULL) {
        return OK;
    }
    struct stream_segment at;
    uint8_t plain[STREAM_NEXT_PLAIN_BYTES];
    TRY(stream_segment_at(part->plain_size, index, &at));
    struct result result = stream_open_segment(stream, part->plain_size, index, segment, plain);
    if (result_is_ok(result)) {
        copy_overlap(&at, plain, part->data_end, part->plain_size, reading->metadata);
        copy_overlap(&at, plain, 0, MANIFEST_MAGIC_BYTES, reading->magic);
    }
    wipe(plain, sizeof plain);
    return result;
}

static fallible check_batch(struct reading *reading, struct stream *stream, uint64_t first, uint8_t *batch)
{
    const struct manifest_part *part = reading->check->part;
    uint64_t start = first * STREAM_SEGMENT_BYTES;
    uint64_t left = part->size - start;
    size_t size =
        left < BATCH_SEGMENTS * STREAM_SEGMENT_BYTES ? (size_t)left : BATCH_SEGMENTS * STREAM_SEGMENT_BYTES;
    TRY(folder_read_at(reading->descriptor, start, size, batch));
    for (size_t i = 0; i * STREAM_SEGMENT_BYTES < size; i++) {
        struct bytes segment =
            bytes_slice((struct bytes){batch, size}, i * STREAM_SEGMENT_BYTES, STREAM_SEGMENT_BYTES);
        TRY(check_segment(reading, stream, first + i, segment));
    }
    return OK;
}

/* False when there is nothing more to do. */
static bool take_batch(struct reading *reading, uint64_t *out_first)
{
    pthread_mutex_lock(&reading->lock);
    bool more = result_is_ok(reading->failure) && reading->next_segment < reading->check->part->segment_count;
    *out_first = reading->next_segment;
    reading->next_segment += more ? BATCH_SEGMENTS : 0;
    pthread_mutex_unlock(&reading->lock);
    return more;
}

static fallible read_batches(struct reading *reading, bool tells)
{
    scoped_arena arena;
    arena_init(&arena, (BATCH_SEGMENTS + 1) * STREAM_SEGMENT_BYTES);
    scoped_stream stream = {0};
    void *batch;
    TRY(arena_take(&arena, BATCH_SEGMENTS * STREAM_SEGMENT_BYTES, &batch));
    if (reading->key != NULL) {
        TRY(stream_open_for_opening(reading->key, &stream));
    }
    uint64_t first;
    for (unsigned count = 0; take_batch(reading, &first); count++) {
        TRY(check_batch(reading, &stream, first, batch));
        if (tells && count % TELL_EVERY_BATCHES == 0) {
            struct dataset_progress progress = reading->check->progress;
            progress.done += first * STREAM_SEGMENT_BYTES;
            dataset_tell(reading->check->listener, progress);
        }
    }
    return OK;
}

static void read_and_report(struct reading *reading, bool tells)
{
    struct result result = read_batches(reading, tells);
    pthread_mutex_lock(&reading->lock);
    if (!result_is_ok(result) && result_is_ok(reading->failure)) {
        reading->failure = result;
    }
    pthread_mutex_unlock(&reading->lock);
}

static void *run_thread(void *argument)
{
    read_and_report(argument, false);
    return NULL;
}

/* The caller's thread works too: it is the one that tells. */
static fallible read_all(struct reading *reading, unsigned threads)
{
    pthread_t helpers[PART_WRITER_THREADS_MAX];
    unsigned count = 0;
    pthread_mutex_init(&reading->lock, NULL);
    while (count + 1 < threads && pthread_create(&helpers[count], NULL, run_thread, reading) == 0) {
        count++;
    }
    read_and_report(reading, true);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(helpers[i], NULL);
    }
    pthread_mutex_destroy(&reading->lock);
    return reading->failure;
}

/* ---- What the decrypted sections say. ---- */

static fallible check_column(const struct manifest_part *part, const struct manifest_column *column,
                             const struct manifest_part_column *ranges, struct bytes section)
{
    struct reader reader = reader_of(section);
    for (size_t group = 0; group < part->group_count; group++) {
        struct bytes chunk;
        struct parquet_chunk_claim claim;
        TRY(footer_take_chunk(&reader, &chunk));
        TRY(parquet_read_chunk(chunk, &claim));
        bool same = text_equal(claim.column, column->name) && claim.offset == ranges->chunks[group].offset &&
                    claim.size == ranges->chunks[group].size && claim.values == part->group_rows[group];
        REQUIRE(same, UNTRUSTED, "dataset.part.metadata");
    }
    return footer_end_section(&reader);
}

static fallible check_sections(const struct part_check *check, const uint8_t *metadata, const uint8_t *magic)
{
    const struct manifest_part *part = check->part;
    REQUIRE(memcmp(magic, "PAR1", MANIFEST_MAGIC_BYTES) == 0, UNTRUSTED, "dataset.part.magic");
    for (size_t i = 0; i < check->manifest->column_count; i++) {
        const struct manifest_part_column *ranges = &part->columns[i];
        struct bytes section = {metadata + (ranges->meta.offset - part->data_end), (size_t)ranges->meta.size};
        struct result result = check_column(part, &check->manifest->columns[i], ranges, section);
        REQUIRE(result_is_ok(result), UNTRUSTED, "dataset.part.metadata");
    }
    return OK;
}

/* ---- One part. ---- */

static fallible take_leaves(struct arena *arena, const struct part_check *check, const struct digest **out)
{
    char name[FOLDER_NAME_BYTES];
    struct bytes leaves;
    folder_part_name(check->part->number, "leaves", name);
    TRY(folder_read(arena, check->folder, name, (size_t)check->part->segment_count * DIGEST_BYTES + 1,
                    &leaves));
    return part_take_leaves(arena, leaves, check->part->plain_size, &check->part->root, out);
}

static fallible take_key(struct arena *arena, const struct part_check *check, int descriptor,
                         struct stream_key *out)
{
    struct bytes associated;
    uint8_t header[STREAM_HEADER_BYTES];
    TRY(part_associated_data(arena, check->manifest->dataset, check->manifest->version, check->part->number,
                             &associated));
    TRY(folder_read_at(descriptor, 0, sizeof header, header));
    return stream_key_of(check->data_key, associated, BYTES_OF(header), out);
}

static fallible check_open_part(struct arena *arena, const struct part_check *check, int descriptor)
{
    uint64_t metadata_size = check->part->plain_size - check->part->data_end;
    uint8_t magic[MANIFEST_MAGIC_BYTES] = {0};
    void *metadata;
    scoped_stream_key key = {0};
    struct reading reading = {.check = check, .descriptor = descriptor, .failure = OK, .magic = magic};
    TRY(take_leaves(arena, check, &reading.leaves));
    REQUIRE(metadata_size <= METADATA_BYTES_MAX, LIMIT, "dataset.part.metadata");
    TRY(arena_take(arena, (size_t)metadata_size, &metadata));
    reading.metadata = metadata;
    if (check->data_key == NULL) {
        return read_all(&reading, check->threads);
    }
    TRY(take_key(arena, check, descriptor, &key));
    reading.key = &key;
    TRY(read_all(&reading, check->threads));
    return check_sections(check, metadata, magic);
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
    }
}

fallible part_check(const struct part_check *check)
{
    char name[FOLDER_NAME_BYTES];
    defer(close_descriptor) int descriptor = -1;
    uint64_t size;
    scoped_arena arena;
    arena_init(&arena, (size_t)2 << 30);
    folder_part_name(check->part->number, "sealed", name);
    TRY(folder_open_file(check->folder, name, &descriptor, &size));
    REQUIRE(size == check->part->size, UNTRUSTED, "dataset.part.size");
    return check_open_part(&arena, check, descriptor);
}
