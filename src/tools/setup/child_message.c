/*
 * child_message.c - messages between holdfast-setup's processes, and the end of those processes.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/child_message.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "engine/engine.h"

#define HEADER_SIZE 5u

static bool send_in(uint8_t *message, int fd, uint8_t code, const void *data, size_t size,
                    GError **error)
{
    message[0] = code;
    hf_store_u32(message + 1, (uint32_t)size);
    if (size > 0) {
        memcpy(message + HEADER_SIZE, data, size);
    }
    return hf_fd_write_all(fd, message, HEADER_SIZE + size, "another process of ours", error);
}

bool hf_message_send(int fd, uint8_t code, const void *data, size_t size, GError **error)
{
    g_autoptr(HfSecret) message = hf_secret_new(HEADER_SIZE + size);
    return send_in(message->data, fd, code, data, size, error);
}

bool hf_message_send_command(int fd, uint8_t code, const void *data, size_t size, GError **error)
{
    uint8_t message[HEADER_SIZE + HF_TPM_BUFFER_MAX];
    if (size > HF_TPM_BUFFER_MAX) {
        return hf_message_send(fd, code, data, size, error);
    }
    bool sent = send_in(message, fd, code, data, size, error);
    explicit_bzero(message, HEADER_SIZE + size);
    return sent;
}

HfSecret *hf_message_receive(int fd, int64_t deadline, uint8_t *ret_code, GError **error)
{
    uint8_t header[HEADER_SIZE];
    if (!hf_socket_read_full(fd, header, sizeof(header), deadline, error)) {
        return NULL;
    }
    uint32_t size = hf_fetch_u32(header + 1);
    if (size > HF_BLOB_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, "message of %u bytes, expected at most %u", size,
                     HF_BLOB_MAX);
        return NULL;
    }
    g_autoptr(HfSecret) payload = hf_secret_new(size);
    if (size > 0 && !hf_socket_read_full(fd, payload->data, size, deadline, error)) {
        return NULL;
    }
    *ret_code = header[0];
    return g_steal_pointer(&payload);
}

bool hf_child_reap(pid_t pid, int *ret_status)
{
    while (waitpid(pid, ret_status, 0) < 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

bool hf_child_pair(int *ret_ours, int *ret_theirs, GError **error)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return hf_error_errno(error, errno, "cannot make a socket pair");
    }
    *ret_ours = pair[0];
    *ret_theirs = pair[1];
    return true;
}

pid_t hf_child_fork(const char *what, int *ret_fd, GError **error)
{
    hf_autofd int ours = -1;
    hf_autofd int theirs = -1;
    if (!hf_child_pair(&ours, &theirs, error)) {
        return -1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        hf_error_errno(error, errno, "cannot start %s", what);
        return -1;
    }
    *ret_fd = hf_fd_steal(pid == 0 ? &theirs : &ours);
    return pid;
}

void hf_child_end(pid_t pid)
{
    if (pid > 0) {
        int status;
        kill(pid, SIGKILL);
        hf_child_reap(pid, &status);
    }
}
