#include "service/setup/program.h"

#include "service/setup/file.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

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

fallible program_check_options(int count, char *const arguments[], const char *const valued[],
                               const char *const flags[])
{
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "--", 2) != 0) {
            continue;
        }
        int width = option_width(arguments[i], valued, true);
        if (width == 0 && option_width(arguments[i], flags, false) == 0) {
            return FAIL_AT(INVALID, "program.option.unknown", arguments[i]);
        }
        if (width == 2 && ++i == count) {
            return FAIL_AT(INVALID, "program.option.value_missing", arguments[i - 1]);
        }
    }
    return OK;
}

int program_fail(const char *program, struct result result)
{
    fprintf(stderr, "%s: %s%s%s%s: %s\n", program, result.why, result.where != NULL ? " (" : "",
            result.where != NULL ? result.where : "", result.where != NULL ? ")" : "",
            result_code_advice(result.code));
    return result_code_exit_status(result.code);
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
    return OK;
}

void program_wait_for_signal(void)
{
    sigset_t signals;
    int arrived;
    ending_signals(&signals);
    ASSERT(sigwait(&signals, &arrived) == 0);
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
