/*
 * daemon.c - the fork, and the parent that waits.
 *
 * The child's stderr is a pipe to the parent. When the parent is gone, writing to it fails and
 * nobody minds: no descriptor has to be moved once the sandbox is closed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* Passes on what is there; false at the end. */
static bool relay(int from)
{
    char buffer[1024];
    ssize_t n = read(from, buffer, sizeof(buffer));
    if (n > 0) {
        (void)hf_fd_write_all(STDERR_FILENO, buffer, (size_t)n, "stderr", NULL);
    }
    return n > 0 || (n < 0 && errno == EINTR);
}

/* What the child wrote before it said that it is ready. */
static void drain(int from)
{
    struct pollfd p = { .fd = from, .events = POLLIN };
    while (poll(&p, 1, 0) > 0 && relay(from)) {
    }
}

static void wait_for_child(int ready, int messages, pid_t child)
{
    char byte = 0;
    for (;;) {
        struct pollfd p[2] = { { .fd = ready, .events = POLLIN },
                               { .fd = messages, .events = POLLIN } };
        if (poll(p, G_N_ELEMENTS(p), -1) < 0) {
            continue; /* EINTR */
        }
        if (p[1].revents != 0 && !relay(messages)) {
            hf_fd_close(&messages);
        }
        if (p[0].revents == 0) {
            continue;
        }
        if (messages >= 0) {
            drain(messages);
        }
        if (read(ready, &byte, 1) == 1) {
            _exit(EXIT_SUCCESS);
        }
        (void)waitpid(child, NULL, 0);
        _exit(EXIT_FAILURE);
    }
}

static bool become_child(int messages, GError **error)
{
    hf_autofd int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(messages, STDERR_FILENO) < 0) {
        return hf_error_errno(error, errno, "cannot go to the background");
    }
    (void)setsid();
    return true;
}

bool hf_daemon_detach(int *ret_ready_fd, GError **error)
{
    int ready[2] = { -1, -1 };
    int messages[2] = { -1, -1 };
    if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(messages, O_CLOEXEC) != 0) {
        hf_error_errno(error, errno, "cannot go to the background");
        hf_fd_close(&ready[0]);
        hf_fd_close(&ready[1]);
        return false;
    }
    pid_t child = fork();
    if (child > 0) {
        (void)close(ready[1]);
        (void)close(messages[1]);
        wait_for_child(ready[0], messages[0], child);
    }
    bool detached = child == 0;
    int errnum = errno;
    (void)close(ready[0]);
    (void)close(messages[0]);
    if (detached) {
        detached = become_child(messages[1], error);
    } else {
        hf_error_errno(error, errnum, "cannot go to the background");
    }
    (void)close(messages[1]);
    if (!detached) {
        (void)close(ready[1]);
        return false;
    }
    *ret_ready_fd = ready[1];
    return true;
}

bool hf_daemon_drop_stdout(GError **error)
{
    /* A copy of stdin, which is /dev/null by now: a changed root directory may have none. */
    return dup2(STDIN_FILENO, STDOUT_FILENO) >= 0 ||
           hf_error_errno(error, errno, "cannot go to the background");
}

void hf_daemon_ready(int *ready_fd)
{
    if (*ready_fd >= 0) {
        (void)hf_fd_write_all(*ready_fd, "1", 1, "ready", NULL);
        hf_fd_close(ready_fd);
    }
}
