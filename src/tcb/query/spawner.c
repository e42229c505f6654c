#include "query/spawner.h"

#include "edge/child.h"
#include "query/spawner_wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_WAIT_MS = 20000 }; /* the program loads the engine's library */

void spawner_close(struct spawner *spawner)
{
    if (spawner->pid > 0) {
        close(spawner->control);
        while (waitpid(spawner->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    *spawner = (struct spawner){0};
}

static fallible request_send(struct spawner *spawner, const struct spawner_request *request,
                             const int *descriptors, size_t count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)request, sizeof *request};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(spawner->control, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    REQUIRE(sent == (ssize_t)sizeof *request, UNAVAILABLE, "spawner.send");
    return OK;
}

static fallible report_receive(struct spawner *spawner, int timeout_ms, struct spawner_report *out)
{
    struct pollfd wait = {.fd = spawner->control, .events = POLLIN};
    int ready;
    do {
        ready = poll(&wait, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    REQUIRE(ready >= 0, UNAVAILABLE, "spawner.poll");
    REQUIRE(ready > 0, TIMEOUT, "spawner.timeout");
    struct spawner_report report;
    struct iovec part = {&report, sizeof report};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t got = recvmsg(spawner->control, &message, 0);
    REQUIRE(got == (ssize_t)sizeof report, UNAVAILABLE, "spawner.gone");
    *out = report;
    return OK;
}

fallible spawner_start(const char *path, struct spawner *out)
{
    char *const arguments[] = {(char *)"truce-query", NULL};
    struct spawner spawner = {0};
    TRY(child_start(path, arguments, SOCK_SEQPACKET, &spawner.control, &spawner.pid));
    struct spawner_report report;
    struct result result = report_receive(&spawner, START_WAIT_MS, &report);
    if (!result_is_ok(result) || report.news != SPAWNER_NEWS_READY) {
        kill(spawner.pid, SIGKILL);
        spawner_close(&spawner);
        return FAIL(UNAVAILABLE, "spawner.start");
    }
    *out = spawner;
    return OK;
}

fallible spawner_spawn(struct spawner *spawner, enum spawner_task task,
                       const struct spawner_descriptors *descriptors, pid_t *out_pid)
{
    const int given[] = {descriptors->stream, descriptors->read_socket, descriptors->memory};
    struct spawner_request request = {.order = task == SPAWNER_RUN ? SPAWNER_ORDER_RUN : SPAWNER_ORDER_VET};
    TRY(request_send(spawner, &request, given, task == SPAWNER_RUN ? 3 : 1));
    struct spawner_report report;
    do {
        TRY(report_receive(spawner, -1, &report));
    } while (report.news == SPAWNER_NEWS_EXITED); /* of a task that nobody waited for any longer */
    REQUIRE(report.news == SPAWNER_NEWS_SPAWNED, LIMIT, "spawner.task.refused");
    *out_pid = report.pid;
    return OK;
}

fallible spawner_kill(struct spawner *spawner, pid_t pid)
{
    struct spawner_request request = {.order = SPAWNER_ORDER_KILL, .pid = pid};
    return request_send(spawner, &request, NULL, 0);
}

fallible spawner_wait_exit(struct spawner *spawner, pid_t pid, int timeout_ms, int *out_status)
{
    struct spawner_report report;
    TRY(report_receive(spawner, timeout_ms, &report));
    REQUIRE(report.news == SPAWNER_NEWS_EXITED && report.pid == pid, INTERNAL, "spawner.report");
    *out_status = report.status;
    return OK;
}
