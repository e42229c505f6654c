#include "service/setup/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4000 };

static fallible path_text(struct text path, char out[static PATH_BYTES_MAX + 1])
{
    REQUIRE(path.size > 0 && path.size <= PATH_BYTES_MAX && memchr(path.data, 0, path.size) == NULL, INVALID,
            "setup.path");
    memcpy(out, path.data, path.size);
    out[path.size] = 0;
    return OK;
}

static void descriptor_close(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
    }
}
#define scoped_descriptor defer(descriptor_close) int

fallible folder_create(struct text path)
{
    char name[PATH_BYTES_MAX + 1];
    struct stat status;
    TRY(path_text(path, name));
    if (mkdir(name, 0700) == 0) {
        return OK;
    }
    REQUIRE(errno == EEXIST, UNAVAILABLE, "setup.folder.create");
    REQUIRE(stat(name, &status) == 0 && S_ISDIR(status.st_mode), CONFLICT, "setup.folder.not_a_folder");
    REQUIRE((status.st_mode & 077) == 0, DENIED, "setup.folder.mode");
    return OK;
}

fallible folder_is_unused(struct arena *arena, struct text folder, const char *name)
{
    struct text path;
    char cstring[PATH_BYTES_MAX + 1];
    TRY(path_join(arena, folder, name, &path));
    TRY(path_text(path, cstring));
    REQUIRE(access(cstring, F_OK) != 0, CONFLICT, "setup.folder.used");
    return OK;
}

fallible path_join(struct arena *arena, struct text folder, const char *name, struct text *out)
{
    return arena_printf(arena, out, "%.*s/%s", TEXT_ARGS(folder), name);
}

static fallible write_all(int descriptor, struct bytes content)
{
    while (content.size > 0) {
        ssize_t done = write(descriptor, content.data, content.size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(done > 0, UNAVAILABLE, "setup.file.write");
        content = (struct bytes){content.data + done, content.size - (size_t)done};
    }
    REQUIRE(fsync(descriptor) == 0, UNAVAILABLE, "setup.file.flush");
    return OK;
}

static fallible flush_folder(char *name)
{
    char *slash = strrchr(name, '/');
    if (slash != NULL) {
        *slash = 0;
    }
    scoped_descriptor folder = open(slash == NULL ? "."
                                    : *name == 0  ? "/"
                                                  : name,
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(folder >= 0 && fsync(folder) == 0, UNAVAILABLE, "setup.folder.flush");
    return OK;
}

fallible file_write(struct text path, struct bytes content)
{
    char name[PATH_BYTES_MAX + 1];
    char temporary[PATH_BYTES_MAX + 16];
    TRY(path_text(path, name));
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", name);
    scoped_descriptor descriptor = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    REQUIRE(descriptor >= 0, UNAVAILABLE, "setup.file.create");
    struct result result = write_all(descriptor, content);
    if (result_is_ok(result) && rename(temporary, name) != 0) {
        result = FAIL(UNAVAILABLE, "setup.file.rename");
    }
    if (!result_is_ok(result)) {
        unlink(temporary);
        return result;
    }
    return flush_folder(name);
}

fallible file_write_json(struct text path, const json_t *value)
{
    scoped_buffer text;
    buffer_init(&text, SETUP_FILE_BYTES_MAX);
    TRY(json_encode(value, &text));
    TRY(buffer_add_byte(&text, '\n'));
    struct result result = file_write(path, buffer_view(&text));
    wipe(text.data, text.size); /* connection files hold credentials */
    return result;
}

fallible file_write_secret(struct text path, const struct secret *content)
{
    return file_write(path, secret_view(content));
}

fallible file_remove(struct text path)
{
    char name[PATH_BYTES_MAX + 1];
    TRY(path_text(path, name));
    REQUIRE(unlink(name) == 0 || errno == ENOENT, UNAVAILABLE, "setup.file.remove");
    return flush_folder(name);
}

static fallible open_file(struct text path, int *out, size_t *out_size, mode_t *out_mode)
{
    char name[PATH_BYTES_MAX + 1];
    struct stat status;
    TRY(path_text(path, name));
    int descriptor = open(name, O_RDONLY | O_CLOEXEC);
    REQUIRE(descriptor >= 0 || errno != ENOENT, NOT_FOUND, "setup.file.missing");
    REQUIRE(descriptor >= 0, DENIED, "setup.file.open");
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_size > SETUP_FILE_BYTES_MAX) {
        close(descriptor);
        return FAIL(LIMIT, "setup.file.too_large");
    }
    *out = descriptor;
    *out_size = (size_t)status.st_size;
    *out_mode = status.st_mode;
    return OK;
}

static fallible read_all(int descriptor, uint8_t *out, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(descriptor, out + done, size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        REQUIRE(got > 0, UNAVAILABLE, "setup.file.read");
        done += (size_t)got;
    }
    return OK;
}

fallible file_read(struct arena *arena, struct text path, struct bytes *out)
{
    scoped_descriptor descriptor = -1;
    size_t size;
    mode_t mode;
    uint8_t *octets;
    TRY(open_file(path, &descriptor, &size, &mode));
    TRY(arena_take(arena, size, (void **)&octets));
    TRY(read_all(descriptor, octets, size));
    *out = (struct bytes){octets, size};
    return OK;
}

fallible file_read_json(struct arena *arena, struct text path, json_t **out)
{
    struct bytes content;
    TRY(file_read(arena, path, &content));
    return json_decode(content, out);
}

fallible file_read_secret(struct text path, struct secret *out)
{
    scoped_descriptor descriptor = -1;
    size_t size;
    mode_t mode;
    scoped_secret content = {0};
    TRY(open_file(path, &descriptor, &size, &mode));
    REQUIRE((mode & 077) == 0, DENIED, "setup.file.mode");
    REQUIRE(size > 0, CORRUPT, "setup.file.empty");
    TRY(secret_new(size, &content));
    TRY(read_all(descriptor, content.data, size));
    secret_move(&content, out);
    return OK;
}

static int by_octets(const void *left, const void *right)
{
    const struct text *a = left;
    const struct text *b = right;
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static void listing_close(DIR **listing)
{
    if (*listing != NULL) {
        closedir(*listing);
    }
}

fallible folder_list(struct arena *arena, struct text folder, const char *suffix, size_t max,
                     struct text out[], size_t *out_count)
{
    char name[PATH_BYTES_MAX + 1];
    size_t count = 0;
    TRY(path_text(folder, name));
    defer(listing_close) DIR *listing = opendir(name);
    REQUIRE(listing != NULL, NOT_FOUND, "setup.folder.missing");
    const struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        struct text entry_name = text_of(entry->d_name);
        if (entry_name.data[0] == '.' || !text_ends_with(entry_name, text_of(suffix))) {
            continue;
        }
        REQUIRE(count < max, LIMIT, "setup.folder.too_many");
        TRY(arena_copy_text(arena, entry_name, &out[count]));
        count++;
    }
    qsort(out, count, sizeof *out, by_octets);
    *out_count = count;
    return OK;
}
