#include "host/storage/storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_ENDING ".tmp"

static void close_file(int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}
#define scoped_file defer(close_file) int

static ssize_t system_write(void *self, int file, const void *data, size_t size)
{
    (void)self;
    return write(file, data, size);
}

static int system_sync(void *self, int file)
{
    (void)self;
    return fsync(file);
}

struct storage_disk storage_disk_of_system(void)
{
    return (struct storage_disk){NULL, system_write, system_sync};
}

static fallible failure_of(int number)
{
    REQUIRE(number != ENOSPC && number != EDQUOT && number != EFBIG, UNAVAILABLE, "storage.disk.full");
    REQUIRE(number != ENOENT && number != ENOTDIR, NOT_FOUND, "storage.object.missing");
    REQUIRE(number != EMFILE && number != ENFILE, UNAVAILABLE, "storage.files.too_many");
    return FAIL(UNAVAILABLE, "storage.disk.write");
}

/* Counts sizes below `folder` (taken over) and removes temporary files. */
static void count_folder(int folder, unsigned depth, uint64_t *bytes)
{
    DIR *entries = fdopendir(folder);
    if (entries == NULL) {
        close(folder);
        return;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        struct stat status;
        if (entry->d_name[0] == '.' || fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (S_ISDIR(status.st_mode) && depth > 0) {
            int child = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (child >= 0) {
                count_folder(child, depth - 1, bytes);
            }
        } else if (text_ends_with(text_of(entry->d_name), TEXT(TEMPORARY_ENDING))) {
            unlinkat(folder, entry->d_name, 0);
        } else if (S_ISREG(status.st_mode)) {
            *bytes += (uint64_t)status.st_size;
        }
    }
    closedir(entries);
}

fallible storage_open(const char *folder, uint64_t bytes_max, struct storage_disk disk, struct storage *out)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return FAIL(UNAVAILABLE, "storage.folder.open");
    }
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(file >= 0, UNAVAILABLE, "storage.folder.open");
    uint64_t bytes = 0;
    int counted = openat(file, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (counted >= 0) {
        count_folder(counted, 8, &bytes);
    }
    *out = (struct storage){.folder = file, .bytes_max = bytes_max, .disk = disk, .bytes = bytes};
    pthread_mutex_init(&out->mutex, NULL);
    pthread_mutex_init(&out->put_mutex, NULL);
    return OK;
}

void storage_close(struct storage *storage)
{
    if (storage->bytes_max > 0) {
        close(storage->folder);
        pthread_mutex_destroy(&storage->mutex);
        pthread_mutex_destroy(&storage->put_mutex);
        *storage = (struct storage){0};
    }
}

fallible storage_reserve(struct storage *storage, uint64_t bytes)
{
    pthread_mutex_lock(&storage->mutex);
    bool fits = bytes <= storage->bytes_max && storage->bytes <= storage->bytes_max - bytes;
    storage->bytes += fits ? bytes : 0;
    pthread_mutex_unlock(&storage->mutex);
    REQUIRE(fits, LIMIT, "storage.full");
    return OK;
}

void storage_give_back(struct storage *storage, uint64_t bytes)
{
    pthread_mutex_lock(&storage->mutex);
    storage->bytes -= bytes <= storage->bytes ? bytes : storage->bytes;
    pthread_mutex_unlock(&storage->mutex);
}

fallible storage_write_all(const struct storage *storage, int file, struct bytes content, size_t *out_written)
{
    *out_written = 0;
    while (*out_written < content.size) {
        ssize_t written = storage->disk.write(storage->disk.self, file, content.data + *out_written,
                                              content.size - *out_written);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return failure_of(errno);
        }
        REQUIRE(written > 0, UNAVAILABLE, "storage.disk.full");
        *out_written += (size_t)written;
    }
    return OK;
}

fallible storage_sync(const struct storage *storage, int file)
{
    if (storage->disk.sync(storage->disk.self, file) != 0) {
        return failure_of(errno);
    }
    return OK;
}

static fallible enter(const struct storage *storage, int folder, const char *name, int *out)
{
    int child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (child < 0 && errno == ENOENT) {
        if (mkdirat(folder, name, 0700) != 0 && errno != EEXIST) {
            return failure_of(errno);
        }
        TRY(storage_sync(storage, folder));
        child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (child < 0) {
        return failure_of(errno);
    }
    *out = child;
    return OK;
}

fallible storage_parent(const struct storage *storage, const struct storage_path *path, int *out_folder,
                        const char **out_leaf)
{
    int folder = openat(storage->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return failure_of(errno);
    }
    const char *at = path->text;
    for (const char *slash = strchr(at, '/'); slash != NULL; slash = strchr(at, '/')) {
        char name[STORAGE_PATH_BYTES];
        snprintf(name, sizeof name, "%.*s", (int)(slash - at), at);
        int child = -1;
        struct result result = enter(storage, folder, name, &child);
        close(folder);
        TRY(result);
        folder = child;
        at = slash + 1;
    }
    *out_folder = folder;
    *out_leaf = at;
    return OK;
}

fallible storage_read(const struct storage *storage, const struct storage_path *path, int *out_file,
                      uint64_t *out_size)
{
    int file = openat(storage->folder, path->text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) {
        return failure_of(errno);
    }
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(file);
        return FAIL(NOT_FOUND, "storage.object.missing");
    }
    *out_file = file;
    *out_size = (uint64_t)status.st_size;
    return OK;
}

