#include "service/setup/program.h"

#include "service/setup/file.h"
#include "service/setup/notify.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum { USAGE_STATUS = 2 };

/* The value that follows `--name` in this argument ("=value") or the next; NULL when the argument is another.
 */
static const char *value_of(const char *argument, const char *next, const char *name)
{
    size_t size = strlen(name);
    if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, name, size) != 0) {
        return NULL;
    }
    if (argument[2 + size] == '=') {
        return argument + 3 + size;
    }
    return argument[2 + size] == 0 ? next : NULL;
}

struct text program_option(int count, char *const arguments[], const char *name)
{
    for (int i = 0; i < count; i++) {
        const char *value = value_of(arguments[i], i + 1 < count ? arguments[i + 1] : NULL, name);
        if (value != NULL) {
            return text_of(value);
        }
    }
    return (struct text){0};
}

bool program_flag(int count, char *const arguments[], const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "--", 2) == 0 && strcmp(arguments[i] + 2, name) == 0) {
            return true;
        }
    }
    return false;
}

/* How many arguments the option at `argument` takes up: 1 or 2; 0 when it is not in the list. */
static int option_width(const char *argument, const char *const names[], bool valued)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        size_t size = strlen(names[i]);
        if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, names[i], size) != 0) {
            continue;
        }
        if (argument[2 + size] == 0) {
            return valued ? 2 : 1;
        }
        if (argument[2 + size] == '=' && valued) {
            return 1;
        }
    }
    return 0;
}

struct text program_argument(int count, char *const arguments[], const char *const valued[], size_t index)
{
    for (int i = 0; i < count; i++) {
        int width = option_width(arguments[i], valued, true);
        if (width > 0) {
            i += width - 1;
        } else if (strncmp(arguments[i], "--", 2) != 0 && index-- == 0) {
            return text_of(arguments[i]);
        }
    }
    return (struct text){0};
}

int program_fail(const char *program, struct result result)
{
    fprintf(stderr, "%s: %s%s%s%s: %s\n", program, result.why, result.where != NULL ? " (" : "",
            result.where != NULL ? result.where : "", result.where != NULL ? ")" : "",
            result_code_advice(result.code));
    return result_code_exit_status(result.code);
}

/* What is wrong with the words themselves has the exit status of wrong usage. */
static bool is_usage(struct result result)
{
    return strncmp(result.why, "setting.option.", strlen("setting.option.")) == 0 ||
           strcmp(result.why, "setting.command") == 0;
}

static bool end_start(int status, int *out_status)
{
    *out_status = status;
    return false;
}

static bool print_help(struct arena *arena, const struct setting_program *program, FILE *to, int status,
                       int *out_status)
{
    struct text help;
    struct result result = setting_help(arena, program, &help);
    if (!result_is_ok(result)) {
        return end_start(program_fail(program->name, result), out_status);
    }
    fprintf(to, "%.*s", TEXT_ARGS(help));
    return end_start(status, out_status);
}

bool program_start(struct arena *arena, const struct setting_program *program, const char *identity,
                   int count, char *const arguments[], struct program_call *out, int *out_status)
{
    struct setting_words words;
    struct program_call call = {0};
    if (program_flag(count - 1, arguments + 1, "help")) {
        return print_help(arena, program, stdout, 0, out_status);
    }
    if (program_flag(count - 1, arguments + 1, "version")) {
        printf("%s %s", program->name, identity);
        return end_start(0, out_status);
    }
    if (count < 2) {
        return print_help(arena, program, stderr, USAGE_STATUS, out_status);
    }
    struct result result = setting_expand(arena, program, count - 1, arguments + 1, &words);
    if (!result_is_ok(result)) {
        int status = program_fail(program->name, result);
        return end_start(is_usage(result) ? USAGE_STATUS : status, out_status);
    }
    setting_names_of(program, -1, &call.names);
    call.count = words.count;
    call.words = words.words;
    call.verb = text_of(words.words[0]);
    call.folder = program_argument(call.count, call.words, call.names.valued, 1);
    if (call.folder.size == 0) {
        return print_help(arena, program, stderr, USAGE_STATUS, out_status);
    }
    *out = call;
    return true;
}

fallible program_check_url(struct text settled, struct text wanted)
{
    bool fits = wanted.size == 0 || text_equal(settled, wanted) ||
                (text_starts_with(settled, wanted) && settled.data[wanted.size] == ':');
    REQUIRE(fits, CONFLICT, "program.url.other");
    return OK;
}

static void ending_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGTERM);
}

void program_block_signals(void)
{
    sigset_t signals;
    ending_signals(&signals);
    ASSERT(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
    ASSERT(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    ASSERT(prctl(PR_SET_DUMPABLE, 0) == 0); /* services hold keys: no cores, no tracing */
}

fallible program_announce(struct text url, uint16_t port, struct text port_file)
{
    if (port_file.size > 0) {
        char line[16];
        int size = snprintf(line, sizeof line, "%u\n", port);
        TRY(file_write(port_file, (struct bytes){(const uint8_t *)line, (size_t)size}));
    }
    printf("listening %.*s\n", TEXT_ARGS(url));
    REQUIRE(fflush(stdout) == 0, UNAVAILABLE, "program.output");
    return notify_send(getenv("NOTIFY_SOCKET"), TEXT("READY=1"));
}

void program_wait_for_signal(void)
{
    sigset_t signals;
    int arrived;
    ending_signals(&signals);
    ASSERT(sigwait(&signals, &arrived) == 0);
    (void)!result_is_ok(notify_send(getenv("NOTIFY_SOCKET"), TEXT("STOPPING=1")));
}

fallible program_uuid(const struct world *world, struct arena *arena, struct text *out)
{
    uint8_t o[16];
    TRY(world_random(world, o, sizeof o));
    o[6] = (uint8_t)((o[6] & 0x0f) | 0x40);
    o[8] = (uint8_t)((o[8] & 0x3f) | 0x80);
    return arena_printf(arena, out, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                        o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12],
                        o[13], o[14], o[15]);
}
