/*
 * socket.c - stream sockets with deadlines and passed descriptors.
 *
 * A read with a deadline polls first; one without just blocks, so that the emulator's data path
 * stays at one system call a read.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/socket.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool unix_address(const char *path, struct sockaddr_un *ret_address, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(address.sun_path)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected a socket path of 1 to %zu bytes, found %zu", path,
                            sizeof(address.sun_path) - 1, length);
    }
    memcpy(address.sun_path, path, length + 1);
    *ret_address = address;
    return true;
}

/* Clears the way for bind: a socket left behind goes, anything else stays and is an error. */
static bool remove_stale(const char *path, GError **error)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT || hf_error_errno(error, errno, "cannot examine %s", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return hf_error_set(error, HF_ERROR_EXISTS,
                            "%s: expected a socket or nothing, found another kind of file", path);
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return hf_error_errno(error, errno, "cannot remove the old socket %s", path);
    }
    return true;
}

/* Another owner for the socket that we have just made, and for nothing else. */
static bool give_away(const char *path, uid_t uid, gid_t gid)
{
    struct stat st;
    if (uid == (uid_t)-1 && gid == (gid_t)-1) {
        return true;
    }
    hf_autofd int file = TEMP_FAILURE_RETRY(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (file < 0 || fstat(file, &st) != 0) {
        return false;
    }
    if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1) {
        errno = EEXIST; /* somebody was faster */
        return false;
    }
    return fchownat(file, "", uid, gid, AT_EMPTY_PATH) == 0;
}

int hf_socket_listen_unix(const char *path, mode_t mode, uid_t uid, gid_t gid, int backlog,
                          GError **error)
{
    struct sockaddr_un address;
    if (!unix_address(path, &address, error) || !remove_stale(path, error)) {
        return -1;
    }
    hf_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        hf_error_errno(error, errno, "cannot make a UNIX socket");
        return -1;
    }
    /* Born with its mode: a chmod of the path would reach what another user has put there since. */
    mode_t before = umask(0777 & ~mode);
    bool bound = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    int cause = errno;
    (void)umask(before);
    if (!bound) {
        hf_error_errno(error, cause, "cannot bind %s", path);
        return -1;
    }
    if (listen(fd, backlog) != 0 || !give_away(path, uid, gid)) {
        hf_error_errno(error, errno, "cannot set up socket %s", path);
        (void)unlink(path);
        return -1;
    }
    return hf_fd_steal(&fd);
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} TcpAddress;

static bool tcp_literal(const char *text, uint16_t port, const char *ifname, TcpAddress *address,
                        socklen_t *ret_size, GError **error)
{
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        *ret_size = sizeof(address->v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) != 1) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "bind address '%s': expected an IPv4 or IPv6 address", text);
    }
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(port);
    if (ifname) {
        address->v6.sin6_scope_id = if_nametoindex(ifname);
        if (address->v6.sin6_scope_id == 0) {
            return hf_error_errno(error, errno, "network interface '%s'", ifname);
        }
    }
    *ret_size = sizeof(address->v6);
    return true;
}

void hf_socket_no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int hf_socket_listen_tcp(const char *bindaddr, uint16_t port, const char *ifname, int backlog,
                         GError **error)
{
    TcpAddress address;
    socklen_t size = 0;
    if (!tcp_literal(bindaddr, port, ifname, &address, &size, error)) {
        return -1;
    }
    hf_autofd int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        hf_error_errno(error, errno, "cannot make a TCP socket");
        return -1;
    }
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, &address.any, size) != 0 || listen(fd, backlog) != 0) {
        hf_error_errno(error, errno, "cannot listen on %s port %u", bindaddr, port);
        return -1;
    }
    hf_socket_no_delay(fd);
    return hf_fd_steal(&fd);
}

int hf_socket_connect_unix(const char *path, GError **error)
{
    struct sockaddr_un address;
    if (!unix_address(path, &address, error)) {
        return -1;
    }
    hf_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        hf_error_errno(error, errno, "cannot connect to %s", path);
        return -1;
    }
    return hf_fd_steal(&fd);
}

