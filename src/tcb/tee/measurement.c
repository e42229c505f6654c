#include "tee/measurement.h"

#include "base/buffer.h"
#include "base/encode.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAPS_BYTES_MAX = 4 * 1024 * 1024 };

static void close_file(const int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}

static struct text last_part(struct text path)
{
    size_t start = path.size;
    while (start > 0 && path.data[start - 1] != '/') {
        start--;
    }
    return (struct text){path.data + start, path.size - start};
}

fallible measurement_add_file(struct arena *arena, struct text path, struct measurement_list *list)
{
    struct text name = last_part(path);
    REQUIRE(name.size > 0 && text_is_printable_utf8(name), INVALID, "measurement.name");
    for (size_t i = 0; i < list->count; i++) {
        if (text_equal(list->files[i].path, path)) {
            return OK;
        }
        REQUIRE(!text_equal(list->files[i].name, name), CONFLICT, "measurement.name_twice");
    }
    REQUIRE(list->count < MEASUREMENT_FILES_MAX, LIMIT, "measurement.files");
    struct measurement_file file;
    TRY(arena_copy_text(arena, path, &file.path));
    file.name = last_part(file.path);
    list->files[list->count++] = file;
    return OK;
}

static fallible read_all(const char *path, struct buffer *out)
{
    defer(close_file) int file = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0, UNAVAILABLE, "measurement.maps");
    uint8_t octets[4096];
    ssize_t size;
    while ((size = read(file, octets, sizeof octets)) > 0) {
        TRY(buffer_add(out, (struct bytes){octets, (size_t)size}));
    }
    REQUIRE(size == 0, UNAVAILABLE, "measurement.maps");
    return OK;
}

/* One line of proc(5) maps: "address perms offset device inode   path". */
static fallible add_mapping(struct arena *arena, struct text line, struct measurement_list *list)
{
    const char *space = memchr(line.data, ' ', line.size);
    const char *path = memchr(line.data, '/', line.size);
    if (space == NULL || path == NULL || space + 3 >= path || space[3] != 'x') {
        return OK;
    }
    struct text name = {path, line.size - (size_t)(path - line.data)};
    REQUIRE(!text_ends_with(name, TEXT(" (deleted)")), UNTRUSTED, "measurement.file_replaced");
    return measurement_add_file(arena, name, list);
}

fallible measurement_add_process(struct arena *arena, pid_t pid, struct measurement_list *list)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", pid == 0 ? (int)getpid() : (int)pid);
    scoped_buffer maps;
    buffer_init(&maps, MAPS_BYTES_MAX);
    TRY(read_all(path, &maps));
    struct text left = buffer_text(&maps);
    while (left.size > 0) {
        const char *end = memchr(left.data, '\n', left.size);
        size_t size = end == NULL ? left.size : (size_t)(end - left.data);
        TRY(add_mapping(arena, (struct text){left.data, size}, list));
        size_t taken = end == NULL ? size : size + 1;
        left = (struct text){left.data + taken, left.size - taken};
    }
    return OK;
}

static fallible hash_file(struct arena *arena, struct text path, struct digest *out)
{
    const char *name;
    TRY(arena_cstring(arena, path, &name));
    defer(close_file) int file = open(name, O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0, UNAVAILABLE, "measurement.file");
    scoped_hasher hasher = {0};
    TRY(hasher_init(&hasher));
    uint8_t octets[65536];
    ssize_t size;
    while ((size = read(file, octets, sizeof octets)) > 0) {
        TRY(hasher_add(&hasher, (struct bytes){octets, (size_t)size}));
    }
    REQUIRE(size == 0, UNAVAILABLE, "measurement.file");
    return hasher_finish(&hasher, out);
}

static int compare_names(const void *left, const void *right)
{
    const struct measurement_file *a = left, *b = right;
    return text_compare(a->name, b->name);
}

fallible measurement_compute(struct arena *arena, struct measurement_list *list, struct digest384 *out,
                             struct text *out_lines)
{
    REQUIRE(list->count > 0, INVALID, "measurement.empty");
    qsort(list->files, list->count, sizeof *list->files, compare_names);
    scoped_buffer lines;
    buffer_init(&lines, MEASUREMENT_FILES_MAX * 512);
    for (size_t i = 0; i < list->count; i++) {
        struct digest digest;
        struct text hex;
        TRY(hash_file(arena, list->files[i].path, &digest));
        TRY(encode_hex(arena, digest_view(&digest), &hex));
        TRY(buffer_printf(&lines, "%.*s  %.*s\n", TEXT_ARGS(hex), TEXT_ARGS(list->files[i].name)));
    }
    if (out_lines != NULL) {
        TRY(arena_copy_text(arena, buffer_text(&lines), out_lines));
    }
    *out = digest384_of(buffer_view(&lines));
    return OK;
}
