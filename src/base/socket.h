/*
 * socket.h - stream sockets, UNIX and TCP: listen, connect, whole reads with deadlines,
 * descriptors.
 *
 * Deadlines are absolute microseconds of the monotonic clock (g_get_monotonic_time), or
 * HF_NO_DEADLINE. All sockets are close-on-exec; received descriptors that nobody asked for are
 * closed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_SOCKET_H
#define HOLDFAST_BASE_SOCKET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HF_NO_DEADLINE INT64_MAX

/* A UNIX socket that listens at `path`; a stale socket there is removed first, anything else is
 * an error. mode is exact; uid/gid of (uid_t)-1 / (gid_t)-1 leave the owner. */
int hf_socket_listen_unix(const char *path, mode_t mode, uid_t uid, gid_t gid, int backlog,
                          GError **error);
/* bindaddr: IPv4 or IPv6 literal; ifname: NULL, or the scope of a link-local IPv6 address. */
int hf_socket_listen_tcp(const char *bindaddr, uint16_t port, const char *ifname, int backlog,
                         GError **error);
int hf_socket_connect_unix(const char *path, GError **error);
/* host: name or literal. */
int hf_socket_connect_tcp(const char *host, uint16_t port, GError **error);
/* The same with a time for each address of the host. HF_ERROR_TIMEOUT when it has passed. */
int hf_socket_connect_tcp_within(const char *host, uint16_t port, unsigned seconds, GError **error);
/* TCP_NODELAY, which accepted connections inherit from their listener; for sockets handed to us,
 * the functions above do it themselves. Nothing happens to a UNIX socket. */
void hf_socket_no_delay(int fd);
/* accept4 with SOCK_CLOEXEC. */
int hf_socket_accept(int listener, GError **error);

/* Reads exactly n bytes. HF_ERROR_CLOSED when the peer closes before the first byte,
 * HF_ERROR_INVALID when it closes in the middle, HF_ERROR_TIMEOUT when the deadline passes. */
bool hf_socket_read_full(int fd, void *buffer, size_t n, int64_t deadline_us, GError **error);
/* Writes all n bytes, MSG_NOSIGNAL on sockets. */
bool hf_socket_write_full(int fd, const void *data, size_t n, GError **error);
/* One recvmsg of 1..n bytes with at most one descriptor wanted: ret_fd receives it (or -1);
 * all further descriptors are closed. ret_fd NULL: every descriptor is closed. Returns the number
 * of bytes, 0 at end of stream, -1 and *error. */
ssize_t hf_socket_receive(int fd, void *buffer, size_t n, int *ret_fd, GError **error);
/* Sends n bytes (1 or more) with one descriptor attached to the first. */
bool hf_socket_send_fd(int fd, const void *data, size_t n, int passed, GError **error);
/* Waits until fd is readable (or at end). HF_ERROR_TIMEOUT when the deadline passes. */
bool hf_socket_wait(int fd, int64_t deadline_us, GError **error);

#endif
