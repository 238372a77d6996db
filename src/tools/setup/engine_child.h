/*
 * engine_child.h - a TPM in a process of its own that has no file system, no network and no keys.
 *
 * The child is forked before the parent opens anything worth protecting, gives up everything but
 * its socket (Landlock without a single directory, no capabilities, the manufacture profile of
 * seccomp) and then runs one engine whose state is in memory only. The parent drives it with TPM
 * commands and takes the permanent blob at the end; nothing the child does reaches the disk.
 * It ends with its parent, whatever ends that.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_ENGINE_CHILD_H
#define HOLDFAST_TOOLS_SETUP_ENGINE_CHILD_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/engine_profile.h"
#include "tpm2/command.h"

typedef struct HfEngineChild HfEngineChild;

/* Forks. To be called while the process has one thread and no secrets, as the user it will stay;
 * SIGPIPE must be ignored. */
HfEngineChild *hf_engine_child_start(HfTpmVersion version, GError **error);
/* Nothing more is wanted of it: it ends beside what the caller does. */
void hf_engine_child_dismiss(HfEngineChild *child);
/* Ends the child and waits for it. NULL is allowed. */
void hf_engine_child_free(HfEngineChild *child);

/* Power on: manufactures a TPM when `permanent` is NULL, else loads that blob (never
 * manufactures). While it is on, NULL is a power cycle of the same TPM. Startup is the caller's. */
bool hf_engine_child_power_on(HfEngineChild *child, const HfSecret *permanent, GError **error);
/* hf_engine_set_endorsement_seed, right after a power on that made a TPM. */
bool hf_engine_child_set_seed(HfEngineChild *child, const HfSecret *seed, GError **error);
/* The profile of a TPM 2.0 that the next power on makes, with what `removal` says removed
 * (engine/engine_profile.h). That power on refuses when it is of a TPM that exists. */
bool hf_engine_child_set_profile(HfEngineChild *child, const char *json, HfProfileRemoval removal,
                                 GError **error);
/* Power off and throw the TPM away: the next power on makes another. */
bool hf_engine_child_forget(HfEngineChild *child, GError **error);
/* For TPM commands (tpm2/command.h); good as long as the child. A command fails when the child
 * dies, takes longer than two minutes, or could not keep its state. */
HfTransport hf_engine_child_transport(HfEngineChild *child);
/* For work that the child does while the caller does something else: the functions of tpm2/command.h
 * send their command before its turn (or, where there are many, do not) and fail without an error.
 * Called again with the other transport they have the answer. What is asked in between is done after
 * it. */
HfTransport hf_engine_child_ahead(HfEngineChild *child);
/* JSON about the engine (TPMLIB_GetInfo flags); works before power on. Caller frees. */
char *hf_engine_child_info(HfEngineChild *child, uint64_t flags, GError **error);
/* Power off and hand over the permanent blob; the child ends. */
HfSecret *hf_engine_child_finish(HfEngineChild *child, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfEngineChild, hf_engine_child_free)

#endif
