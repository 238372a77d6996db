/*
 * frontend.c - which front end the settings ask for, and what all of them do.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "emulator/frontend.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"

HfFrontend *hf_frontend_new(const HfSettings *settings)
{
    switch (settings->interface) {
    case HF_INTERFACE_CHARDEV: return hf_frontend_chardev_new(settings);
    case HF_INTERFACE_CUSE:
#ifdef HAVE_FUSE
        return hf_frontend_cuse_new(settings);
#else
        g_assert_not_reached(); /* the command line does not know it */
#endif
    case HF_INTERFACE_SOCKET:
    default: return hf_frontend_socket_new(settings);
    }
}

void hf_frontend_free(HfFrontend *frontend)
{
    if (frontend) {
        frontend->class->free(frontend);
    }
}

void hf_frontend_take_signal(HfEmulator *emulator, int signal_fd)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
        hf_log(2, " ending on signal %u", info.ssi_signo);
        hf_emulator_end(emulator, 0);
    }
}
