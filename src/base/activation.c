/*
 * activation.c - sd_listen_fds' protocol, without libsystemd.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

#define FIRST 3u
#define COUNT_MAX 64u

bool hf_activation_take(unsigned *ret_first, unsigned *ret_count, GError **error)
{
    const char *pid = g_getenv("LISTEN_PID");
    const char *fds = g_getenv("LISTEN_FDS");
    guint64 number = 0, count = 0;

    *ret_first = FIRST;
    *ret_count = 0;
    if (!pid || !fds) {
        return true;
    }
    if (!g_ascii_string_to_unsigned(pid, 10, 1, G_MAXINT, &number, NULL) ||
        !g_ascii_string_to_unsigned(fds, 10, 0, COUNT_MAX, &count, NULL)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "LISTEN_PID and LISTEN_FDS: a process and at most %u sockets expected, "
                            "found '%s' and '%s'",
                            COUNT_MAX, pid, fds);
    }
    if (number != (guint64)getpid()) {
        return true;
    }
    for (unsigned i = 0; i < count; i++) {
        if (fcntl((int)(FIRST + i), F_SETFD, FD_CLOEXEC) != 0) {
            return hf_error_errno(error, errno, "LISTEN_FDS: descriptor %u", FIRST + i);
        }
    }
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    *ret_count = (unsigned)count;
    return true;
}
