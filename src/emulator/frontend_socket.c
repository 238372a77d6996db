/*
 * frontend_socket.c - `holdfast socket`: control and data channel are sockets, made or inherited.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/channels.h"

static bool open_nothing(HfFrontend *frontend, GError **error)
{
    (void)frontend;
    (void)error;
    return true;
}

static bool open_sockets(HfFrontend *frontend, HfLeftovers *leftovers, GError **error)
{
    HfChannels *channels = (HfChannels *)frontend;
    const HfSettings *settings = channels->settings;
    return hf_channels_open(&settings->control, "--ctrl", leftovers, &channels->control_sockets,
                            error) &&
           hf_channels_open(&settings->data, "data channel", leftovers, &channels->data_sockets,
                            error);
}

static const HfFrontendClass socket_class = {
    .profile = HF_PROFILE_EMULATOR,
    .profile_file = HF_PROFILE_EMULATOR_FILE,
    .open_device = open_nothing,
    .open = open_sockets,
    .connect = hf_channels_connect,
    .start = hf_channels_start,
    .run = hf_channels_run,
    .free = hf_channels_free,
};

HfFrontend *hf_frontend_socket_new(const HfSettings *settings)
{
    return &hf_channels_new(&socket_class, settings)->base;
}
