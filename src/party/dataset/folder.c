#include "party/dataset/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
    }
    *descriptor = -1;
}
#define scoped_descriptor defer(close_descriptor) int

fallible folder_open(const char *path, bool make, struct folder *out)
{
    if (make && mkdir(path, 0755) != 0 && errno != EEXIST) {
        return FAIL_AT(NOT_FOUND, "dataset.folder", path);
    }
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return FAIL_AT(NOT_FOUND, "dataset.folder", path);
    }
    out->descriptor = descriptor;
    return OK;
}

void folder_close(struct folder *folder)
{
    close_descriptor(&folder->descriptor);
}

fallible folder_make(const struct folder *folder, const char *name)
{
    bool made = mkdirat(folder->descriptor, name, 0755) == 0 || errno == EEXIST;
    REQUIRE(made, UNAVAILABLE, "dataset.folder.make");
    return OK;
}

bool folder_has(const struct folder *folder, const char *name)
{
    return faccessat(folder->descriptor, name, F_OK, 0) == 0;
}

fallible folder_open_file(const struct folder *folder, const char *name, int *out_descriptor,
                          uint64_t *out_size)
{
    scoped_descriptor descriptor = openat(folder->descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    REQUIRE(descriptor >= 0, NOT_FOUND, "dataset.file.missing");
    struct stat status;
    REQUIRE(fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode), INVALID, "dataset.file.kind");
    *out_size = (uint64_t)status.st_size;
    *out_descriptor = descriptor;
    descriptor = -1;
    return OK;
}

fallible folder_read_at(int descriptor, uint64_t offset, size_t size, uint8_t *out)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(descriptor, out + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(got >= 0, UNAVAILABLE, "dataset.read");
        REQUIRE(got > 0, CORRUPT, "dataset.file.truncated");
        done += (size_t)got;
    }
    return OK;
}

fallible folder_write_at(int descriptor, struct bytes octets, uint64_t offset)
{
    for (size_t done = 0; done < octets.size;) {
        ssize_t put = pwrite(descriptor, octets.data + done, octets.size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(put > 0, UNAVAILABLE, "dataset.write");
        done += (size_t)put;
    }
    return OK;
}

fallible folder_read(struct arena *arena, const struct folder *folder, const char *name, size_t max,
                     struct bytes *out)
{
    scoped_descriptor descriptor = -1;
    uint64_t size;
    TRY(folder_open_file(folder, name, &descriptor, &size));
    REQUIRE(size <= max, LIMIT, "dataset.file.size");
    void *data;
    TRY(arena_take(arena, (size_t)size, &data));
    TRY(folder_read_at(descriptor, 0, (size_t)size, data));
    *out = (struct bytes){data, (size_t)size};
    return OK;
}

static void partial_name(const char *name, char out[FOLDER_NAME_BYTES])
{
    int size = snprintf(out, FOLDER_NAME_BYTES, "%s.partial", name);
    ASSERT(size > 0 && size < FOLDER_NAME_BYTES);
}

fallible folder_begin(const struct folder *folder, const char *name, unsigned mode, int *out_descriptor)
{
    char partial[FOLDER_NAME_BYTES];
    partial_name(name, partial);
    int descriptor =
        openat(folder->descriptor, partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    REQUIRE(descriptor >= 0, UNAVAILABLE, "dataset.write");
    *out_descriptor = descriptor;
    return OK;
}

fallible folder_commit(const struct folder *folder, const char *name, int descriptor)
{
    char partial[FOLDER_NAME_BYTES];
    partial_name(name, partial);
    REQUIRE(fsync(descriptor) == 0, UNAVAILABLE, "dataset.write");
    REQUIRE(renameat(folder->descriptor, partial, folder->descriptor, name) == 0, UNAVAILABLE,
            "dataset.write");
    REQUIRE(fsync(folder->descriptor) == 0, UNAVAILABLE, "dataset.write");
    return OK;
}

fallible folder_write(const struct folder *folder, const char *name, unsigned mode, struct bytes octets)
{
    scoped_descriptor descriptor = -1;
    TRY(folder_begin(folder, name, mode, &descriptor));
    TRY(folder_write_at(descriptor, octets, 0));
    return folder_commit(folder, name, descriptor);
}

fallible folder_remove(const struct folder *folder, const char *name)
{
    bool gone = unlinkat(folder->descriptor, name, 0) == 0 || errno == ENOENT;
    REQUIRE(gone, UNAVAILABLE, "dataset.remove");
    return OK;
}

void folder_part_name(uint64_t number, const char *suffix, char out[FOLDER_NAME_BYTES])
{
    int size = snprintf(out, FOLDER_NAME_BYTES, "parts/%06llu.%s", (unsigned long long)number, suffix);
    ASSERT(size > 0 && size < FOLDER_NAME_BYTES);
}
