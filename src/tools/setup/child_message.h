/*
 * child_message.h - how holdfast-setup's processes talk: strictly a request and its reply.
 *
 * u8 code, u32 size, payload, on a stream socket. What the codes mean is the business of those who
 * talk (engine_child.c, signing_desk.c). Payloads may be secret, so they travel in such memory.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_CHILD_MESSAGE_H
#define HOLDFAST_TOOLS_SETUP_CHILD_MESSAGE_H

#include <sys/types.h>

#include "base/secret.h"

/* One write(2): an engine's filter knows that, and no sending that it could aim elsewhere. */
bool hf_message_send(int fd, uint8_t code, const void *data, size_t size, GError **error);
/* The same for a command of the TPM or its answer, which come out of ordinary memory: not in locked
 * pages, which take four calls; wiped all the same. */
bool hf_message_send_command(int fd, uint8_t code, const void *data, size_t size, GError **error);
/* deadline: as in base/socket.h. A payload above HF_BLOB_MAX is HF_ERROR_INVALID. */
HfSecret *hf_message_receive(int fd, int64_t deadline, uint8_t *ret_code, GError **error);

/* Two ends of a stream, closed when a program is executed. */
bool hf_child_pair(int *ret_ours, int *ret_theirs, GError **error);
/* fork(2) with such a pair between: the parent gets the process and its end, the child 0 and the
 * other. -1: `what` ("the TPM's process") cannot be started. */
pid_t hf_child_fork(const char *what, int *ret_fd, GError **error);
/* Ends a process of ours, if it runs, and waits for it. */
void hf_child_end(pid_t pid);
/* waitpid through interruptions. */
bool hf_child_reap(pid_t pid, int *ret_status);

#endif
