/*
 * channels.c - making and taking over sockets; the two threads of a front end with channels.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/channels.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "emulator/control_server.h"

/* One client is served; one more waits. */
#define BACKLOG 1

HfChannels *hf_channels_new(const HfFrontendClass *class, const HfSettings *settings)
{
    HfChannels *channels = g_new0(HfChannels, 1);
    const HfChannelSockets none = { -1, -1 };
    channels->base.class = class;
    channels->settings = settings;
    channels->control_sockets = none;
    channels->data_sockets = none;
    return channels;
}

static bool is_device(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
}

/* A UNIX socket of messages: commands and responses are one each. Never a UDP socket. */
static bool is_local_pair(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

/* An inherited descriptor is what the option says, and is not inherited further. */
static bool adopt(int fd, bool listens, const char *label, int *ret_fd, GError **error)
{
    int type = 0;
    int listening = 0;
    socklen_t size = sizeof(type);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return hf_error_errno(error, errno, "%s: descriptor %d", label, fd);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        (type != SOCK_STREAM && (listens || !is_local_pair(fd)))) {
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

bool hf_channels_open(const HfEndpoint *endpoint, const char *label, HfLeftovers *leftovers,
                      HfChannelSockets *sockets, GError **error)
{
    if (endpoint->connection >= 0 && endpoint->device && is_device(endpoint->connection)) {
        sockets->connection = endpoint->connection;
        return fcntl(endpoint->connection, F_SETFD, FD_CLOEXEC) == 0 ||
               hf_error_errno(error, errno, "%s: descriptor %d", label, endpoint->connection);
    }
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

bool hf_channels_connect(HfFrontend *frontend, HfEmulator *emulator, GError **error)
{
    HfChannels *channels = (HfChannels *)frontend;
    const HfDataConfig data = {
        .listener = hf_fd_steal(&channels->data_sockets.listener),
        .connection = hf_fd_steal(&channels->data_sockets.connection),
        .terminate = channels->settings->data_terminate,
        .disconnect = channels->settings->data_disconnect,
    };
    channels->emulator = emulator;
    channels->data = hf_data_channel_new(emulator, &data, error);
    return channels->data != NULL;
}

/* Clients may connect since `open`; they wait in the backlog. */
bool hf_channels_start(HfFrontend *frontend, GError **error)
{
    (void)frontend;
    (void)error;
    return true;
}

int hf_channels_run(HfFrontend *frontend, int signal_fd, HfFarewell *farewell)
{
    HfChannels *channels = (HfChannels *)frontend;
    const HfControlConfig config = {
        .listener = hf_fd_steal(&channels->control_sockets.listener),
        .connection = hf_fd_steal(&channels->control_sockets.connection),
        .terminate = channels->settings->control_terminate,
        .signal_fd = signal_fd,
        .farewell = farewell,
    };
    hf_data_channel_open(channels->data);
    return hf_control_server_run(channels->emulator, channels->data, &config);
}

void hf_channels_free(HfFrontend *frontend)
{
    HfChannels *channels = (HfChannels *)frontend;
    hf_data_channel_free(channels->data);
    hf_fd_close(&channels->control_sockets.listener);
    hf_fd_close(&channels->control_sockets.connection);
    hf_fd_close(&channels->data_sockets.listener);
    hf_fd_close(&channels->data_sockets.connection);
    g_free(channels);
}