bool storage_has(const struct storage *storage, const struct storage_path *path)
{
    struct stat status;
    return fstatat(storage->folder, path->text, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
}

static fallible read_exactly(int file, uint64_t offset, uint64_t size, struct buffer *out)
{
    size_t before = out->size;
    uint8_t *at;
    TRY(buffer_extend(out, size, &at));
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(file, at + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            out->size = before;
            return FAIL(UNAVAILABLE, "storage.disk.read");
        }
        done += (size_t)got;
    }
    return OK;
}

fallible storage_get_range(const struct storage *storage, const struct storage_path *path, uint64_t offset,
                           uint64_t size, struct buffer *out)
{
    scoped_file file = -1;
    uint64_t all;
    TRY(storage_read(storage, path, &file, &all));
    REQUIRE(offset <= all && size <= all - offset, INVALID, "storage.object.range");
    return read_exactly(file, offset, size, out);
}

fallible storage_get(const struct storage *storage, const struct storage_path *path, struct buffer *out)
{
    scoped_file file = -1;
    uint64_t size;
    TRY(storage_read(storage, path, &file, &size));
    return read_exactly(file, 0, size, out);
}

/* OK: the same octets are there. NOT_FOUND: nothing is. CONFLICT: something else is. */
static fallible compare(const struct storage *storage, const struct storage_path *path, struct bytes content,
                        uint64_t *out_size)
{
    scoped_file file = -1;
    TRY(storage_read(storage, path, &file, out_size));
    REQUIRE(*out_size == content.size, CONFLICT, "storage.object.exists");
    scoped_buffer present;
    buffer_init(&present, content.size);
    TRY(read_exactly(file, 0, content.size, &present));
    REQUIRE(bytes_equal(buffer_view(&present), content), CONFLICT, "storage.object.exists");
    return OK;
}

static fallible write_temporary(const struct storage *storage, int folder, const char *name,
                                struct bytes content)
{
    scoped_file file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) {
        return failure_of(errno);
    }
    size_t written;
    TRY(storage_write_all(storage, file, content, &written));
    return storage_sync(storage, file);
}

static fallible write_object(struct storage *storage, const struct storage_path *path, struct bytes content)
{
    scoped_file folder = -1;
    const char *leaf;
    TRY(storage_parent(storage, path, &folder, &leaf));
    char temporary[STORAGE_PATH_BYTES + 64];
    snprintf(temporary, sizeof temporary, "%s.%" PRIu64 TEMPORARY_ENDING, leaf, storage->puts++);
    struct result result = write_temporary(storage, folder, temporary, content);
    if (result_is_ok(result) && renameat(folder, temporary, folder, leaf) != 0) {
        result = failure_of(errno);
    }
    if (!result_is_ok(result)) {
        unlinkat(folder, temporary, 0);
        return result;
    }
    return storage_sync(storage, folder);
}

/* What is there may be there since a put that could not flush its folder. */
static fallible sync_parent(const struct storage *storage, const struct storage_path *path)
{
    scoped_file folder = -1;
    const char *leaf;
    TRY(storage_parent(storage, path, &folder, &leaf));
    return storage_sync(storage, folder);
}

static fallible put(struct storage *storage, const struct storage_path *path, struct bytes content,
                    enum storage_writing writing, bool *out_is_new)
{
    uint64_t present_size = 0;
    struct result compared = compare(storage, path, content, &present_size);
    if (result_is_ok(compared)) {
        *out_is_new = false;
        return sync_parent(storage, path);
    }
    bool may_write =
        compared.code == RESULT_NOT_FOUND || (writing == STORAGE_REPLACE && compared.code == RESULT_CONFLICT);
    if (!may_write) {
        return compared;
    }
    TRY(storage_reserve(storage, content.size));
    struct result result = write_object(storage, path, content);
    storage_give_back(storage, result_is_ok(result) ? present_size : content.size);
    TRY(result);
    *out_is_new = true;
    return OK;
}

fallible storage_put(struct storage *storage, const struct storage_path *path, struct bytes content,
                     enum storage_writing writing, bool *out_is_new)
{
    pthread_mutex_lock(&storage->put_mutex);
    struct result result = put(storage, path, content, writing, out_is_new);
    pthread_mutex_unlock(&storage->put_mutex);
    return result;
}

fallible storage_list(const struct storage *storage, const char *folder, size_t max,
                      fallible (*visit)(void *self, const char *name), void *self)
{
    int file = openat(storage->folder, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT ? OK : failure_of(errno);
    }
    DIR *entries = fdopendir(file);
    if (entries == NULL) {
        close(file);
        return FAIL(NO_MEMORY, "storage.folder.open");
    }
    struct result result = OK;
    size_t visited = 0;
    for (struct dirent *entry = readdir(entries); entry != NULL && visited < max; entry = readdir(entries)) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        visited++;
        result = visit(self, entry->d_name);
        if (!result_is_ok(result)) {
            break;
        }
    }
    closedir(entries);
    return result;
}
