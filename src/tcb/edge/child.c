#include "edge/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* In the child: only async-signal-safe calls. */
static _Noreturn void become_program(const char *path, char *const arguments[], int socket, pid_t parent)
{
    char *const environment[] = {NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent) {
        _exit(125);
    }
    if (socket == CHILD_DESCRIPTOR) {
        fcntl(socket, F_SETFD, 0);
    } else if (dup2(socket, CHILD_DESCRIPTOR) < 0) {
        _exit(125);
    }
    if (close_range(CHILD_DESCRIPTOR + 1, ~0U, 0) != 0) {
        _exit(125);
    }
    execve(path, arguments, environment);
    _exit(126);
}

fallible child_start(const char *path, char *const arguments[], int socket_type, int *out_socket,
                     pid_t *out_pid)
{
    int pair[2];
    REQUIRE(access(path, X_OK) == 0, UNAVAILABLE, "child.program");
    REQUIRE(socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, pair) == 0, UNAVAILABLE, "child.socket");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become_program(path, arguments, pair[1], parent);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return FAIL(UNAVAILABLE, "child.fork");
    }
    *out_socket = pair[0];
    *out_pid = pid;
    return OK;
}
