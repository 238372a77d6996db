/*
 * service.h - an emulator process from its first step to its last.
 *
 * The steps are functions so that main can be read as their order: go to the background; open
 * everything that is named; shut the world out; make the data thread; allow only listed system
 * calls; serve. After a step failed only hf_service_free is left.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_SERVICE_H
#define HOLDFAST_EMULATOR_SERVICE_H

#include <glib.h>
#include <stdbool.h>

#include "emulator/emulator_options.h"

typedef struct HfService HfService;

HfService *hf_service_new(const HfSettings *settings); /* borrowed */
/* Ends everything in order: TPM, sockets, files that must be gone. NULL allowed. */
void hf_service_free(HfService *service);

/* --daemon; otherwise nothing. Returns in the process that will serve. */
bool hf_service_detach(HfService *service, GError **error);
/* Devices; become the user; log, sockets, keys, state, the TPM (off), pid file. */
bool hf_service_open(HfService *service, GError **error);
/* Stage 2: capabilities and Landlock. */
bool hf_service_enclose(HfService *service, GError **error);
/* The data thread, which waits. */
bool hf_service_connect(HfService *service, GError **error);
/* Stage 3: the system call list that the front end and the kind of store need. */
bool hf_service_filter(HfService *service, GError **error);
/* Power on if no INIT is needed; let clients come; tell the caller that we are ready. */
bool hf_service_start(HfService *service, GError **error);
/* Until the end; returns the exit code. */
int hf_service_run(HfService *service);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfService, hf_service_free)

#endif
