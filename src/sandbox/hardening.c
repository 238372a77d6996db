/*
 * hardening.c - stage 1: what every process of holdfast gives up before it looks at its arguments.
 *
 * Not dumpable: no core file, no ptrace and no reading of /proc/PID/mem by other processes of the
 * same user. No new privileges: set-user-id programs lose their meaning, which Landlock and seccomp
 * need as well. Descriptors 0 to 2 are filled so that no state file is ever opened as stderr.
 * It opens nothing but /dev/null.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "sandbox/process.h"
#include "sandbox/sandbox.h"

bool hf_process_hide(GError **error)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return hf_error_errno(error, errno, "cannot make the process not dumpable");
    }
    return true;
}

static bool fill_stdio(GError **error)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            continue;
        }
        /* The lowest free descriptor is taken, and that is fd: all below are there. */
        if (open("/dev/null", O_RDWR | O_NOCTTY) != fd) {
            return hf_error_errno(error, errno, "cannot open /dev/null as descriptor %d", fd);
        }
    }
    return true;
}

bool hf_sandbox_stage1(GError **error)
{
    if (!fill_stdio(error) || !hf_process_hide(error)) {
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return hf_error_errno(error, errno, "cannot set no_new_privs");
    }
    const struct rlimit none = { 0, 0 };
    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        return hf_error_errno(error, errno, "cannot set the limit for core files to 0");
    }
    return true;
}
