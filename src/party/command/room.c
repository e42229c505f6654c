#include "party/command/table.h"
#include "party/home/file.h"
#include "party/process/process.h"

static fallible run_measure(struct invocation *invocation)
{
    const char *program;
    struct text output;
    scoped_json *json = NULL;
    struct text type;
    struct text measurement;
    json_t *files;
    TRY(process_find(invocation->arena, invocation->surroundings.programs, "truce-room-sim", &program));
    const char *const words[] = {program, "measure", NULL};
    TRY(process_output(invocation->arena, words, &output));
    TRY(json_decode(bytes_of_text(output), &json));
    TRY(json_get_text(json, "type", &type));
    TRY(json_get_text(json, "measurement", &measurement));
    TRY(json_get_array(json, "files", &files));
    screen_line(&invocation->screen, "%.*s %.*s", TEXT_ARGS(type), TEXT_ARGS(measurement));
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *row = json_array_get(files, i);
        struct text name;
        struct text digest = {0};
        if (!result_is_ok(json_text(row, &name))) {
            TRY(json_get_text(row, "name", &name));
            (void)!result_is_ok(json_get_text(row, "sha256", &digest));
        }
        screen_line(&invocation->screen, "  %.*s%s%s", TEXT_ARGS(digest), digest.size > 0 ? "  " : "",
                    screen_safe(invocation->arena, name));
    }
    return screen_json(&invocation->screen, json);
}

static const struct option no_options[] = {{0}};

const struct command command_room[] = {
    {"room", "measure", "print the measurement of the room's programs on this machine", "",
     "SHA-384 over the programs and libraries of the room. Compare it with the measurement that a contract "
     "names.",
     no_options, 0, 0, run_measure},
    {0},
};
