/*
 * notify.c - sd_notify's protocol, without libsystemd.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/file.h"

int hf_notify_open(GError **error)
{
    const char *name = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = name ? strlen(name) : 0;

    if (length == 0) {
        return -1;
    }
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof(address.sun_path)) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "NOTIFY_SOCKET: expected an absolute path or @name of at most %zu bytes, "
                     "found '%s'",
                     sizeof(address.sun_path) - 1, name);
        return -1;
    }
    memcpy(address.sun_path, name, length);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    hf_autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) != 0) {
        hf_error_errno(error, errno, "NOTIFY_SOCKET %s", name);
        return -1;
    }
    return hf_fd_steal(&fd);
}

void hf_notify_ready(int *fd)
{
    static const char ready[] = "READY=1";
    if (*fd >= 0) {
        ssize_t sent = send(*fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL);
        (void)sent;
        hf_fd_close(fd);
    }
}
