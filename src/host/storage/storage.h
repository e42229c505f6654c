/* storage/storage.h: the objects of a host, as files of one folder.
 *
 * Small objects (documents, results, receipts) are written whole: to a temporary name, synced, renamed, and
 * the folder synced, so after a crash an object is there in full or not at all. Large ones (sealed parts)
 * grow through `upload.h`. Nothing here is secret: parts and results are ciphertext, documents are signed.
 * Access to the disk goes through `storage_disk`, so that a test can make it fail. Any thread. */
#pragma once

#include "base/buffer.h"
#include "host/storage/path.h"

#include <pthread.h>
#include <sys/types.h>

struct storage_disk {
    void *self;
    ssize_t (*write)(void *self, int file, const void *data, size_t size); /* write(2) */
    int (*sync)(void *self, int file);                                     /* fsync(2) */
};

struct storage_disk storage_disk_of_system(void);

struct storage {
    int folder;
    uint64_t bytes_max;
    struct storage_disk disk;
    pthread_mutex_t mutex;
    uint64_t bytes;            /* under `mutex`: sum of the sizes of all objects, unfinished ones too */
    pthread_mutex_t put_mutex; /* one whole object is written at a time, so "once" has no race */
    uint64_t puts;             /* under `put_mutex`: names temporary files */
};

/* Opens or makes the folder and counts what it holds; left-over temporary files go. UNAVAILABLE
 * "storage.folder.open". */
fallible storage_open(const char *folder, uint64_t bytes_max, struct storage_disk disk, struct storage *out);
void storage_close(struct storage *storage);

/* How an object is written: once (the same octets again are no error, others are CONFLICT
 * "storage.object.exists"), or in place of what was there. */
enum storage_writing { STORAGE_ONCE, STORAGE_REPLACE };

/* `*out_is_new` is false when the same octets were there. LIMIT "storage.full" beyond bytes_max; UNAVAILABLE
 * "storage.disk.full", "storage.disk.write". On failure nothing is changed. */
fallible storage_put(struct storage *storage, const struct storage_path *path, struct bytes content,
                     enum storage_writing writing, bool *out_is_new);

/* Appends the whole object to `out`. NOT_FOUND "storage.object.missing", LIMIT where it is over out's
 * maximum. */
fallible storage_get(const struct storage *storage, const struct storage_path *path, struct buffer *out);

/* A descriptor for reading and the size. The caller closes it. */
fallible storage_read(const struct storage *storage, const struct storage_path *path, int *out_file,
                      uint64_t *out_size);

bool storage_has(const struct storage *storage, const struct storage_path *path);

/* Appends exactly `size` octets from `offset`: INVALID "storage.object.range" where they are not all there.
 */
fallible storage_get_range(const struct storage *storage, const struct storage_path *path, uint64_t offset,
                           uint64_t size, struct buffer *out);

/* Calls `visit` with each name in a folder of fixed meaning ("contracts"), in no order, at most `max`. A
 * folder that is not there is empty. */
fallible storage_list(const struct storage *storage, const char *folder, size_t max,
                      fallible (*visit)(void *self, const char *name), void *self);

/* For upload.h. */
fallible storage_parent(const struct storage *storage, const struct storage_path *path, int *out_folder,
                        const char **out_leaf);
fallible storage_reserve(struct storage *storage, uint64_t bytes);
void storage_give_back(struct storage *storage, uint64_t bytes);
fallible storage_write_all(const struct storage *storage, int file, struct bytes content,
                           size_t *out_written);
fallible storage_sync(const struct storage *storage, int file);
