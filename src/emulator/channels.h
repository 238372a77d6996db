/*
 * channels.h - what `holdfast socket` and `holdfast chardev` have in common: a control channel and
 * a data channel, each with a thread.
 *
 * The two differ in what the data channel is on. A front end embeds this as its first member and
 * fills the data descriptors in before `connect`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_CHANNELS_H
#define HOLDFAST_EMULATOR_CHANNELS_H

#include "emulator/data_channel.h"
#include "emulator/frontend.h"

/* What a channel is served on; -1 where there is none. */
typedef struct {
    int listener;
    int connection;
} HfChannelSockets;

typedef struct {
    HfFrontend base;
    const HfSettings *settings;
    HfChannelSockets control_sockets;
    HfChannelSockets data_sockets;
    HfEmulator *emulator;
    HfDataChannel *data;
} HfChannels;

HfChannels *hf_channels_new(const HfFrontendClass *class, const HfSettings *settings);
/* Makes, or takes over and checks, the sockets that an endpoint names. */
bool hf_channels_open(const HfEndpoint *endpoint, const char *label, HfLeftovers *leftovers,
                      HfChannelSockets *sockets, GError **error);

/* The functions of a front end that are the same for both. */
bool hf_channels_connect(HfFrontend *frontend, HfEmulator *emulator, GError **error);
bool hf_channels_start(HfFrontend *frontend, GError **error);
int hf_channels_run(HfFrontend *frontend, int signal_fd, HfFarewell *farewell);
void hf_channels_free(HfFrontend *frontend);

#endif
