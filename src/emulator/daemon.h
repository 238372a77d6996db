/*
 * daemon.h - going to the background so that the caller knows how it went.
 *
 * The process forks before it opens anything. The parent stays until the child says that it is
 * ready (exit 0) or dies (exit 1), and passes on what the child writes to stderr until then. The
 * working directory stays, so relative paths mean what the caller meant.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_DAEMON_H
#define HOLDFAST_EMULATOR_DAEMON_H

#include <glib.h>
#include <stdbool.h>

/* Returns in the child only, with the descriptor that hf_daemon_ready wants. */
bool hf_daemon_detach(int *ret_ready_fd, GError **error);
/* When the last line for the caller is on stdout, which a pipe's reader then sees end. */
bool hf_daemon_drop_stdout(GError **error);
/* Lets the parent go. -1: nothing to do. */
void hf_daemon_ready(int *ready_fd);

#endif
