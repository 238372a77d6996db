/*
 * activation.h - sockets that the service manager has opened for a program (sd_listen_fds(3)).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_ACTIVATION_H
#define HOLDFAST_BASE_ACTIVATION_H

#include <glib.h>
#include <stdbool.h>

/* Descriptors *ret_first and on, *ret_count of them (0: none are for this process), close-on-exec
 * from now on. LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are removed. HF_ERROR_INVALID when they say
 * what cannot be. */
bool hf_activation_take(unsigned *ret_first, unsigned *ret_count, GError **error);

#endif
