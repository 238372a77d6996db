/*
 * frontend_socket.c - making and taking over sockets.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/frontend_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"

/* One client is served; one more waits. */
#define BACKLOG 1

/* An inherited descriptor is what the option says, and is not inherited further. */
static bool adopt(int fd, bool listens, const char *label, int *ret_fd, GError **error)
{
    int type = 0;
    int listening = 0;
    socklen_t size = sizeof(type);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return hf_error_errno(error, errno, "%s: descriptor %d", label, fd);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected descriptor %d to be a stream socket, found something "
                            "else",
                            label, fd);
    }
    size = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 ||
        (listening != 0) != listens) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected descriptor %d to be a socket that %s, found one that %s",
                            label, fd, listens ? "listens" : "is connected",
                            listening ? "listens" : "does not listen");
    }
    hf_socket_no_delay(fd);
    *ret_fd = fd;
    return true;
}

static bool open_channel(const HfEndpoint *endpoint, const char *label, HfLeftovers *leftovers,
                         HfChannelSockets *sockets, GError **error)
{
    if (endpoint->connection >= 0) {
        return adopt(endpoint->connection, false, label, &sockets->connection, error);
    }
    if (endpoint->listener >= 0) {
        return adopt(endpoint->listener, true, label, &sockets->listener, error);
    }
    if (endpoint->port != 0) {
        const char *address = endpoint->bindaddr ? endpoint->bindaddr : "127.0.0.1";
        sockets->listener =
            hf_socket_listen_tcp(address, endpoint->port, endpoint->ifname, BACKLOG, error);
        return sockets->listener >= 0;
    }
    if (endpoint->path) {
        sockets->listener = hf_socket_listen_unix(endpoint->path, endpoint->mode, endpoint->uid,
                                                  endpoint->gid, BACKLOG, error);
        return sockets->listener >= 0 && hf_leftovers_add(leftovers, endpoint->path, error);
    }
    return true;
}

bool hf_frontend_socket_open(const HfSettings *settings, HfLeftovers *leftovers,
                             HfFrontendSocket *frontend, GError **error)
{
    *frontend = (HfFrontendSocket)HF_FRONTEND_SOCKET_NONE;
    return open_channel(&settings->control, "--ctrl", leftovers, &frontend->control, error) &&
           open_channel(&settings->data, "data channel", leftovers, &frontend->data, error);
}

void hf_frontend_socket_close(HfFrontendSocket *frontend)
{
    hf_fd_close(&frontend->control.listener);
    hf_fd_close(&frontend->control.connection);
    hf_fd_close(&frontend->data.listener);
    hf_fd_close(&frontend->data.connection);
}
