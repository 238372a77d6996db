/*
 * storage.h - the store of a running emulator, and who holds its lock.
 *
 * Stands between the engine and a store: the engine's callbacks come in here, and nothing is
 * written unless this process holds the storage lock. The lock can be given up (a migration hands
 * the state to another host) and is then taken again by the first one who needs it: unless somebody
 * else has changed what is stored meanwhile, for the TPM in memory is an older one then.
 * Lock functions may be called by any thread; the callbacks by the thread that is in the engine.
 * Must not know libtpms or the control protocol.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_STORAGE_H
#define HOLDFAST_EMULATOR_STORAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "state/store.h"

typedef struct HfStorage HfStorage;

/* Takes the store over. With must_exist a permanent blob that is not there is an error of load, so
 * that no new TPM is made in its place. */
HfStorage *hf_storage_new(HfStore *store, bool must_exist);
void hf_storage_free(HfStorage *storage); /* gives the lock up; NULL allowed */

/* The functions for hf_engine_new; their `user` is the HfStorage. */
const HfEngineStorage *hf_storage_callbacks(void);

bool hf_storage_locked(HfStorage *storage);
/* Tries every 10 ms, `retries` times after the first. Already locked: fine. HF_ERROR_STATE, and not
 * locked, when what is stored is not what it was when it was remembered. */
bool hf_storage_lock(HfStorage *storage, unsigned retries, GError **error);
/* Gives the lock up; hf_storage_regain takes it again. What is stored is remembered. */
void hf_storage_release(HfStorage *storage);
/* Remembers what is stored (a TPM is about to be made of it without the lock), and forgets it: the
 * TPM is off, the next one is made of what is stored by then. */
void hf_storage_remember(HfStorage *storage);
void hf_storage_forget(HfStorage *storage);
/* Takes the lock with as many attempts as a hand-over deserves (3 s). */
bool hf_storage_regain(HfStorage *storage, GError **error);

/* A blob is certainly not stored. */
bool hf_storage_lacks(HfStorage *storage, HfBlobKind kind);

/* The permanent blob as it is stored. */
GBytes *hf_storage_look(HfStorage *storage, GError **error);
/* hf_store_dir_use_backup. */
bool hf_storage_use_backup(HfStorage *storage, const char *why);

/* From now on the permanent blob is kept back when it is saved, the newest one, until
 * hf_storage_flush has stored it or hf_storage_drop_back gives it up. A flush that fails changes
 * nothing: it can be tried again. All three: by who is in the engine. */
void hf_storage_hold_back(HfStorage *storage);
bool hf_storage_held_back(const HfStorage *storage); /* there is one that is not stored */
/* The saved state of a TPM 1.2 that came with a migration is the storage's from now on, and stored by
 * the next flush: libtpms keeps it for a power on, and wants to remove what is not stored later.
 * Nothing: there is none, and the next flush removes what is stored. */
void hf_storage_bring_saved(HfStorage *storage, const uint8_t *data, size_t size);
bool hf_storage_flush(HfStorage *storage, GError **error);
void hf_storage_drop_back(HfStorage *storage);

#endif
