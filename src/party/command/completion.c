#include "base/buffer.h"
#include "party/command/table.h"
#include "service/setting/setting.h"

/* `truce completion SHELL`: scripts written from the tables of commands and settings that --help is printed
 * from. */

enum { SCRIPT_BYTES_MAX = 1024 * 1024 };

/* ---- What kind of word a value is ---- */

enum word { WORD_OTHER, WORD_FILE, WORD_FOLDER, WORD_PARTY, WORD_FORMAT, WORD_SHELL };

static enum word kind_of(const char *option, const char *value)
{
    static const struct {
        const char *part;
        enum word kind;
    } rows[] = {
        {"FORMAT", WORD_FORMAT}, {"SHELL", WORD_SHELL}, {"PARTY", WORD_PARTY},   {"FILE", WORD_FILE},
        {".json", WORD_FILE},    {"FOLDER", WORD_FILE}, {"CONTRACT", WORD_FILE}, {"SOCKET", WORD_FILE},
        {"PATH", WORD_FILE},     {"DIR", WORD_FOLDER},
    };
    if (option != NULL && strcmp(option, "party") == 0) {
        return WORD_PARTY;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (value != NULL && strstr(value, rows[i].part) != NULL) {
            return rows[i].kind;
        }
    }
    return WORD_OTHER;
}

static const char *const bash_kinds[] = {"none", "file", "folder", "party", "format", "shell"};
static const char *const zsh_actions[] = {
    " ", "_files", "_files -/", "_truce_parties", "(csv jsonl parquet)", "(bash zsh)"};

