#include "service/setting/setting.h"

enum { WORDS_MAX = 256 };

struct expansion {
    struct arena *arena;
    const struct setting_program *program;
    int command;
    const struct setting *given[WORDS_MAX]; /* the options of the command line */
    size_t given_count;
    const char *config;
    struct setting_words out;
};

/* The value that follows in the same word ("--name=value") is left in `*out_value`, which is NULL without. */
static const struct setting *option_of(const struct expansion *expansion, const char *word,
                                       const char **out_value)
{
    const char *equals = strchr(word, '=');
    struct text name = {word + 2, equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2};
    *out_value = equals != NULL ? equals + 1 : NULL;
    return setting_find(expansion->program, name, SETTING_AT(expansion->command));
}

static fallible take_option(struct expansion *expansion, int count, char *const words[], int *at)
{
    const char *value;
    const char *word = words[*at];
    const struct setting *setting = option_of(expansion, word, &value);
    if (setting == NULL || (setting->kind == SETTING_FLAG && value != NULL)) {
        return FAIL_AT(INVALID, "setting.option.unknown", word);
    }
    if (setting->kind == SETTING_FLAG) {
        return OK;
    }
    if (value == NULL && *at + 1 < count) {
        value = words[++*at];
    }
    if (value == NULL || value[0] == '\0') {
        return FAIL_AT(INVALID, "setting.option.value_missing", word);
    }
    struct result checked = setting_check(setting, text_of(value));
    if (!result_is_ok(checked)) {
        checked.where = arena_where(
            expansion->arena, "--%s: has to be %s", setting->name,
            setting->kind == SETTING_PATH ? "a path" : setting_expectation(expansion->arena, setting));
        return checked;
    }
    expansion->given[expansion->given_count++] = setting;
    expansion->config = strcmp(setting->name, "config") == 0 ? value : expansion->config;
    return OK;
}

static bool is_given(const struct expansion *expansion, const struct setting *setting)
{
    for (size_t i = 0; i < expansion->given_count; i++) {
        if (expansion->given[i] == setting) {
            return true;
        }
    }
    return false;
}

static fallible add_word(struct expansion *expansion, const char *word)
{
    REQUIRE(expansion->out.count < WORDS_MAX, LIMIT, "setting.words");
    expansion->out.words[expansion->out.count++] = (char *)word;
    return OK;
}

/* What the file says for this command and the command line does not. */
static fallible add_from_file(struct expansion *expansion, const struct setting_file *file)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct setting *setting = file->values[i].setting;
        struct text word;
        if ((setting->places & SETTING_AT(expansion->command)) == 0 || is_given(expansion, setting)) {
            continue;
        }
        TRY(arena_printf(expansion->arena, &word, "--%s=%.*s", setting->name,
                         TEXT_ARGS(file->values[i].text)));
        TRY(add_word(expansion, word.data));
    }
    return OK;
}

static fallible read_config(struct expansion *expansion, struct setting_file *out)
{
    struct bytes content;
    struct result result = setting_file_read(expansion->arena, expansion->config, &content);
    if (!result_is_ok(result)) {
        result.where = expansion->config;
        return result;
    }
    return setting_file_parse(expansion->arena, expansion->program, expansion->config, content, out);
}

static fallible expand(struct expansion *expansion, int count, char *const words[])
{
    struct setting_file *file;
    TRY(ARENA_NEW(expansion->arena, struct setting_file, &file));
    *file = (struct setting_file){0};
    if (expansion->config != NULL) {
        TRY(read_config(expansion, file));
    }
    struct text folder = setting_file_value(file, "folder");
    TRY(add_word(expansion, words[0]));
    if (folder.size > 0) {
        const char *word;
        TRY(arena_cstring(expansion->arena, folder, &word));
        TRY(add_word(expansion, word));
    }
    for (int i = 1; i < count; i++) {
        TRY(add_word(expansion, words[i]));
    }
    TRY(add_from_file(expansion, file));
    expansion->out.words[expansion->out.count] = NULL;
    return OK;
}

fallible setting_expand(struct arena *arena, const struct setting_program *program, int count,
                        char *const words[], struct setting_words *out)
{
    struct expansion *expansion;
    TRY(ARENA_NEW(arena, struct expansion, &expansion));
    *expansion = (struct expansion){.arena = arena, .program = program};
    REQUIRE(count > 0 && count < WORDS_MAX, INVALID, "setting.command");
    expansion->command = setting_command_find(program, text_of(words[0]));
    if (expansion->command < 0) {
        return FAIL_AT(INVALID, "setting.command", words[0]);
    }
    TRY(ARENA_ARRAY(arena, char *, WORDS_MAX + 1, &expansion->out.words));
    for (int i = 1; i < count; i++) {
        if (strncmp(words[i], "--", 2) == 0) {
            TRY(take_option(expansion, count, words, &i));
        }
    }
    TRY(expand(expansion, count, words));
    *out = expansion->out;
    return OK;
}
