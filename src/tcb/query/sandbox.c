#include "query/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef UNDER_ADDRESS_SANITIZER
#define UNDER_ADDRESS_SANITIZER 0
#endif

static fallible limit(int resource, uint64_t value)
{
    struct rlimit limit = {value, value};
    REQUIRE(setrlimit((__rlimit_resource_t)resource, &limit) == 0, INTERNAL, "query.sandbox.limit");
    return OK;
}

static fallible limits_set(const struct sandbox_limits *limits)
{
    if (sandbox_is_whole()) {
        TRY(limit(RLIMIT_AS, limits->address_space_bytes));
    }
    TRY(limit(RLIMIT_CPU, limits->cpu_seconds));
    TRY(limit(RLIMIT_CORE, 0));
    TRY(limit(RLIMIT_FSIZE, 0));
    TRY(limit(RLIMIT_NOFILE, 16));
    TRY(limit(RLIMIT_MEMLOCK, 0));
    REQUIRE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, INTERNAL, "query.sandbox.dumpable");
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, INTERNAL, "query.sandbox.privileges");
    return OK;
}

/* What an engine and its threads need to compute, allocate and talk on sockets that are open already. */
static const int allowed[] = {
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(pread64),
    SCMP_SYS(futex),
    SCMP_SYS(munmap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getcpu),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getrandom), /* names dictionaries: with equal ones the engine takes one for another */
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
};

static const int deadly[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),  SCMP_SYS(process_vm_readv),
    SCMP_SYS(socket), SCMP_SYS(connect),  SCMP_SYS(bind),    SCMP_SYS(process_vm_writev),
    SCMP_SYS(fork),   SCMP_SYS(vfork),    SCMP_SYS(sendmsg), SCMP_SYS(io_uring_setup),
    SCMP_SYS(bpf),    SCMP_SYS(kill),     SCMP_SYS(tkill),   SCMP_SYS(mount),
};

static int rules_add(scmp_filter_ctx filter)
{
    int status = 0;
    for (size_t i = 0; sandbox_is_whole() && i < sizeof allowed / sizeof *allowed; i++) {
        status |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    }
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        status |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
    }
    if (!sandbox_is_whole()) {
        return status;
    }
    /* No new code, no mapped files (touching a hole would fill it), threads only, and the newer clone hidden
     * because its flags are out of a filter's sight. */
    status |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                         SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    status |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    status |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    status |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* abort() raises by thread id: let it end this process and reach no other. */
    status |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                               SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return status;
}

bool sandbox_is_whole(void)
{
    return !UNDER_ADDRESS_SANITIZER;
}

fallible sandbox_enter(const struct sandbox_limits *limits)
{
    TRY(limits_set(limits));
    scmp_filter_ctx filter = seccomp_init(sandbox_is_whole() ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
    REQUIRE(filter != NULL, INTERNAL, "query.sandbox.filter");
    int status = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    status |= rules_add(filter);
    status |= seccomp_load(filter);
    seccomp_release(filter);
    REQUIRE(status == 0, INTERNAL, "query.sandbox.filter");
    return OK;
}
