/*
 * attest_input.h - what holdfast-attest is given as files: public areas, certificates, secrets.
 *
 * Everything here may come from the guest and is hostile until it is checked; messages name the
 * file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_INPUT_H
#define HOLDFAST_TOOLS_ATTEST_INPUT_H

#include "base/options.h"
#include "pki/certificate.h"
#include "tpm2/public.h"

/* TPM2B_PUBLIC or TPMT_PUBLIC, as tpm2_createak -u and tpm2_readpublic -o write it. */
bool hf_attest_input_public(const char *path, HfPublic *ret_public, GError **error);

/* The public area of the EK whose certificate has this key: from `path`, and then its key must be
 * that one; or, with path NULL, made from the standard template for that kind of key. */
bool hf_attest_input_ek(GBytes *spki, const char *path, HfPublic *ret_public, GError **error);

/* --nonce or --nonce-file: one of them, 1 to 66 bytes; else HF_ERROR_USAGE. */
bool hf_attest_input_nonce(const HfOptions *options, GBytes **ret_nonce, GError **error);

#define HF_CHALLENGE_SIZE 32u /* bytes of the verifier's secret and of what the TPM gives back */

/* The value the credential carries: HMAC-SHA-256 under the verifier's secret over the EK's DER SPKI
 * and the AK's Name. So an answer to a challenge proves this pair of keys and no other. */
void hf_attest_challenge_value(const HfSecret *secret, const HfCertificate *ek, const HfTpmName *ak,
                               uint8_t ret_value[HF_CHALLENGE_SIZE]);

#endif
