/*
 * frontend_socket.h - the sockets of `holdfast socket`: made, or inherited and checked.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_FRONTEND_SOCKET_H
#define HOLDFAST_EMULATOR_FRONTEND_SOCKET_H

#include <glib.h>
#include <stdbool.h>

#include "emulator/emulator_options.h"
#include "emulator/leftovers.h"

/* What a channel is served on; -1 where there is none. */
typedef struct {
    int listener;
    int connection;
} HfChannelSockets;

typedef struct {
    HfChannelSockets control;
    HfChannelSockets data;
} HfFrontendSocket;

#define HF_FRONTEND_SOCKET_NONE \
    {                           \
        { -1, -1 },             \
        {                       \
            -1, -1              \
        }                       \
    }

/* Opens what the settings name. UNIX sockets are added to leftovers. On failure *frontend may hold
 * descriptors; hf_frontend_socket_close either way. */
bool hf_frontend_socket_open(const HfSettings *settings, HfLeftovers *leftovers,
                             HfFrontendSocket *frontend, GError **error);
void hf_frontend_socket_close(HfFrontendSocket *frontend);

#endif
