/* storage/upload.h: a large object that arrives in pieces and can be resumed.
 *
 * While it is incomplete it lies beside its place with the ending ".partial", which survives a restart:
 * `upload_state` says how much is there. One upload of an object at a time. When all octets are there they
 * are checked by the caller's function, synced and moved into place; from then on the object is complete and
 * never changes: sending the same octets again is no error, others are a conflict. One thread per upload. */
#pragma once

#include "host/storage/storage.h"

struct upload {
    struct storage *storage;
    struct storage_path path;
    int folder;
    int file;
    const char *leaf;
    uint64_t total;
    uint64_t at;       /* next octet */
    uint64_t end;      /* of this range */
    bool is_comparing; /* the object is complete: octets are only compared */
};

/* How many octets of the object are there. NOT_FOUND "storage.object.missing" when none. */
fallible upload_state(const struct storage *storage, const struct storage_path *path, uint64_t *out_bytes,
                      bool *out_is_complete);

/* Starts the range [first, first + count) of an object of `total` octets. What an earlier upload left behind
 * `first` is replaced. INVALID "storage.upload.range", CONFLICT "storage.upload.gap" where `first` lies
 * behind what is there, "storage.upload.busy", "storage.object.exists" (complete, with another size). */
fallible upload_open(struct storage *storage, const struct storage_path *path, uint64_t total, uint64_t first,
                     uint64_t count, struct upload *out);
void upload_close(struct upload *upload); /* keeps what was written */
#define scoped_upload defer(upload_close) struct upload

/* INVALID "storage.upload.too_long" past the range; LIMIT "storage.full", UNAVAILABLE "storage.disk.full" and
 * ".write": then what was written before stays and the upload can be resumed. */
fallible upload_write(struct upload *upload, struct bytes piece);

/* Ends the range: INVALID "storage.upload.too_short" when octets are missing. When the object has all its
 * octets, `check` judges the file (may be NULL); where it fails the octets are thrown away and that failure
 * is given. */
fallible upload_finish(struct upload *upload, fallible (*check)(void *self, int file, uint64_t size),
                       void *self, bool *out_is_complete);
