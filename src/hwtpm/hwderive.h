/*
 * hwderive.h - secrets that one host TPM alone can make again: TPM2_HMAC with its derivation key.
 *
 * The key never leaves the TPM (tpm2/hostkey.h), and the same key and digest give the same secret
 * for as long as the TPM is not cleared. The answer crosses the bus encrypted and authenticated by
 * the salted session. A TPM may lack the command: ask first.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWDERIVE_H
#define HOLDFAST_HWTPM_HWDERIVE_H

#include "base/secret.h"
#include "hwtpm/hwapproved.h"

/* HF_ERROR_UNSUPPORTED when this TPM cannot make a derivation key of use. */
bool hf_derivation_possible(HfConnection *connection, GError **error);

/* HMAC-SHA256 of `data` (at most 1024 bytes) with the derivation key; in->use is HF_USE_DERIVE.
 * HF_ERROR_POLICY where the approval does not hold. */
HfSecret *hf_derivation_run(HfConnection *connection, const HfApprovedInput *in, const void *data,
                            size_t size, GError **error);

#endif