static bool hides(const struct option *own, const struct option *common)
{
    for (const struct option *row = own; row->name != NULL; row++) {
        if (strcmp(row->name, common->name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- bash ---- */

static fallible bash_option(struct buffer *out, const char *name, const char *value)
{
    TRY(buffer_printf(out, " --%s", name));
    return value == NULL ? OK : buffer_printf(out, "=%s", bash_kinds[kind_of(name, value)]);
}

static fallible bash_command(struct buffer *out, const struct command *command)
{
    TRY(buffer_printf(out, "    'truce %s%s%s') arguments=%s options='", command->noun,
                      command->verb != NULL ? " " : "", command->verb != NULL ? command->verb : "",
                      bash_kinds[kind_of(NULL, command->arguments)]));
    for (const struct option *row = command->options; row->name != NULL; row++) {
        TRY(bash_option(out, row->name, row->value));
    }
    for (const struct option *row = invocation_common_options; row->name != NULL; row++) {
        if (!hides(command->options, row)) {
            TRY(bash_option(out, row->name, row->value));
        }
    }
    return buffer_printf(out, "' ;;\n");
}

static fallible bash_nouns(struct buffer *out)
{
    TRY(buffer_printf(out, "    'truce') words='"));
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        for (const struct command *row = command_tables[t]; row->noun != NULL; row++) {
            if (row == command_tables[t] || row->verb == NULL) {
                TRY(buffer_printf(out, "%s ", row->noun));
            }
        }
    }
    return buffer_printf(out, "' options=' --help --version' ;;\n");
}

static fallible bash_truce(struct buffer *out)
{
    TRY(bash_nouns(out));
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        const struct command *table = command_tables[t];
        if (table->verb != NULL) {
            TRY(buffer_printf(out, "    'truce %s') words='", table->noun));
            for (const struct command *row = table; row->noun != NULL; row++) {
                TRY(buffer_printf(out, "%s ", row->verb));
            }
            TRY(buffer_printf(out, "' options=' --help' ;;\n"));
        }
        for (const struct command *row = table; row->noun != NULL; row++) {
            TRY(bash_command(out, row));
        }
    }
    return OK;
}

static fallible bash_program(struct buffer *out, const struct setting_program *program)
{
    TRY(buffer_printf(out, "    '%s') words='", program->name));
    for (const struct setting_command *row = program->commands; row->verb != NULL; row++) {
        TRY(buffer_printf(out, "%s ", row->verb));
    }
    TRY(buffer_printf(out, "' options=' --help --version' ;;\n"));
    for (int i = 0; program->commands[i].verb != NULL; i++) {
        TRY(buffer_printf(out, "    '%s %s') arguments=%s options='", program->name,
                          program->commands[i].verb,
                          bash_kinds[kind_of(NULL, program->commands[i].arguments)]));
        for (const struct setting *row = program->settings; row->name != NULL; row++) {
            if ((row->places & SETTING_AT(i)) != 0) {
                TRY(bash_option(out, row->name, row->value));
            }
        }
        TRY(buffer_printf(out, "' ;;\n"));
    }
    return OK;
}

static const char bash_head[] = "# bash completion of Truce, written by `truce completion bash`\n"
                                "\n"
                                "# Sets words, options and arguments of a command: what may follow it.\n"
                                "_truce_command()\n"
                                "{\n"
                                "    words= options= arguments=none\n"
                                "    case $1 in\n";

static const char bash_tail[] =
    "    *) return 1 ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_truce_values()\n"
    "{\n"
    "    case $1 in\n"
    "    file) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$2\")) ;;\n"
    "    folder) compopt -o filenames; COMPREPLY=($(compgen -d -- \"$2\")) ;;\n"
    "    party) COMPREPLY=($(compgen -W \"$(ls "
    "\"${TRUCE_HOME:-$HOME/.truce}/parties\" 2>/dev/null)\" -- \"$2\")) ;;\n"
    "    format) COMPREPLY=($(compgen -W $'csv\\njsonl\\nparquet' -- \"$2\")) ;;\n"
    "    shell) COMPREPLY=($(compgen -W $'bash\\nzsh' -- \"$2\")) ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_truce()\n"
    "{\n"
    "    local IFS=$' \\t\\n' words options arguments "
    "current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local command=${COMP_WORDS[0]##*/} longer option at=1\n"
    "    COMPREPLY=()\n"
    "    while ((at < COMP_CWORD)); do\n"
    "        longer=\"$command ${COMP_WORDS[at]}\"\n"
    "        _truce_command \"$longer\" || break\n"
    "        command=$longer\n"
    "        ((at++))\n"
    "    done\n"
    "    _truce_command \"$command\" || return 0\n"
    "    if [[ $current == '=' ]]; then\n"
    "        current=\n"
    "    elif [[ $before == '=' ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    for option in $options; do\n"
    "        if [[ $option == \"$before\"=* ]]; then\n"
    "            local IFS=$'\\n'\n"
    "            _truce_values \"${option#*=}\" \"$current\"\n"
    "            return 0\n"
    "        fi\n"
    "    done\n"
    "    if [[ $current == -* ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$(for option in $options; do echo "
    "\"${option%%=*}\"; done)\" -- \"$current\"))\n"
    "    elif [[ -n $words ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
    "    else\n"
    "        local IFS=$'\\n'\n"
    "        _truce_values \"$arguments\" \"$current\"\n"
    "    fi\n"
    "}\n"
    "complete -F _truce truce";

static fallible bash_script(struct buffer *out)
{
    TRY(buffer_add_text(out, text_of(bash_head)));
    TRY(bash_truce(out));
    for (size_t i = 0; setting_programs[i] != NULL; i++) {
        TRY(bash_program(out, setting_programs[i]));
    }
    TRY(buffer_add_text(out, text_of(bash_tail)));
    for (size_t i = 0; setting_programs[i] != NULL; i++) {
        TRY(buffer_printf(out, " %s", setting_programs[i]->name));
    }
    return buffer_add_byte(out, '\n');
}

/* ---- zsh ---- */

/* Between single quotes, in a description of _arguments or _describe. */
static fallible zsh_text(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            TRY(buffer_add_text(out, TEXT("'\\''")));
        } else {
            if (strchr("[]:\\", *text) != NULL) {
                TRY(buffer_add_byte(out, '\\'));
            }
            TRY(buffer_add_byte(out, (uint8_t)*text));
        }
    }
    return OK;
}

