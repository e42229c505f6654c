/* truce-room-launch PROGRAM FILE: starts a room with the words of a configuration file.
 *
 * The room takes its few words from the command line, so that no parser of files is in the measured program.
 * This one judges FILE by the same table as all services do theirs, and becomes PROGRAM: `truce-room` or
 * `truce-room-sim`, beside this one. */
#include "service/setting/setting.h"

#include "main/identity.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { USAGE_STATUS = 2, ARENA_BYTES_MAX = 1024 * 1024 };

static const char help[] = "Usage: truce-room-launch truce-room|truce-room-sim FILE\n"
                           "\n"
                           "Becomes the room, serving as the configuration FILE says (man truce.conf).\n";

static fallible own_folder(char path[static PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    REQUIRE(size > 0, UNAVAILABLE, "room_launch.own_path");
    path[size] = 0;
    return OK;
}

/* serve DIR --name value… */
static fallible words_of(struct arena *arena, const char *program, const struct setting_file *file,
                         char **out)
{
    size_t count = 0;
    out[count++] = (char *)program;
    out[count++] = (char *)"serve";
    for (size_t i = 0; i < file->count; i++) {
        const struct setting_value *row = &file->values[i];
        struct text word;
        if (strcmp(row->setting->name, "folder") != 0) {
            TRY(arena_printf(arena, &word, "--%s", row->setting->name));
            out[count++] = (char *)word.data;
        }
        TRY(arena_printf(arena, &word, "%.*s", TEXT_ARGS(row->text)));
        out[count++] = (char *)word.data;
    }
    out[count] = NULL;
    return OK;
}

static fallible launch(const char *name, const char *path)
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct bytes content;
    struct setting_file *file;
    struct text program;
    char *words[2 * SETTING_VALUES_MAX + 3];
    char folder[PATH_MAX];
    TRY(ARENA_NEW(&arena, struct setting_file, &file));
    TRY(setting_file_read(&arena, path, &content));
    struct result result = setting_file_parse(&arena, &setting_room, path, content, file);
    if (!result_is_ok(result)) {
        fprintf(stderr, "truce-room-launch: %s (%s)\n", result.why,
                result.where != NULL ? result.where : path);
        result.where = NULL;
        return result;
    }
    TRY(own_folder(folder));
    TRY(arena_printf(&arena, &program, "%s%s", folder, name));
    TRY(words_of(&arena, program.data, file, words));
    execv(program.data, words);
    return FAIL(UNAVAILABLE, "room_launch.program");
}

int main(int count, char *arguments[])
{
    if (count == 2 && strcmp(arguments[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (count == 2 && strcmp(arguments[1], "--version") == 0) {
        printf("truce-room-launch %s", identity_text);
        return 0;
    }
    if (count != 3 ||
        (strcmp(arguments[1], "truce-room") != 0 && strcmp(arguments[1], "truce-room-sim") != 0)) {
        fputs(help, stderr);
        return USAGE_STATUS;
    }
    struct result result = launch(arguments[1], arguments[2]);
    fprintf(stderr, "truce-room-launch: %s: %s\n", result.why, result_code_advice(result.code));
    return result_code_exit_status(result.code);
}
