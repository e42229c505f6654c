/* Each probe runs in a process of its own that has entered the sandbox. */
#include "query/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a raw system call says: 0 or more for success, else the error negated. */
static long raw(long number, long a, long b, long c, long d)
{
    long status = syscall(number, a, b, c, d, 0, 0);
    return status < 0 ? -errno : status;
}

static void *thread_body(void *argument)
{
    *(int *)argument = 1;
    return NULL;
}

static long probe_thread(void)
{
    pthread_t thread;
    int ran = 0;
    if (pthread_create(&thread, NULL, thread_body, &ran) != 0) {
        return -1;
    }
    pthread_join(thread, NULL);
    return ran == 1 ? 0 : -1;
}

static long probe_open(void)
{
    return raw(SYS_openat, AT_FDCWD, (long)"/etc/passwd", O_RDONLY, 0);
}
static long probe_create(void)
{
    return raw(SYS_openat, AT_FDCWD, (long)"/tmp/probe", O_CREAT | O_WRONLY, 0600);
}
static long probe_stat(void)
{
    return raw(SYS_newfstatat, AT_FDCWD, (long)"/etc/passwd", 0, 0);
}
static long probe_unlink(void)
{
    return raw(SYS_unlink, (long)"/tmp/probe", 0, 0, 0);
}
static long probe_read(void)
{
    return raw(SYS_read, 0, (long)"", 0, 0);
}
static long probe_write(void)
{
    return raw(SYS_write, 1, (long)"x", 1, 0);
}
static long probe_memfd(void)
{
    return raw(SYS_memfd_create, (long)"x", 0, 0, 0);
}
static long probe_process(void)
{
    return raw(SYS_clone, SIGCHLD, 0, 0, 0);
}
static long probe_code(void)
{
    return raw(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
}
static long probe_growth(void)
{
    return raw(SYS_mremap, 0, 4096, 8192, MREMAP_MAYMOVE);
}
static long probe_limit(void)
{
    return raw(SYS_prlimit64, 0, RLIMIT_AS, 0, 0);
}
static long probe_name(void)
{
    return raw(SYS_uname, 0, 0, 0, 0);
}
static long probe_socket(void)
{
    return raw(SYS_socket, AF_INET, SOCK_STREAM, 0, 0);
}
static long probe_exec(void)
{
    return raw(SYS_execve, (long)"/bin/true", 0, 0, 0);
}
static long probe_ptrace(void)
{
    return raw(SYS_ptrace, 0, 0, 0, 0);
}
static long probe_kill(void)
{
    return raw(SYS_kill, 1, 0, 0, 0);
}
static long probe_memory_of_others(void)
{
    return raw(SYS_process_vm_readv, 1, 0, 0, 0);
}
static long probe_memory(void)
{
    return raw(SYS_mmap, 0, 1L << 40, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
}

enum { DIES = 1 };

static const struct probe {
    const char *name;
    long (*run)(void);
    long want; /* 0, an error negated, or DIES */
} probes[] = {
    {"a thread may start", probe_thread, 0},
    {"open", probe_open, -EPERM},
    {"create", probe_create, -EPERM},
    {"stat", probe_stat, -EPERM},
    {"unlink", probe_unlink, -EPERM},
    {"read of another descriptor", probe_read, -EPERM},
    {"write to standard output", probe_write, -EPERM},
    {"memfd", probe_memfd, -EPERM},
    {"a new process", probe_process, -EPERM},
    {"new code", probe_code, -EPERM},
    {"a mapping that grows", probe_growth, -EPERM},
    {"limits", probe_limit, -EPERM},
    {"uname", probe_name, -EPERM},
    {"socket", probe_socket, DIES},
    {"exec", probe_exec, DIES},
    {"ptrace", probe_ptrace, DIES},
    {"kill", probe_kill, DIES},
    {"reading another process", probe_memory_of_others, DIES},
    {"a terabyte", probe_memory, -ENOMEM},
};

static void every_probe_meets_its_wall(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        if (!sandbox_is_whole() && probes[i].want != DIES) {
            continue;
        }
        pid_t pid = fork();
        if (pid == 0) {
            struct sandbox_limits limits = {.address_space_bytes = 512 << 20, .cpu_seconds = 5};
            struct result entered = sandbox_enter(&limits);
            _exit(!result_is_ok(entered) ? 99 : probes[i].run() == probes[i].want ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        bool good = probes[i].want == DIES ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
                                           : WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!good) {
            fail_msg("%s: status %x", probes[i].name, (unsigned)status);
        }
    }
}

/* Asked before the filter forbids asking: what the limits are once the sandbox stands. */
static void a_crash_leaves_no_core(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct sandbox_limits limits = {.address_space_bytes = 512 << 20, .cpu_seconds = 5};
        struct result entered = sandbox_enter(&limits);
        char octet = result_is_ok(entered) ? 'y' : 'n';
        send(pair[1], &octet, 1, 0);
        recv(pair[1], &octet, 1, 0);
        _exit(0);
    }
    char octet = 0;
    char path[64];
    char line[256];
    assert_int_equal(recv(pair[0], &octet, 1, 0), 1);
    assert_int_equal(octet, 'y');
    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    bool core = false;
    bool size = false;
    while (fgets(line, sizeof line, file) != NULL) {
        core = core || strncmp(line, "Max core file size        0                    0 ", 49) == 0;
        size = size || strncmp(line, "Max file size             0                    0 ", 49) == 0;
    }
    fclose(file);
    assert_true(core && size);
    send(pair[0], "x", 1, 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_probe_meets_its_wall),
        cmocka_unit_test(a_crash_leaves_no_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
