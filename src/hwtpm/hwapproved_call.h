/*
 * hwapproved_call.h - one command with an approved key, inside src/hwtpm.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWAPPROVED_CALL_H
#define HOLDFAST_HWTPM_HWAPPROVED_CALL_H

#include "hwtpm/esys.h"
#include "hwtpm/hwapproved.h"

/* The one command that the key's use names, authorised by `session`. May be called again. */
typedef TSS2_RC (*HfApprovedCall)(ESYS_CONTEXT *esys, ESYS_TR key, ESYS_TR session, void *user);

/* Walks the policy and makes the call; HF_ERROR_POLICY where the approval does not hold. */
bool hf_approved_key_call(HfApprovedKey *key, HfApprovedCall call, void *user, GError **error);

#endif
