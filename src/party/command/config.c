#include "party/command/table.h"
#include "service/setting/setting.h"

/* What counts of a setting: a value of the file, or what holds when nothing is said. */
static fallible print_setting(struct invocation *invocation, const struct setting_file *file,
                              const struct setting *setting, json_t *settings)
{
    bool said = false;
    json_t *values = json_array();
    TRY(json_set(settings, setting->name, values));
    for (size_t i = 0; i < file->count; i++) {
        if (file->values[i].setting == setting) {
            said = true;
            TRY(json_add_text(values, file->values[i].text));
            screen_line(&invocation->screen, "%-22s %s", setting->name,
                        screen_safe(invocation->arena, file->values[i].text));
        }
    }
    if (!said) {
        screen_line(&invocation->screen, "%-22s (not said%s%s)", setting->name,
                    setting->otherwise != NULL ? ": " : "",
                    setting->otherwise != NULL ? setting->otherwise : "");
    }
    return OK;
}

static fallible run_check(struct invocation *invocation)
{
    const char *path = invocation_argument(invocation, 0);
    struct setting_file *file;
    struct bytes content;
    scoped_json *json = json_object();
    json_t *settings = json_object();
    TRY(json_set(json, "settings", settings));
    TRY(ARENA_NEW(invocation->arena, struct setting_file, &file));
    struct result result = setting_file_read(invocation->arena, path, &content);
    if (!result_is_ok(result)) {
        result.where = path;
        return result;
    }
    TRY(setting_file_parse(invocation->arena, NULL, path, content, file));
    TRY(json_set_text(json, "program", text_of(file->program->name)));
    screen_line(&invocation->screen, "%-22s %s", "program", file->program->name);
    for (const struct setting *row = file->program->settings; row->name != NULL; row++) {
        if ((row->places & SETTING_FILE) != 0) {
            TRY(print_setting(invocation, file, row, settings));
        }
    }
    return screen_json(&invocation->screen, json);
}

static const struct option no_options[] = {{0}};

const struct command command_config[] = {
    {"config", "check", "judge a configuration file of a service, and print what counts", "FILE",
     "The file says for which program it is. An unknown key, a second value, a value of another kind or out "
     "of range "
     "is\nrefused with file, line and key, exactly as the service itself refuses it.",
     no_options, 1, 1, run_check},
    {0},
};
