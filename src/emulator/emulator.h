/*
 * emulator.h - one virtual TPM in service: engine, storage, locality, and the lock around them.
 *
 * The owner object of the process. Two threads use it: the data thread only calls
 * hf_emulator_execute, hf_emulator_rest and hf_emulator_end; everything that powers the TPM on or
 * off or moves its state is called by the control thread. What says "any thread" never waits for a
 * running command. Refusals are results for the control channel (include/holdfast/control.h); their
 * reasons are logged here, once.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_EMULATOR_H
#define HOLDFAST_EMULATOR_EMULATOR_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator/capture.h"
#include "engine/engine.h"
#include "state/migration_blob.h"
#include "state/store.h"

typedef struct HfEmulator HfEmulator;

typedef struct {
    HfTpmVersion version;
    bool must_exist; /* a TPM that is not stored is not made */
    bool incoming;   /* the storage is the source's until somebody needs it: no lock, no change */
    bool no_auto_shutdown; /* no TPM2_Shutdown when the TPM is switched off */
    bool reject_locality_4;
    bool allow_set_locality; /* the SetLocality command on the data channel works */
    HfCapture *capture;      /* borrowed, or NULL */
    HfStateKeys keys;        /* of blobs on the control channel; outlive the emulator */
} HfEmulatorConfig;

/* The TPM is off. Takes the store over, also when it fails. */
HfEmulator *hf_emulator_new(const HfEmulatorConfig *config, HfStore *store, GError **error);
/* Powers off as hf_emulator_stop does. NULL allowed. */
void hf_emulator_free(HfEmulator *emulator);

HfTpmVersion hf_emulator_version(const HfEmulator *emulator);
/* Control thread, or under hf_emulator_enter. */
bool hf_emulator_running(const HfEmulator *emulator);

/* INIT: power on, or power cycle; a command that runs is cancelled. flags: HF_CONTROL_INIT_*. */
uint32_t hf_emulator_init(HfEmulator *emulator, uint32_t flags);
/* STOP: cancels a command that runs, TPM2_Shutdown if the guest did not, then power off. Off
 * already: nothing. */
void hf_emulator_stop(HfEmulator *emulator);
/* TPM2_Startup or TPM_Startup on behalf of the guest; a refusal is logged only. */
void hf_emulator_startup(HfEmulator *emulator, uint16_t type);

/* Which keys there are: HF_CONTROL_CONFIG_*. Any thread. */
uint32_t hf_emulator_config_flags(const HfEmulator *emulator);

/* The live state of the TPM in the form of the control channel. Both flags: HF_CONTROL_STATE_*. */
uint32_t hf_emulator_get_blob(HfEmulator *emulator, HfBlobKind kind, uint32_t flags,
                              GBytes **ret_blob, uint32_t *ret_flags);
/* State for the next power on; the TPM is off. flags: HF_CONTROL_STATE_*. Needs the storage lock:
 * without it the process ends (HF_CONTROL_IO_ERROR). */
uint32_t hf_emulator_set_blob(HfEmulator *emulator, HfBlobKind kind, uint32_t flags,
                              const uint8_t *data, size_t size);
uint32_t hf_emulator_store_volatile(HfEmulator *emulator);
/* The state was handed out: give up the storage lock until somebody needs it. */
void hf_emulator_hand_over(HfEmulator *emulator);
/* One attempt. Any thread. */
bool hf_emulator_lock_storage(HfEmulator *emulator, GError **error);

/* The engine, for calls that need no more than the lock around it. Between enter and leave the
 * data thread waits; who enters waits for at most one command. */
HfEngine *hf_emulator_enter(HfEmulator *emulator);
/* The same for what changes the TPM. False (logged, not entered): it could not be stored. */
bool hf_emulator_enter_to_change(HfEmulator *emulator, HfEngine **ret_engine);
void hf_emulator_leave(HfEmulator *emulator);

/* False: above 4, or 4 and rejected. Any thread. */
bool hf_emulator_set_locality(HfEmulator *emulator, uint8_t locality);
/* Asks a running command to stop. Any thread. */
uint32_t hf_emulator_cancel(HfEmulator *emulator);

/* Runs one command as it came. response has room for HF_TPM_BUFFER_MAX bytes; returns how many it
 * is, 0 when the process must end (logged). A TPM that is off answers with a failure. Data thread.
 */
size_t hf_emulator_execute(HfEmulator *emulator, const uint8_t *command, size_t size,
                           uint8_t *response);
/* When a command was answered: after the first since a power on, memory is given back. Data thread. */
void hf_emulator_rest(HfEmulator *emulator);
/* The answer to a command that is not run: header and response code. Returns its size. */
size_t hf_emulator_refuse(const HfEmulator *emulator, uint32_t code, uint8_t *response);

/* Ends the process with this exit code; the first call counts. Any thread. The control thread sees
 * the descriptor become readable. */
void hf_emulator_end(HfEmulator *emulator, int exit_code);
int hf_emulator_end_fd(const HfEmulator *emulator);
bool hf_emulator_ending(HfEmulator *emulator, int *ret_exit_code);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfEmulator, hf_emulator_free)

#endif
