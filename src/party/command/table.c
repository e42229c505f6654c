#include "party/command/table.h"

#include "party/command/advice.h"

#include <unistd.h>

enum { ARENA_BOUND_BYTES = 1024 * 1024 * 1024, NAMES_MAX = 64 };

const struct command *const command_tables[] = {
    command_stack,      command_party,  command_dataset, command_contract, command_run,    command_job,
    command_releases,   command_result, command_receipt, command_room,     command_limits, command_config,
    command_completion, NULL,
};

static void print_overview(FILE *out)
{
    fputs(
        "truce: several organisations get one answer from all their data, and nobody sees another's rows.\n\n"
        "usage: truce COMMAND [options]\n",
        out);
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        fputc('\n', out);
        for (const struct command *row = command_tables[t]; row->noun != NULL; row++) {
            char words[64];
            snprintf(words, sizeof(words), "%s%s%s", row->noun, row->verb != NULL ? " " : "",
                     row->verb != NULL ? row->verb : "");
            fprintf(out, "  %-20s %s\n", words, row->summary);
        }
    }
    fputs("\nEvery command has --help and --json. Exit status: 0 done, 2 wrong command line, 10 and more a "
          "refusal "
          "(truce limits).\nA party's files are in TRUCE_HOME (default ~/.truce). Manual: man truce\n",
          out);
}

static void print_verbs(FILE *out, const struct command *table)
{
    fprintf(out, "usage: truce %s COMMAND [options]\n\n", table->noun);
    for (const struct command *row = table; row->noun != NULL; row++) {
        fprintf(out, "  %-12s %s\n", row->verb, row->summary);
    }
}

static bool is_listed(const struct option *options, const char *name)
{
    for (const struct option *row = options; row != NULL && row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* All but those that `hidden` has too. */
static void print_options(FILE *out, const struct option *options, const struct option *hidden)
{
    for (const struct option *row = options; row->name != NULL; row++) {
        if (is_listed(hidden, row->name)) {
            continue;
        }
        char words[64];
        int size = snprintf(words, sizeof(words), "--%s%s%s", row->name, row->value != NULL ? " " : "",
                            row->value != NULL ? row->value : "");
        if (row->letter != 0 && size > 0 && (size_t)size < sizeof(words)) {
            snprintf(words + size, sizeof(words) - (size_t)size, ", -%c", row->letter);
        }
        fprintf(out, "  %-28s %s%s\n", words, row->help, row->repeated ? " (may be repeated)" : "");
    }
}

static void print_help(FILE *out, const struct command *command)
{
    fprintf(out, "usage: truce %s%s%s%s%s [options]\n\n%s.\n", command->noun,
            command->verb != NULL ? " " : "", command->verb != NULL ? command->verb : "",
            command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary);
    if (command->about != NULL) {
        fprintf(out, "\n%s\n", command->about);
    }
    fputs("\noptions:\n", out);
    print_options(out, command->options, NULL);
    print_options(out, invocation_common_options, command->options);
}

/* The rows of a noun, or NULL. */
static const struct command *find_table(const char *noun)
{
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        for (const struct command *row = command_tables[t]; row->noun != NULL; row++) {
            if (strcmp(row->noun, noun) == 0) {
                return row->verb == NULL ? row : command_tables[t];
            }
        }
    }
    return NULL;
}

static int unknown_noun(const char *word)
{
    const char *names[NAMES_MAX + 1] = {0};
    size_t count = 0;
    for (size_t t = 0; command_tables[t] != NULL; t++) {
        for (const struct command *row = command_tables[t]; row->noun != NULL && count < NAMES_MAX; row++) {
            names[count++] = row->noun;
        }
    }
    const char *closest = option_closest(word, names);
    fprintf(stderr, "truce: there is no command \"%s\".%s%s%s\n", word,
            closest != NULL ? " Did you mean \"" : "", closest != NULL ? closest : " See: truce --help",
            closest != NULL ? "\"?" : "");
    return INVOCATION_EXIT_USAGE;
}

static int unknown_verb(const struct command *table, const char *word)
{
    const char *names[NAMES_MAX + 1] = {0};
    size_t count = 0;
    for (const struct command *row = table; row->noun != NULL && count < NAMES_MAX; row++) {
        names[count++] = row->verb;
    }
    const char *closest = option_closest(word, names);
    fprintf(stderr, "truce: there is no command \"%s %s\".%s%s%s\n", table->noun, word,
            closest != NULL ? " Did you mean \"" : "", closest != NULL ? closest : "",
            closest != NULL ? "\"?" : "");
    print_verbs(stderr, table);
    return INVOCATION_EXIT_USAGE;
}

static const struct command *find_verb(const struct command *table, const char *verb)
{
    for (const struct command *row = table; row->noun != NULL; row++) {
        if (strcmp(row->verb, verb) == 0) {
            return row;
        }
    }
    return NULL;
}

static struct result parse_words(struct invocation *invocation, int argc, char *const argv[])
{
    static const char *const problems[][2] = {
        {"option.unknown", "is not an option of this command"},
        {"option.value_missing", "needs a value"},
        {"option.value_unexpected", "takes no value"},
        {"option.repeated", "may be given once"},
    };
    const struct command *command = invocation->command;
    const struct option *const options[] = {command->options, invocation_common_options, NULL};
    struct result result = options_parse(options, argc, argv, &invocation->options);
    if (!result_is_ok(result)) {
        const char *problem = "is too much";
        for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++) {
            problem = strcmp(result.why, problems[i][0]) == 0 ? problems[i][1] : problem;
        }
        return invocation_usage(invocation, "%s %s.", result.where != NULL ? result.where : "This", problem);
    }
    if (option_given(&invocation->options, "help")) {
        return OK;
    }
    size_t count = invocation->options.argument_count;
    if (count < command->argument_min || count > command->argument_max) {
        return invocation_usage(
            invocation,
            count > command->argument_max ? "\"%s\" is one argument too many." : "An argument is missing%s.",
            count > command->argument_max ? invocation->options.arguments[command->argument_max] : "");
    }
    return OK;
}

