#include "query/tasks.h"

#include "query/run.h"
#include "query/spawner_wire.h"
#include "query/vet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The file calls of this program are vfs.c's; its own housekeeping goes to the kernel. */
static void real_close(int descriptor)
{
    syscall(SYS_close, descriptor);
}

struct tasks {
    int control;
    int silence; /* the null device, for the children's standard streams */
    pid_t pid;   /* of the one task, 0 where there is none */
};

struct task_descriptors {
    int values[3];
    size_t count;
};

static bool report_send(struct tasks *tasks, uint32_t news, pid_t pid, int status)
{
    struct spawner_report report = {news, pid, status};
    return send(tasks->control, &report, sizeof report, MSG_NOSIGNAL) == (ssize_t)sizeof report;
}

/* Puts silence at 0 to 2, the descriptors at 3, 4, 5, and closes every other. */
static bool child_arrange(const struct tasks *tasks, const struct task_descriptors *given)
{
    /* High above first, so that no move overwrites one that is still to come. */
    int count = 3 + (int)given->count;
    for (int i = 0; i < count; i++) {
        if (dup2(i < 3 ? tasks->silence : given->values[i - 3], 100 + i) < 0) {
            return false;
        }
    }
    for (int i = 0; i < count; i++) {
        if (dup2(100 + i, i) < 0) {
            return false;
        }
    }
    return close_range((unsigned)count, ~0U, 0) == 0;
}

static _Noreturn void child_work(const struct tasks *tasks, uint32_t order,
                                 const struct task_descriptors *given, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent || !child_arrange(tasks, given) || sigprocmask(SIG_SETMASK, &none, NULL) != 0) {
        _exit(125);
    }
    if (order == SPAWNER_ORDER_RUN) {
        run_serve(3, 4, 5);
    } else {
        vet_serve(3);
    }
    /* Not exit: the engine's threads and destructors have nothing left to do that matters. */
    _exit(0);
}

static bool task_start(struct tasks *tasks, uint32_t order, const struct task_descriptors *given)
{
    bool good = tasks->pid == 0 && given->count == (order == SPAWNER_ORDER_RUN ? 3 : 1);
    pid_t parent = getpid();
    pid_t pid = good ? fork() : -1;
    if (pid == 0) {
        child_work(tasks, order, given, parent);
    }
    if (pid < 0) {
        return report_send(tasks, SPAWNER_NEWS_REFUSED, 0, 0);
    }
    tasks->pid = pid;
    return report_send(tasks, SPAWNER_NEWS_SPAWNED, pid, 0);
}

static void descriptors_take(struct msghdr *message, struct task_descriptors *out)
{
    out->count = 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) {
        return;
    }
    out->count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(out->values, CMSG_DATA(header), out->count * sizeof(int));
}

/* False at the end of the control socket, or where the room makes no sense. */
static bool control_serve(struct tasks *tasks)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } control;
    struct spawner_request request;
    struct task_descriptors given;
    struct iovec part = {&request, sizeof request};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(tasks->control, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) {
        return true;
    }
    if (got != (ssize_t)sizeof request) {
        return false;
    }
    descriptors_take(&message, &given);
    bool good = true;
    if (request.order == SPAWNER_ORDER_KILL) {
        if (request.pid == tasks->pid && tasks->pid > 0) {
            kill(tasks->pid, SIGKILL);
        }
    } else if (request.order == SPAWNER_ORDER_VET || request.order == SPAWNER_ORDER_RUN) {
        good = task_start(tasks, request.order, &given);
    }
    for (size_t i = 0; i < given.count; i++) {
        real_close(given.values[i]);
    }
    return good;
}

static bool exits_report(struct tasks *tasks, int signals)
{
    struct signalfd_siginfo seen;
    syscall(SYS_read, signals, &seen, sizeof seen);
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        tasks->pid = tasks->pid == pid ? 0 : tasks->pid;
        if (!report_send(tasks, SPAWNER_NEWS_EXITED, pid, status)) {
            return false;
        }
    }
    return true;
}

int tasks_serve(int control)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    int silence = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) != 0 || silence < 0) {
        return 1;
    }
    struct tasks tasks = {.control = control, .silence = silence};
    struct pollfd waits[] = {{.fd = control, .events = POLLIN},
                             {.fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN}};
    if (waits[1].fd < 0) {
        return 1;
    }
    bool serving = report_send(&tasks, SPAWNER_NEWS_READY, 0, 0);
    while (serving) {
        if (poll(waits, 2, -1) < 0) {
            serving = errno == EINTR;
            continue;
        }
        if (waits[1].revents != 0) {
            serving = exits_report(&tasks, waits[1].fd);
        }
        if (serving && waits[0].revents != 0) {
            serving = control_serve(&tasks);
        }
    }
    if (tasks.pid > 0) {
        kill(tasks.pid, SIGKILL);
    }
    return 0;
}