int hf_socket_connect_tcp_within(const char *host, uint16_t port, unsigned seconds, GError **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    g_autofree char *service = g_strdup_printf("%u", port);
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc != 0) {
        hf_error_set(error, HF_ERROR_NO_HOST, "host '%s': %s", host, gai_strerror(rc));
        return -1;
    }
    int last = 0;
    int found = -1;
    for (struct addrinfo *a = list; a && found < 0; a = a->ai_next) {
        hf_autofd int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        /* connect() obeys the time for sending, and says "in progress" when it is over. */
        const struct timeval time = { .tv_sec = seconds };
        const struct timeval none = { 0 };
        if (fd >= 0) {
            (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
        }
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
            (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
            found = hf_fd_steal(&fd);
        }
        last = errno == EINPROGRESS ? ETIMEDOUT : errno;
    }
    freeaddrinfo(list);
    if (found < 0) {
        hf_error_errno(error, last, "cannot connect to %s port %u", host, port);
        return -1;
    }
    hf_socket_no_delay(found);
    return found;
}

int hf_socket_connect_tcp(const char *host, uint16_t port, GError **error)
{
    return hf_socket_connect_tcp_within(host, port, 0, error);
}

int hf_socket_accept(int listener, GError **error)
{
    int fd = -1;
    do {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) {
        hf_error_errno(error, errno, "cannot accept a connection");
        return -1;
    }
    return fd;
}

bool hf_socket_wait(int fd, int64_t deadline_us, GError **error)
{
    for (;;) {
        int timeout = -1;
        if (deadline_us != HF_NO_DEADLINE) {
            int64_t left = deadline_us - g_get_monotonic_time();
            timeout = left <= 0 ? 0 : (int)MIN((left + 999) / 1000, G_MAXINT);
        }
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int n = poll(&p, 1, timeout);
        if (n > 0) {
            return true;
        }
        if (n == 0) {
            return hf_error_set(error, HF_ERROR_TIMEOUT, "no data within the time allowed");
        }
        if (errno != EINTR) {
            return hf_error_errno(error, errno, "cannot wait for data");
        }
    }
}

bool hf_socket_read_full(int fd, void *buffer, size_t n, int64_t deadline_us, GError **error)
{
    uint8_t *p = buffer;
    size_t have = 0;
    while (have < n) {
        if (deadline_us != HF_NO_DEADLINE && !hf_socket_wait(fd, deadline_us, error)) {
            return false;
        }
        ssize_t got = read(fd, p + have, n - have);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got < 0 && errno != ECONNRESET) {
            return hf_error_errno(error, errno, "cannot read from the connection");
        }
        if (got <= 0) {
            return hf_error_set(error, have == 0 ? HF_ERROR_CLOSED : HF_ERROR_INVALID,
                                "the connection was closed after %zu of %zu bytes", have, n);
        }
        have += (size_t)got;
    }
    return true;
}

bool hf_socket_write_full(int fd, const void *data, size_t n, GError **error)
{
    const uint8_t *p = data;
    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done < 0 && errno == ENOTSOCK) {
            done = write(fd, p, n);
        }
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return hf_error_set(error, HF_ERROR_CLOSED, "the peer closed the connection");
        }
        if (done < 0) {
            return hf_error_errno(error, errno, "cannot write to the connection");
        }
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* Keeps the first descriptor of the message when one is wanted, closes all others. */
static void take_descriptors(struct msghdr *message, int *ret_fd)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (ret_fd && *ret_fd < 0) {
                *ret_fd = fd;
            } else {
                (void)close(fd);
            }
        }
    }
}

ssize_t hf_socket_receive(int fd, void *buffer, size_t n, int *ret_fd, GError **error)
{
    /* Room for more than one, so that the kernel hands them to us and we close them. */
    union {
        struct cmsghdr align;
        uint8_t space[CMSG_SPACE(16 * sizeof(int))];
    } control;
    struct iovec part = { .iov_base = buffer, .iov_len = n };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.space,
                              .msg_controllen = sizeof(control.space) };
    ssize_t got = -1;
    do {
        got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (ret_fd) {
        *ret_fd = -1;
    }
    if (got < 0 && errno == ECONNRESET) {
        return 0;
    }
    if (got < 0) {
        hf_error_errno(error, errno, "cannot receive");
        return -1;
    }
    take_descriptors(&message, ret_fd);
    return got;
}

bool hf_socket_send_fd(int fd, const void *data, size_t n, int passed, GError **error)
{
    union {
        struct cmsghdr align;
        uint8_t space[CMSG_SPACE(sizeof(int))];
    } control = { .space = { 0 } };
    struct iovec part = { .iov_base = g_memdup2(data, n), .iov_len = n };
    g_autofree void *copy = part.iov_base;
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.space,
                              .msg_controllen = sizeof(control.space) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &passed, sizeof(int));
    ssize_t sent = -1;
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        return hf_error_errno(error, errno, "cannot send a descriptor");
    }
    return hf_socket_write_full(fd, (const uint8_t *)data + sent, n - (size_t)sent, error);
}
