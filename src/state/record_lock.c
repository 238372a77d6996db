/*
 * record_lock.c - taking the lock, and saying who has it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/record_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "base/error.h"

/* Who holds the lock, for the message. */
static bool lock_refused(int fd, const char *label, GError **error)
{
    struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_GETLK, &held) == 0 && held.l_type != F_UNLCK && held.l_pid > 0) {
        return hf_error_set(error, HF_ERROR_BUSY, "%s is locked by process %ld: %s", label,
                            (long)held.l_pid, g_strerror(EAGAIN));
    }
    return hf_error_set(error, HF_ERROR_BUSY, "%s is locked by another process: %s", label,
                        g_strerror(EAGAIN));
}

bool hf_record_lock(int fd, unsigned retries, const char *label, GError **error)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    while (fcntl(fd, F_SETLK, &whole) != 0) {
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EACCES) {
            return hf_error_errno(error, errno, "cannot lock %s", label);
        }
        if (retries-- == 0) {
            return lock_refused(fd, label, error);
        }
        (void)poll(NULL, 0, HF_RECORD_LOCK_INTERVAL_MS);
    }
    return true;
}

void hf_record_unlock(int fd)
{
    struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

    (void)fcntl(fd, F_SETLK, &whole);
}