static void print_failure(struct invocation *invocation, struct result result)
{
    const struct command *command = invocation->command;
    const char *verb = command->verb != NULL ? command->verb : "";
    const char *space = command->verb != NULL ? " " : "";
    const char *where = screen_safe(invocation->arena, text_of(result.where != NULL ? result.where : ""));
    if (invocation->usage) {
        fprintf(stderr, "truce %s%s%s: %s\nSee: truce %s%s%s --help\n", command->noun, space, verb,
                invocation->advice, command->noun, space, verb);
    } else {
        const char *advice = invocation->advice[0] != '\0' ? invocation->advice : advice_for(result);
        fprintf(stderr, "truce %s%s%s: %s: %s%s%s\n%s\n", command->noun, space, verb,
                result_code_name(result.code), result.why, where[0] != '\0' ? ": " : "", where, advice);
    }
    if (!invocation->screen.json || invocation->screen.answered) {
        return;
    }
    json_t *error =
        json_pack("{s:{s:s,s:s,s:s,s:s}}", "error", "code",
                  invocation->usage ? "usage" : result_code_name(result.code), "why", result.why, "where",
                  where, "message", invocation->advice[0] != '\0' ? invocation->advice : advice_for(result));
    if (error != NULL) {
        json_dumpf(error, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
        json_decref(error);
    }
}

static int run_command(const struct surroundings *surroundings, const struct command *command, int argc,
                       char *const argv[])
{
    scoped_arena arena;
    arena_init(&arena, ARENA_BOUND_BYTES);
    struct invocation invocation = {
        .command = command,
        .surroundings = *surroundings,
        .world = world_of_system(),
        .arena = &arena,
        .screen = {.results = stdout, .messages = stderr, .interactive = isatty(STDERR_FILENO) == 1},
    };
    struct result result = parse_words(&invocation, argc, argv);
    if (result_is_ok(result) && option_given(&invocation.options, "help")) {
        print_help(stdout, command);
        return 0;
    }
    invocation.screen.json = option_given(&invocation.options, "json");
    if (result_is_ok(result)) {
        result = command->run(&invocation);
    }
    if (!result_is_ok(result)) {
        print_failure(&invocation, result);
        return invocation.usage ? INVOCATION_EXIT_USAGE : result_code_exit_status(result.code);
    }
    return fflush(stdout) == 0 ? 0 : result_code_exit_status(RESULT_UNAVAILABLE);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int command_main(const struct surroundings *surroundings, int argc, char *const argv[])
{
    if (argc < 2) {
        print_overview(stderr);
        return INVOCATION_EXIT_USAGE;
    }
    if (is_help(argv[1])) {
        print_overview(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("truce %s", surroundings->identity);
        return 0;
    }
    const struct command *table = find_table(argv[1]);
    if (table == NULL) {
        return unknown_noun(argv[1]);
    }
    if (table->verb == NULL) {
        return run_command(surroundings, table, argc - 2, argv + 2);
    }
    if (argc < 3 || is_help(argv[2])) {
        print_verbs(argc < 3 ? stderr : stdout, table);
        return argc < 3 ? INVOCATION_EXIT_USAGE : 0;
    }
    const struct command *command = find_verb(table, argv[2]);
    return command == NULL ? unknown_verb(table, argv[2])
                           : run_command(surroundings, command, argc - 3, argv + 3);
}
