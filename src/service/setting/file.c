#include "service/setting/setting.h"

#include "base/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_file(const int *file)
{
    if (*file >= 0) {
        close(*file);
    }
}

fallible setting_file_read(struct arena *arena, const char *path, struct bytes *out)
{
    defer(close_file) int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    REQUIRE(file >= 0 || errno != ENOENT, NOT_FOUND, "setting.file.missing");
    REQUIRE(file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode), DENIED, "setting.file.open");
    REQUIRE(status.st_size <= SETTING_FILE_BYTES_MAX, LIMIT, "setting.file.size");
    uint8_t *octets;
    size_t done = 0;
    TRY(arena_take(arena, SETTING_FILE_BYTES_MAX, (void **)&octets));
    while (done < SETTING_FILE_BYTES_MAX) {
        ssize_t got = read(file, octets + done, SETTING_FILE_BYTES_MAX - done);
        REQUIRE(got >= 0, UNAVAILABLE, "setting.file.read");
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *out = (struct bytes){octets, done};
    return OK;
}

/* ---- One line ---- */

struct place {
    struct arena *arena;
    const char *path;
    unsigned line;
};

static struct text trimmed(struct text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = (struct text){text.data + 1, text.size - 1};
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* Keys of a file that nobody has judged yet go into a message only as far as they look like keys. */
static const char *place_of(const struct place *place, struct text key)
{
    size_t size = 0;
    while (size < key.size && size < 40 &&
           (key.data[size] == '-' || key.data[size] == '_' ||
            (key.data[size] >= 'a' && key.data[size] <= 'z') ||
            (key.data[size] >= 'A' && key.data[size] <= 'Z') ||
            (key.data[size] >= '0' && key.data[size] <= '9'))) {
        size++;
    }
    return arena_where(place->arena, "%s:%u%s%.*s", place->path, place->line, size > 0 ? ": " : "", (int)size,
                       key.data);
}

#define REFUSE(place, key, code, why) return FAIL_AT(code, why, place_of((place), (key)))

static fallible split(const struct place *place, struct text line, struct text *out_key,
                      struct text *out_value)
{
    const char *equals = memchr(line.data, '=', line.size);
    if (equals == NULL) {
        REFUSE(place, line, INVALID, "setting.line");
    }
    size_t size = (size_t)(equals - line.data);
    *out_key = trimmed((struct text){line.data, size});
    *out_value = trimmed((struct text){equals + 1, line.size - size - 1});
    if (out_key->size == 0) {
        REFUSE(place, *out_key, INVALID, "setting.line");
    }
    return OK;
}

static fallible take_program(const struct place *place, struct text key, struct text value,
                             struct setting_file *file)
{
    for (size_t i = 0; text_is(key, "program") && setting_programs[i] != NULL; i++) {
        bool may = file->program == NULL || file->program == setting_programs[i];
        if (may && text_equal(value, text_of(setting_programs[i]->name))) {
            file->program = setting_programs[i];
            return OK;
        }
    }
    REFUSE(place, key, INVALID, "setting.program");
}

static fallible take_value(const struct place *place, struct text key, struct text value,
                           struct setting_file *file)
{
    const struct setting *setting = setting_find(file->program, key, SETTING_FILE);
    if (setting == NULL) {
        REFUSE(place, key, INVALID, "setting.key_unknown");
    }
    if (!setting->repeated && setting_file_value(file, setting->name).data != NULL) {
        REFUSE(place, key, INVALID, "setting.key_repeated");
    }
    if (file->count == SETTING_VALUES_MAX) {
        REFUSE(place, key, LIMIT, "setting.file.values");
    }
    struct result result = setting_check(setting, value);
    if (result_is_ok(result) && setting->kind == SETTING_PATH && value.data[0] != '/') {
        result = FAIL(INVALID, "setting.value");
    }
    if (!result_is_ok(result)) {
        result.where = arena_where(place->arena, "%s: has to be %s", place_of(place, key),
                                   setting_expectation(place->arena, setting));
        return result;
    }
    file->values[file->count++] = (struct setting_value){setting, value, place->line};
    return OK;
}

/* ---- The file ---- */

static fallible check_complete(struct arena *arena, const char *path, const struct setting_file *file)
{
    for (const struct setting *row = file->program->settings; row->name != NULL; row++) {
        if (row->required && setting_file_value(file, row->name).data == NULL) {
            return FAIL_AT(INVALID, "setting.key_missing", arena_where(arena, "%s: %s", path, row->name));
        }
    }
    return OK;
}

static bool has_control_characters(struct text line)
{
    for (size_t i = 0; i < line.size; i++) {
        unsigned char c = (unsigned char)line.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static fallible take_line(const struct place *place, struct text line, bool *named, struct setting_file *file)
{
    struct text key;
    struct text value;
    if (line.size > SETTING_LINE_BYTES_MAX) {
        REFUSE(place, (struct text){0}, LIMIT, "setting.line_long");
    }
    if (has_control_characters(line)) {
        REFUSE(place, (struct text){0}, INVALID, "setting.line");
    }
    line = trimmed(line);
    if (line.size == 0 || line.data[0] == '#') {
        return OK;
    }
    TRY(split(place, line, &key, &value));
    if (!*named) {
        TRY(take_program(place, key, value, file));
        *named = true;
        return OK;
    }
    return take_value(place, key, value, file);
}

fallible setting_file_parse(struct arena *arena, const struct setting_program *program, const char *path,
                            struct bytes content, struct setting_file *out)
{
    struct setting_file *file;
    struct place place = {arena, path, 0};
    struct text left = text_of_bytes(content);
    bool named = false;
    TRY(ARENA_NEW(arena, struct setting_file, &file));
    *file = (struct setting_file){.program = program};
    while (left.size > 0) {
        const char *end = memchr(left.data, '\n', left.size);
        size_t size = end == NULL ? left.size : (size_t)(end - left.data);
        place.line++;
        TRY(take_line(&place, (struct text){left.data, size}, &named, file));
        size_t step = size + (end != NULL);
        left = (struct text){left.data + step, left.size - step};
    }
    if (!named) {
        return FAIL_AT(INVALID, "setting.program", arena_where(arena, "%s", path));
    }
    TRY(check_complete(arena, path, file));
    *out = *file;
    return OK;
}

struct text setting_file_value(const struct setting_file *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->values[i].setting->name, name) == 0) {
            return file->values[i].text;
        }
    }
    return (struct text){0};
}
