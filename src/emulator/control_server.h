/*
 * control_server.h - the control thread: control channel, signals, the end of the process.
 *
 * One client at a time; the next waits in the listener's backlog. The thread sleeps in poll and
 * never in a read: a client that stalls in the middle of a request, or does not read its answer,
 * is disconnected and cannot keep SIGTERM from being heard.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_CONTROL_SERVER_H
#define HOLDFAST_EMULATOR_CONTROL_SERVER_H

#include <stdbool.h>

#include "emulator/data_channel.h"
#include "emulator/emulator.h"
#include "emulator/frontend.h"

typedef struct {
    int listener;   /* -1: none */
    int connection; /* -1: none */
    bool terminate; /* the process ends when a client leaves */
    int signal_fd;  /* signalfd of the signals that end the process; stays the caller's */
    HfFarewell
        *farewell; /* gets the response to SHUTDOWN and who waits for it; NULL: sent at once */
} HfControlConfig;

/* Serves until the process is to end; returns its exit code. Takes listener and connection over. */
int hf_control_server_run(HfEmulator *emulator, HfDataChannel *data, const HfControlConfig *config);

#endif
