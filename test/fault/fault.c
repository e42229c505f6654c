#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLOW_MS = 1500, FULL_MS = 1500, JUMP_SECONDS = 7200, MARK_BYTES = 4096, ARGUMENTS_MAX = 256 };

struct point {
    const char *name;
    const char *program;
    const char *hook;
    const char *pattern;
    const char *kinds;
};

static const struct point points[] = {
#define POINT(name_, program_, phase_, hook_, pattern_, kinds_) {#name_, #program_, #hook_, pattern_, kinds_},
#include "points.def"
#undef POINT
};

/* The file of --fail-mark, shared by all programs of a test. */
struct mark {
    _Atomic uint64_t passages;
    _Atomic uint64_t fired;
};

static struct {
    const struct point *point; /* of this program, or NULL */
    char kind[16];
    uint64_t passage;
    struct mark *mark;
    char *fail_at;
    char *fail_mark;
    long clock_offset;
    int64_t full_until_ms;
} chosen;

static int64_t now_ms(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

_Noreturn void fault_die(void)
{
    for (;;) {
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGKILL);
        __builtin_trap();
    }
}

/* A sandbox may have no sleep. */
void fault_pause_ms(long milliseconds)
{
    int64_t until = now_ms() + milliseconds;
    struct timespec rest = {.tv_nsec = 20 * 1000000L};
    while (now_ms() < until) {
        syscall(SYS_nanosleep, &rest, NULL);
    }
}

bool fault_disk_is_full(void)
{
    return chosen.full_until_ms != 0 && now_ms() < chosen.full_until_ms;
}

void fault_fill_disk(void)
{
    chosen.full_until_ms = now_ms() + FULL_MS;
}

long fault_clock_offset(void)
{
    return chosen.clock_offset;
}

bool fault_wants(const char *hook)
{
    return chosen.point != NULL && strcmp(chosen.point->hook, hook) == 0;
}

static enum fault_kind act(void)
{
    static const struct {
        const char *name;
        enum fault_kind kind;
    } kinds[] = {{"killed", FAULT_KILLED}, {"full", FAULT_FULL}, {"short", FAULT_SHORT},
                 {"torn", FAULT_TORN},     {"eio", FAULT_EIO},   {"twice", FAULT_TWICE},
                 {"broken", FAULT_BROKEN}, {"lost", FAULT_LOST}};
    if (strcmp(chosen.kind, "kill") == 0) {
        fault_die();
    } else if (strcmp(chosen.kind, "slow") == 0) {
        fault_pause_ms(SLOW_MS);
    } else if (strcmp(chosen.kind, "ahead") == 0) {
        chosen.clock_offset = JUMP_SECONDS;
    } else if (strcmp(chosen.kind, "back") == 0) {
        chosen.clock_offset = -JUMP_SECONDS;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(chosen.kind, kinds[i].name) == 0) {
            return kinds[i].kind;
        }
    }
    return FAULT_NONE;
}

enum fault_kind fault_meet(const char *hook, const char *subject)
{
    int kept = errno;
    enum fault_kind kind = FAULT_NONE;
    if (fault_wants(hook) && fnmatch(chosen.point->pattern, subject, 0) == 0 &&
        atomic_fetch_add(&chosen.mark->passages, 1) + 1 == chosen.passage) {
        atomic_fetch_add(&chosen.mark->fired, 1);
        kind = act();
    }
    errno = kept;
    return kind;
}

/* ---- The command line ---- */

static _Noreturn void refuse(const char *why, const char *what)
{
    fprintf(stderr, "--fail-at: %s: %s\n", why, what);
    _exit(2);
}

