#include "party/home/file.h"

#include "base/buffer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_file(int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}
#define scoped_file defer(close_file) int

static struct result failure_of(int error, const char *path)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return FAIL_AT(NOT_FOUND, "file.not_found", path);
    case EACCES:
    case EPERM:
    case EROFS:
        return FAIL_AT(DENIED, "file.access", path);
    case EEXIST:
        return FAIL_AT(CONFLICT, "file.exists", path);
    case ENOSPC:
    case EDQUOT:
        return FAIL_AT(UNAVAILABLE, "file.no_space", path);
    case EIO:
        return FAIL_AT(UNAVAILABLE, "file.device", path);
    case EISDIR:
        return FAIL_AT(INVALID, "file.is_a_folder", path);
    default:
        return FAIL_AT(INTERNAL, "file.system", path);
    }
}

static fallible open_to_read(const char *path, int *out)
{
    int file = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return failure_of(errno, path);
    }
    *out = file;
    return OK;
}

fallible file_read(struct arena *arena, const char *path, struct bytes *out)
{
    scoped_file file = -1;
    TRY(open_to_read(path, &file));
    scoped_buffer buffer;
    buffer_init(&buffer, FILE_SIZE_MAX);
    uint8_t chunk[16384];
    for (;;) {
        ssize_t size = read(file, chunk, sizeof(chunk));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return failure_of(errno, path);
        }
        if (size == 0) {
            break;
        }
        if (buffer.size + (size_t)size > FILE_SIZE_MAX) {
            return FAIL_AT(LIMIT, "file.size", path);
        }
        TRY(buffer_add(&buffer, (struct bytes){chunk, (size_t)size}));
    }
    return arena_copy(arena, buffer_view(&buffer), out);
}

fallible file_read_secret(const char *path, struct secret *out)
{
    scoped_file file = -1;
    TRY(open_to_read(path, &file));
    scoped_secret page = {0};
    TRY(secret_new(FILE_SECRET_BYTES_MAX, &page));
    size_t size = 0;
    while (size < page.size) {
        ssize_t taken = read(file, page.data + size, page.size - size);
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken < 0) {
            return failure_of(errno, path);
        }
        if (taken == 0) {
            break;
        }
        size += (size_t)taken;
    }
    size_t line = 0;
    while (line < size && page.data[line] != '\n' && page.data[line] != '\r') {
        line++;
    }
    if (line == 0) {
        return FAIL_AT(INVALID, "file.empty", path);
    }
    return secret_from((struct bytes){page.data, line}, out);
}

static fallible write_all(int file, struct bytes bytes, const char *path)
{
    while (bytes.size > 0) {
        ssize_t size = write(file, bytes.data, bytes.size);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return failure_of(errno, path);
        }
        bytes = bytes_slice(bytes, (size_t)size, bytes.size);
    }
    return OK;
}

/* A name that a crash may take back is not written. */
static fallible sync_folder_of(const char *path)
{
    scoped_arena arena;
    arena_init(&arena, 16384);
    const char *folder;
    TRY(file_folder_of(&arena, path, &folder));
    scoped_file file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || fsync(file) != 0) {
        return failure_of(errno, path);
    }
    return OK;
}

fallible file_write(const char *path, struct bytes bytes, enum file_mode mode)
{
    if (strcmp(path, "-") == 0) {
        return write_all(STDOUT_FILENO, bytes, path);
    }
    char beside[4096];
    int size = snprintf(beside, sizeof(beside), "%s.%ld.new", path, (long)getpid());
    if (size < 0 || (size_t)size >= sizeof(beside)) {
        return FAIL_AT(LIMIT, "file.path_too_long", path);
    }
    scoped_file file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (file < 0) {
        return failure_of(errno, path);
    }
    struct result result = write_all(file, bytes, path);
    if (result_is_ok(result) && (fsync(file) != 0 || rename(beside, path) != 0)) {
        result = failure_of(errno, path);
    }
    if (!result_is_ok(result)) {
        unlink(beside);
        return result;
    }
    return sync_folder_of(path);
}

fallible file_remove(const char *path)
{
    return unlink(path) == 0 ? OK : failure_of(errno, path);
}

fallible file_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0) {
        return failure_of(errno, to);
    }
    return sync_folder_of(to);
}

fallible file_make_folder(const char *path)
{
    char copy[4096];
    int size = snprintf(copy, sizeof(copy), "%s/", path);
    if (size < 0 || (size_t)size >= sizeof(copy)) {
        return FAIL_AT(LIMIT, "file.path_too_long", path);
    }
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
            return failure_of(errno, path);
        }
        *slash = '/';
    }
    struct stat facts;
    if (stat(path, &facts) != 0 || !S_ISDIR(facts.st_mode)) {
        return FAIL_AT(CONFLICT, "file.not_a_folder", path);
    }
    return OK;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL) {
        closedir(*folder);
    }
}

fallible file_list(struct arena *arena, const char *path, const char ***out_names, size_t *out_count)
{
    enum { NAMES_MAX = 4096 };
    defer(close_folder) DIR *folder = opendir(path);
    const char **names;
    TRY(ARENA_ARRAY(arena, const char *, NAMES_MAX, &names));
    size_t count = 0;
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (count == NAMES_MAX) {
            return FAIL_AT(LIMIT, "file.too_many", path);
        }
        TRY(arena_cstring(arena, text_of(entry->d_name), &names[count]));
        count++;
    }
    qsort(names, count, sizeof(names[0]), compare_names);
    *out_names = names;
    *out_count = count;
    return OK;
}

fallible file_path(struct arena *arena, const char *folder, const char *name, const char **out)
{
    struct text path;
    if (name[0] == '/' || folder[0] == '\0') {
        return arena_cstring(arena, text_of(name), out);
    }
    TRY(arena_printf(arena, &path, "%s/%s", folder, name));
    return arena_cstring(arena, path, out);
}

fallible file_folder_of(struct arena *arena, const char *path, const char **out)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        *out = ".";
        return OK;
    }
    size_t size = slash == path ? 1 : (size_t)(slash - path);
    return arena_cstring(arena, (struct text){path, size}, out);
}
