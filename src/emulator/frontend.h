/*
 * frontend.h - how TPM commands and control requests come in: sockets, a character device, CUSE.
 *
 * A front end is a const struct of functions, all required; service.c calls them in the order in
 * which they stand here and knows no more of it. All share the emulator (emulator.h) and the table
 * of control commands (control_handlers.h). A front end must not: hold state of the TPM; open
 * anything after `open`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_FRONTEND_H
#define HOLDFAST_EMULATOR_FRONTEND_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "emulator/emulator.h"
#include "emulator/emulator_options.h"
#include "emulator/leftovers.h"
#include "sandbox/sandbox.h"

typedef struct HfFrontend HfFrontend;

/* The response to SHUTDOWN. It is sent when all else is closed and removed: who has it may start the
 * next emulator with the same state, sockets and pid file. */
typedef struct {
    int fd; /* -1: nobody waits for it */
    uint8_t bytes[4];
} HfFarewell;

typedef struct {
    HfSeccompProfile profile;      /* of the system calls it needs in service */
    HfSeccompProfile profile_file; /* the same when the state is in one file */
    /* Opens devices, still as the user who started the process. */
    bool (*open_device)(HfFrontend *frontend, GError **error);
    /* Opens the rest, as the user of --runas. UNIX sockets are added to leftovers. */
    bool (*open)(HfFrontend *frontend, HfLeftovers *leftovers, GError **error);
    /* Makes the threads, which wait. The emulator is borrowed until free. */
    bool (*connect)(HfFrontend *frontend, HfEmulator *emulator, GError **error);
    /* The sandbox is closed, and the TPM on if it is to be: clients may come. */
    bool (*start)(HfFrontend *frontend, GError **error);
    /* Serves until the process is to end; returns its exit code. signal_fd: signalfd of the signals
     * that end it. */
    int (*run)(HfFrontend *frontend, int signal_fd, HfFarewell *farewell);
    /* Ends threads and closes everything, wherever the front end is on its way. */
    void (*free)(HfFrontend *frontend);
} HfFrontendClass;

struct HfFrontend {
    const HfFrontendClass *class;
};

/* The front end that the settings name (borrowed). Nothing is open yet. */
HfFrontend *hf_frontend_new(const HfSettings *settings);
void hf_frontend_free(HfFrontend *frontend); /* NULL allowed */

HfFrontend *hf_frontend_socket_new(const HfSettings *settings);
HfFrontend *hf_frontend_chardev_new(const HfSettings *settings);
#ifdef HAVE_FUSE
HfFrontend *hf_frontend_cuse_new(const HfSettings *settings);
#endif

/* A signal is there: reads it from signal_fd, and ends the process. */
void hf_frontend_take_signal(HfEmulator *emulator, int signal_fd);

#endif
