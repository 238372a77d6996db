/*
 * command_worker.h - a data thread without a channel: runs TPM commands that somebody hands in.
 *
 * For a front end whose one loop must stay free while a command runs (CUSE). One command at a time:
 * submit it, learn when it is done, take its response, in one piece or several. All functions are
 * for the thread of that loop, unless they say otherwise.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_COMMAND_WORKER_H
#define HOLDFAST_EMULATOR_COMMAND_WORKER_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator/emulator.h"

typedef struct HfCommandWorker HfCommandWorker;

/* Called by the thread of the worker. */
typedef void HfCommandDone(void *user);

/* Makes the thread; returns when it waits. */
HfCommandWorker *hf_command_worker_new(HfEmulator *emulator, HfCommandDone *done, void *user,
                                       GError **error);
/* Ends the thread after the command that runs. NULL allowed. */
void hf_command_worker_free(HfCommandWorker *worker);

/* Hands a command of at most HF_TPM_BUFFER_MAX bytes in; a response that was not taken is
 * forgotten. False: one is running. */
bool hf_command_worker_submit(HfCommandWorker *worker, const uint8_t *command, size_t size);
/* True: a command is running, and `done` will be called once when it is over. */
bool hf_command_worker_await(HfCommandWorker *worker);
/* `done` will be called. */
bool hf_command_worker_awaited(HfCommandWorker *worker);
/* True: `done` would have been called, and will not. */
bool hf_command_worker_unawait(HfCommandWorker *worker);
/* The next at most `max` bytes of the response; *ret_data is valid until the next command. 0: none
 * left. No command is running. In `done`, too. */
size_t hf_command_worker_take(HfCommandWorker *worker, size_t max, const uint8_t **ret_data);
/* Forgets the response, also of the command that runs. */
void hf_command_worker_discard(HfCommandWorker *worker);

#endif