static fallible zsh_option(struct buffer *out, const char *name, const char *value, const char *help,
                           bool repeated)
{
    TRY(buffer_printf(out, " \\\n            '%s--%s%s[", repeated ? "*" : "", name,
                      value != NULL ? "=" : ""));
    TRY(zsh_text(out, help));
    TRY(buffer_printf(out, "]"));
    if (value != NULL) {
        TRY(buffer_printf(out, ":"));
        TRY(zsh_text(out, value));
        TRY(buffer_printf(out, ":%s", zsh_actions[kind_of(name, value)]));
    }
    return buffer_printf(out, "'");
}

static fallible zsh_arguments(struct buffer *out, const char *arguments)
{
    if (arguments[0] != '\0') {
        TRY(buffer_printf(out, " \\\n            '*:"));
        TRY(zsh_text(out, arguments));
        TRY(buffer_printf(out, ":%s'", zsh_actions[kind_of(NULL, arguments)]));
    }
    return buffer_printf(out, " ;;\n");
}

static fallible zsh_command(struct buffer *out, const struct command *command)
{
    TRY(buffer_printf(out, "    'truce %s%s%s')\n        _arguments -s", command->noun,
                      command->verb != NULL ? " " : "", command->verb != NULL ? command->verb : ""));
    for (const struct option *row = command->options; row->name != NULL; row++) {
        TRY(zsh_option(out, row->name, row->value, row->help, row->repeated));
    }
    for (const struct option *row = invocation_common_options; row->name != NULL; row++) {
        if (!hides(command->options, row)) {
            TRY(zsh_option(out, row->name, row->value, row->help, row->repeated));
        }
    }
    return zsh_arguments(out, command->arguments);
}

static fallible zsh_word(struct buffer *out, const char *word, const char *help)
{
    TRY(buffer_printf(out, " \\\n            '%s:", word));
    TRY(zsh_text(out, help));
    return buffer_printf(out, "'");
}

static fallible zsh_truce(struct buffer *out)
{
    TRY(buffer_printf(out, "    'truce')\n        _truce_words"));
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        for (const struct command *row = command_tables[t]; row->noun != NULL; row++) {
            if (row == command_tables[t] || row->verb == NULL) {
                TRY(zsh_word(out, row->noun, row->summary));
            }
        }
    }
    TRY(buffer_printf(out, " ;;\n"));
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        const struct command *table = command_tables[t];
        if (table->verb != NULL) {
            TRY(buffer_printf(out, "    'truce %s')\n        _truce_words", table->noun));
            for (const struct command *row = table; row->noun != NULL; row++) {
                TRY(zsh_word(out, row->verb, row->summary));
            }
            TRY(buffer_printf(out, " ;;\n"));
        }
        for (const struct command *row = table; row->noun != NULL; row++) {
            TRY(zsh_command(out, row));
        }
    }
    return OK;
}

static fallible zsh_program(struct buffer *out, const struct setting_program *program)
{
    TRY(buffer_printf(out, "    '%s')\n        _truce_words", program->name));
    for (const struct setting_command *row = program->commands; row->verb != NULL; row++) {
        struct text line = {row->help, strcspn(row->help, ".\n")};
        TRY(buffer_printf(out, " \\\n            '%s:%.*s'", row->verb, TEXT_ARGS(line)));
    }
    TRY(buffer_printf(out, " ;;\n"));
    for (int i = 0; program->commands[i].verb != NULL; i++) {
        TRY(buffer_printf(out, "    '%s %s')\n        _arguments -s", program->name,
                          program->commands[i].verb));
        for (const struct setting *row = program->settings; row->name != NULL; row++) {
            if ((row->places & SETTING_AT(i)) != 0) {
                TRY(zsh_option(out, row->name, row->value, row->help, row->repeated));
            }
        }
        TRY(zsh_arguments(out, program->commands[i].arguments));
    }
    return OK;
}

