/*
 * state_copy.h - a TPM's whole state into a store of another kind, or in another place.
 *
 * The source is read only. The permanent state, which makes the copy a TPM, is written last: what a
 * crash leaves is no TPM, and the next copy goes on from there. Afterwards everything is read back
 * and compared.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_STATE_COPY_H
#define HOLDFAST_TOOLS_SETUP_STATE_COPY_H

#include "state/store.h"

typedef struct HfStateCopy HfStateCopy;

/* All of the state in `from`, which is locked; `name` is for messages. HF_ERROR_NOT_FOUND: there is
 * no TPM. */
HfStateCopy *hf_state_copy_take(HfStore *from, const char *name, GError **error);
/* Into `to`, locked. HF_ERROR_EXISTS: there is a TPM, or state that is not of this one. */
bool hf_state_copy_put(const HfStateCopy *copy, HfStore *to, const char *name, GError **error);
void hf_state_copy_free(HfStateCopy *copy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfStateCopy, hf_state_copy_free)

#endif