static bool has_kind(const char *kinds, const char *kind)
{
    size_t size = strlen(kind);
    for (const char *at = strstr(kinds, kind); at != NULL; at = strstr(at + 1, kind)) {
        if ((at == kinds || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

/* "NAME.KIND[:N]" */
static void choose(const char *program)
{
    char name[128];
    snprintf(name, sizeof name, "%s", chosen.fail_at);
    chosen.passage = 1;
    char *colon = strchr(name, ':');
    if (colon != NULL) {
        *colon = '\0';
        chosen.passage = strtoull(colon + 1, NULL, 10);
    }
    char *dot = strrchr(name, '.');
    if (dot == NULL || chosen.passage == 0) {
        refuse("not NAME.KIND[:N]", chosen.fail_at);
    }
    *dot = '\0';
    snprintf(chosen.kind, sizeof chosen.kind, "%s", dot + 1);
    const struct point *found = NULL;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        found = strcmp(points[i].name, name) == 0 ? &points[i] : found;
    }
    if (found == NULL || !has_kind(found->kinds, chosen.kind)) {
        refuse("no such point or kind", chosen.fail_at);
    }
    chosen.point = strcmp(found->program, program) == 0 ? found : NULL;
}

static void map_mark(void)
{
    /* Not by the C library: the engine's programs have a file system of their own making in its place. */
    int file = (int)syscall(SYS_openat, AT_FDCWD, chosen.fail_mark, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || syscall(SYS_ftruncate, file, MARK_BYTES) != 0) {
        refuse("cannot be marked", chosen.fail_mark);
    }
    chosen.mark = mmap(NULL, MARK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (chosen.mark == MAP_FAILED) {
        refuse("cannot be marked", chosen.fail_mark);
    }
}

static const char *own_name(char path[static PATH_MAX])
{
    long size = syscall(SYS_readlink, "/proc/self/exe", path, (size_t)PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

int __real_main(int count, char **arguments);
int __wrap_main(int count, char **arguments);

int __wrap_main(int count, char **arguments)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        char **taken = strcmp(arguments[i], "--fail-at") == 0     ? &chosen.fail_at
                       : strcmp(arguments[i], "--fail-mark") == 0 ? &chosen.fail_mark
                                                                  : NULL;
        if (taken != NULL && i + 1 < count) {
            *taken = arguments[++i];
        } else {
            arguments[kept++] = arguments[i];
        }
    }
    arguments[kept] = NULL;
    if (chosen.fail_at != NULL && chosen.fail_mark != NULL) {
        char path[PATH_MAX];
        map_mark();
        choose(own_name(path));
    }
    return __real_main(kept, arguments);
}

/* Hands the options on. Between fork and exec: no allocation. */
static char *const *with_options(char *const words[], char *out[static ARGUMENTS_MAX])
{
    size_t count = 0;
    while (words[count] != NULL && count < ARGUMENTS_MAX - 5) {
        out[count] = words[count];
        count++;
    }
    if (chosen.fail_at != NULL && chosen.fail_mark != NULL) {
        out[count++] = "--fail-at";
        out[count++] = chosen.fail_at;
        out[count++] = "--fail-mark";
        out[count++] = chosen.fail_mark;
    }
    out[count] = NULL;
    return out;
}

int __real_execve(const char *path, char *const words[], char *const environment[]);
int __wrap_execve(const char *path, char *const words[], char *const environment[]);
int __wrap_execve(const char *path, char *const words[], char *const environment[])
{
    char *all[ARGUMENTS_MAX];
    return __real_execve(path, with_options(words, all), environment);
}

int __real_posix_spawn(pid_t *out_process, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const words[], char *const environment[]);
int __wrap_posix_spawn(pid_t *out_process, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const words[], char *const environment[]);
int __wrap_posix_spawn(pid_t *out_process, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const words[], char *const environment[])
{
    char *all[ARGUMENTS_MAX];
    return __real_posix_spawn(out_process, path, actions, attributes, with_options(words, all), environment);
}

int __real_execv(const char *path, char *const words[]);
int __wrap_execv(const char *path, char *const words[]);
int __wrap_execv(const char *path, char *const words[])
{
    char *all[ARGUMENTS_MAX];
    return __real_execv(path, with_options(words, all));
}

int __wrap_execl(const char *path, const char *word, ...);
int __wrap_execl(const char *path, const char *word, ...)
{
    char *words[ARGUMENTS_MAX] = {(char *)(uintptr_t)word};
    va_list rest;
    va_start(rest, word);
    for (size_t i = 1; i < ARGUMENTS_MAX - 1 && words[i - 1] != NULL; i++) {
        words[i] = va_arg(rest, char *);
    }
    va_end(rest);
    return __wrap_execv(path, words);
}