static const char zsh_head[] = "# zsh completion of Truce, written by `truce completion zsh`\n"
                               "\n"
                               "_truce_parties()\n"
                               "{\n"
                               "    local -a parties=(${TRUCE_HOME:-$HOME/.truce}/parties/*(N:t))\n"
                               "    compadd -a parties\n"
                               "}\n"
                               "\n"
                               "_truce_words()\n"
                               "{\n"
                               "    local -a rows=(\"$@\")\n"
                               "    _describe command rows\n"
                               "}\n"
                               "\n"
                               "# What may follow a command; status 2 when there is none of these words.\n"
                               "_truce_command()\n"
                               "{\n"
                               "    case $1 in\n";

static const char zsh_tail[] =
    "    *) return 2 ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "# All words that are commands are taken from the line first, so that _arguments sees the rest.\n"
    "_truce()\n"
    "{\n"
    "    local command=${words[1]:t} known=\" $(_truce_known) \"\n"
    "    while ((CURRENT > 2)) && [[ $known == *\" ${command// /_}_${words[2]} \"* ]]; do\n"
    "        command=\"$command ${words[2]}\"\n"
    "        words=(\"$command\" \"${(@)words[3,-1]}\")\n"
    "        ((CURRENT--))\n"
    "    done\n"
    "    _truce_command \"$command\"\n"
    "}\n"
    "\n";

static fallible zsh_known(struct buffer *out)
{
    TRY(buffer_printf(out, "_truce_known()\n{\n    echo"));
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        for (const struct command *row = command_tables[t]; row->noun != NULL; row++) {
            if (row == command_tables[t] || row->verb == NULL) {
                TRY(buffer_printf(out, " truce_%s", row->noun));
            }
            if (row->verb != NULL) {
                TRY(buffer_printf(out, " truce_%s_%s", row->noun, row->verb));
            }
        }
    }
    for (size_t i = 0; setting_programs[i] != NULL; i++) {
        for (const struct setting_command *row = setting_programs[i]->commands; row->verb != NULL; row++) {
            TRY(buffer_printf(out, " %s_%s", setting_programs[i]->name, row->verb));
        }
    }
    return buffer_printf(out, "\n}\n\n");
}

static fallible zsh_script(struct buffer *out)
{
    TRY(buffer_printf(out, "#compdef truce"));
    for (size_t i = 0; setting_programs[i] != NULL; i++) {
        TRY(buffer_printf(out, " %s", setting_programs[i]->name));
    }
    TRY(buffer_add_byte(out, '\n'));
    TRY(buffer_add_text(out, text_of(zsh_head)));
    TRY(zsh_truce(out));
    for (size_t i = 0; setting_programs[i] != NULL; i++) {
        TRY(zsh_program(out, setting_programs[i]));
    }
    TRY(buffer_add_text(out, text_of(zsh_tail)));
    TRY(zsh_known(out));
    return buffer_printf(out, "_truce \"$@\"\n");
}

/* ---- The command ---- */

static fallible run_completion(struct invocation *invocation)
{
    const char *shell = invocation_argument(invocation, 0);
    bool is_bash = strcmp(shell, "bash") == 0;
    scoped_buffer script;
    scoped_json *json = json_object();
    buffer_init(&script, SCRIPT_BYTES_MAX);
    if (!is_bash && strcmp(shell, "zsh") != 0) {
        return invocation_usage(invocation, "There is completion for bash and zsh.");
    }
    TRY(is_bash ? bash_script(&script) : zsh_script(&script));
    TRY(json_set_text(json, "script", buffer_text(&script)));
    screen_line(&invocation->screen, "%.*s", (int)script.size - 1, (const char *)script.data);
    return screen_json(&invocation->screen, json);
}

static const struct option no_options[] = {{0}};

const struct command command_completion[] = {
    {"completion", NULL, "print the completion script of a shell", "SHELL",
     "For bash and zsh. Packages install both. By hand:\n"
     "  bash: eval \"$(truce completion bash)\"\n"
     "  zsh:  truce completion zsh >DIR/_truce, where DIR is in $fpath",
     no_options, 1, 1, run_completion},
    {0},
};
