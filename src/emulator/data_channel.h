/*
 * data_channel.h - the data thread: TPM commands in, TPM responses out.
 *
 * One client at a time: a connection of its own (--fd, SET_DATAFD) or the next one from a
 * listener. A command costs two system calls, read and write; the thread sleeps in read. It is
 * woken by shutting the connection down, or through an event descriptor while it has none. A
 * character device cannot be shut down: it costs a third system call, poll.
 * The thread is made before the seccomp filter and waits at a gate, so that no byte of a guest is
 * read before the filter is there.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_DATA_CHANNEL_H
#define HOLDFAST_EMULATOR_DATA_CHANNEL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "emulator/emulator.h"

typedef struct {
    int listener;    /* -1: none */
    int connection;  /* connected socket, or character device; its end ends the process; -1: none */
    bool terminate;  /* the end of any connection ends the process */
    bool disconnect; /* a client of the listener is disconnected after each response */
} HfDataConfig;

typedef struct HfDataChannel HfDataChannel;

/* Takes the descriptors over, also when it fails. Returns when the thread waits at the gate. */
HfDataChannel *hf_data_channel_new(HfEmulator *emulator, const HfDataConfig *config,
                                   GError **error);
/* Lets the thread serve. */
void hf_data_channel_open(HfDataChannel *channel);
/* Ends the connection and the thread, after the command that runs. NULL allowed. */
void hf_data_channel_free(HfDataChannel *channel);

/* SET_DATAFD: a connected stream socket, taken over. It displaces a client of the listener. False
 * when a connection of this kind is there already. Any thread. */
bool hf_data_channel_offer(HfDataChannel *channel, int fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfDataChannel, hf_data_channel_free)

#endif
