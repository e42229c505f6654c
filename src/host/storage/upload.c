#include "host/storage/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTIAL_ENDING ".partial"

enum { COMPARE_BYTES = 65536 };

struct partial_name {
    char text[STORAGE_PATH_BYTES + 16];
};

static struct partial_name partial_of(const char *leaf)
{
    struct partial_name name;
    snprintf(name.text, sizeof name.text, "%s" PARTIAL_ENDING, leaf);
    return name;
}

fallible upload_state(const struct storage *storage, const struct storage_path *path, uint64_t *out_bytes,
                      bool *out_is_complete)
{
    struct stat status;
    bool is_complete = fstatat(storage->folder, path->text, &status, AT_SYMLINK_NOFOLLOW) == 0;
    struct partial_name partial = partial_of(path->text);
    REQUIRE(is_complete || fstatat(storage->folder, partial.text, &status, AT_SYMLINK_NOFOLLOW) == 0,
            NOT_FOUND, "storage.object.missing");
    *out_bytes = (uint64_t)status.st_size;
    *out_is_complete = is_complete;
    return OK;
}

/* The lock is on the file, and the file may have been moved into place before we got it. */
static bool is_still_partial(const struct upload *upload)
{
    struct stat opened;
    struct stat named;
    return fstat(upload->file, &opened) == 0 &&
           fstatat(upload->folder, partial_of(upload->leaf).text, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_ino == named.st_ino;
}

static fallible open_partial(struct upload *upload, uint64_t first)
{
    upload->file = openat(upload->folder, partial_of(upload->leaf).text,
                          O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    REQUIRE(upload->file >= 0, UNAVAILABLE, "storage.disk.write");
    REQUIRE(flock(upload->file, LOCK_EX | LOCK_NB) == 0 && is_still_partial(upload), CONFLICT,
            "storage.upload.busy");
    struct stat status;
    REQUIRE(fstat(upload->file, &status) == 0, UNAVAILABLE, "storage.disk.write");
    uint64_t present = (uint64_t)status.st_size;
    REQUIRE(first <= present, CONFLICT, "storage.upload.gap");
    REQUIRE(ftruncate(upload->file, (off_t)first) == 0 && lseek(upload->file, (off_t)first, SEEK_SET) >= 0,
            UNAVAILABLE, "storage.disk.write");
    storage_give_back(upload->storage, present - first);
    return OK;
}

static fallible open_complete(struct upload *upload)
{
    uint64_t size;
    TRY(storage_read(upload->storage, &upload->path, &upload->file, &size));
    REQUIRE(size == upload->total, CONFLICT, "storage.object.exists");
    upload->is_comparing = true;
    return OK;
}

static fallible open_files(struct upload *upload, uint64_t first)
{
    struct result complete = open_complete(upload);
    if (complete.code != RESULT_NOT_FOUND) {
        return complete;
    }
    TRY(storage_parent(upload->storage, &upload->path, &upload->folder, &upload->leaf));
    return open_partial(upload, first);
}

fallible upload_open(struct storage *storage, const struct storage_path *path, uint64_t total, uint64_t first,
                     uint64_t count, struct upload *out)
{
    REQUIRE(count > 0 && first <= total && count <= total - first && total <= INT64_MAX, INVALID,
            "storage.upload.range");
    *out = (struct upload){.storage = storage,
                           .path = *path,
                           .folder = -1,
                           .file = -1,
                           .total = total,
                           .at = first,
                           .end = first + count};
    struct result result = open_files(out, first);
    if (!result_is_ok(result)) {
        upload_close(out);
    }
    return result;
}

void upload_close(struct upload *upload)
{
    if (upload->storage != NULL) {
        if (upload->file >= 0) {
            close(upload->file);
        }
        if (upload->folder >= 0) {
            close(upload->folder);
        }
        *upload = (struct upload){0};
    }
}

static fallible compare(struct upload *upload, struct bytes piece)
{
    uint8_t present[COMPARE_BYTES];
    for (size_t done = 0; done < piece.size;) {
        struct bytes want = bytes_slice(piece, done, sizeof present);
        ssize_t got = pread(upload->file, present, want.size, (off_t)(upload->at + done));
        REQUIRE(got > 0, UNAVAILABLE, "storage.disk.read");
        struct bytes have = {present, (size_t)got};
        REQUIRE(bytes_equal(have, bytes_slice(want, 0, have.size)), CONFLICT, "storage.object.exists");
        done += have.size;
    }
    upload->at += piece.size;
    return OK;
}

fallible upload_write(struct upload *upload, struct bytes piece)
{
    REQUIRE(piece.size <= upload->end - upload->at, INVALID, "storage.upload.too_long");
    if (upload->is_comparing) {
        return compare(upload, piece);
    }
    TRY(storage_reserve(upload->storage, piece.size));
    size_t written;
    struct result result = storage_write_all(upload->storage, upload->file, piece, &written);
    upload->at += written;
    storage_give_back(upload->storage, piece.size - written);
    return result;
}

static fallible move_into_place(struct upload *upload)
{
    TRY(storage_sync(upload->storage, upload->file));
    REQUIRE(renameat(upload->folder, partial_of(upload->leaf).text, upload->folder, upload->leaf) == 0,
            UNAVAILABLE, "storage.disk.write");
    return storage_sync(upload->storage, upload->folder);
}

fallible upload_finish(struct upload *upload, fallible (*check)(void *self, int file, uint64_t size),
                       void *self, bool *out_is_complete)
{
    REQUIRE(upload->at == upload->end, INVALID, "storage.upload.too_short");
    if (upload->is_comparing || upload->at < upload->total) {
        TRY(upload->is_comparing ? OK : storage_sync(upload->storage, upload->file));
        *out_is_complete = upload->is_comparing;
        return OK;
    }
    struct result checked = check == NULL ? OK : check(self, upload->file, upload->total);
    if (!result_is_ok(checked)) {
        storage_give_back(upload->storage, upload->total);
        unlinkat(upload->folder, partial_of(upload->leaf).text, 0);
        return checked;
    }
    TRY(move_into_place(upload));
    *out_is_complete = true;
    return OK;
}
