/*
 * notify.h - telling the service manager that a process is ready (sd_notify(3)).
 *
 * The protocol is one datagram of text to the socket that NOTIFY_SOCKET names: a path, or with a
 * leading @ a name in the abstract space. The socket is opened before a process confines itself and
 * written to when it is ready. Must not: make anything fail but by the caller's choice.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_NOTIFY_H
#define HOLDFAST_BASE_NOTIFY_H

#include <glib.h>

/* A connected socket; -1 without *error when nobody wants to know, -1 with *error when NOTIFY_SOCKET
 * says what cannot be. */
int hf_notify_open(GError **error);
/* Sends READY=1 and closes *fd; -1: nothing happens. A manager that is gone does not matter. */
void hf_notify_ready(int *fd);

#endif
