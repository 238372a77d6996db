/*
 * replacement.h - puts a new TPM where an old one, or none, was.
 *
 * Whoever looks at the directory at any time, after any failure or kill, finds a TPM that works:
 * the old one or the new one, or none if there was none. The order that gives this:
 *
 *   1. the volatile and the suspended state of the old TPM are removed (durably). Without them the
 *      old TPM is as after a loss of power; its keys, NV and counters are all in the permanent
 * state.
 *   2. the permanent state is replaced by one rename: here the new TPM begins.
 *
 * The other order would leave the new permanent state beside a volatile state of another TPM, and
 * no emulator starts from that. Where step 2 fails (a full disk), what step 1 removed is written
 * back.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_REPLACEMENT_H
#define HOLDFAST_TOOLS_SETUP_REPLACEMENT_H

#include "base/secret.h"
#include "state/store.h"

/* The store must be locked. */
bool hf_replacement_commit(HfStore *store, const HfSecret *permanent, GError **error);

#endif
