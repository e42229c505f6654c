#include "hostile_calls.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CALLS_MAX = 470, X32_BIT = 0x40000000 };

/* The kernel's own trampolines of probes: elsewhere they end the process before any filter is asked. */
enum { CALL_URETPROBE = 335, CALL_UPROBE = 336 };

/* What the engine's list allows, in this file's own words; some of them with conditions that are tried one by
 * one elsewhere. */
static const long needed[] = {
    SYS_recvfrom,
    SYS_sendto,
    SYS_futex,
    SYS_munmap,
    SYS_pread64,
    SYS_madvise,
    SYS_brk,
    SYS_rseq,
    SYS_set_robust_list,
    SYS_rt_sigprocmask,
    SYS_sched_yield,
    SYS_getpid,
    SYS_gettid,
    SYS_getcpu,
    SYS_getrandom,
    SYS_exit,
    SYS_exit_group,
    SYS_clock_gettime,
    SYS_mmap,
    SYS_mprotect,
    SYS_clone,
    SYS_tgkill,
    SYS_sched_getaffinity,
    SYS_clone3,
    SYS_rt_sigreturn,
    SYS_restart_syscall,
};

static const struct {
    const char *name;
    long number;
} deadly[] = {
    {"execve", SYS_execve},
    {"execveat", SYS_execveat},
    {"ptrace", SYS_ptrace},
    {"vm-read", SYS_process_vm_readv},
    {"vm-write", SYS_process_vm_writev},
    {"socket", SYS_socket},
    {"connect", SYS_connect},
    {"bind", SYS_bind},
    {"fork", SYS_fork},
    {"vfork", SYS_vfork},
    {"sendmsg", SYS_sendmsg},
    {"io-uring", SYS_io_uring_setup},
    {"bpf", SYS_bpf},
    {"kill", SYS_kill},
    {"tkill", SYS_tkill},
    {"mount", SYS_mount},
    {"x32", X32_BIT | SYS_getpid},
};

static bool is_known(long number)
{
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (needed[i] == number) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        if (deadly[i].number == number) {
            return true;
        }
    }
    return false;
}

void calls_sweep(struct calls_swept *out)
{
    *out = (struct calls_swept){.first = -1};
    for (long number = 0; number < CALLS_MAX; number++) {
        if (is_known(number) || number == CALL_URETPROBE || number == CALL_UPROBE) {
            continue;
        }
        out->tried++;
        errno = 0;
        if (syscall(number, 0, 0, 0, 0, 0, 0) != -1 || errno != EPERM) {
            out->not_refused++;
            out->first = out->first < 0 ? number : out->first;
        }
    }
}

void calls_die(const char *name)
{
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        if (strcmp(deadly[i].name, name) == 0) {
            syscall(deadly[i].number, 0, 0, 0, 0, 0, 0);
        }
    }
#ifdef __x86_64__
    if (strcmp(name, "ia32") == 0) { /* getpid by the old gate, where the numbers mean other calls */
        long got = 20;
        __asm__ volatile("int $0x80" : "+a"(got) : : "memory");
    }
#endif
}
