/* dataset/part_writer.h: plaintext in, the ciphertext file of one part out, on all cores.
 *
 * The caller adds plaintext in order. It is collected in batches of whole segments; threads seal each batch
 * under the part's stream key, hash the segments and write the ciphertext to its place in the file. Plaintext
 * exists only in the batches, whose number is bounded, and is wiped when the writer is closed. Octets are the
 * same whatever the number of threads. The caller's side is one thread. */
#pragma once

#include "base/arena.h"
#include "crypto/digest.h"
#include "seal/stream.h"

enum { PART_WRITER_THREADS_MAX = 64 };

struct part_writer;

/* `key` and `descriptor` (an empty file, open for writing) are borrowed until `part_writer_close`. */
fallible part_writer_open(const struct stream_key *key, int descriptor, unsigned threads,
                          struct part_writer **out);

/* Blocks while all batches are in work. Any failure of a thread is returned here or by `finish`; then only
 * `part_writer_close` makes sense. */
fallible part_writer_add(struct part_writer *writer, struct bytes plaintext);

/* Seals what is left as the last segment and waits for all. The leaf hashes are in the arena. */
struct part_written {
    uint64_t plain_size;
    uint64_t size;
    struct digest *leaves;
    size_t leaf_count;
};
fallible part_writer_finish(struct part_writer *writer, struct arena *arena, struct part_written *out);

/* Ends the threads, wipes and frees. Also for a writer that was not finished. */
void part_writer_close(struct part_writer **writer);
#define scoped_part_writer defer(part_writer_close) struct part_writer
