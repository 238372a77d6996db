/*
 * hwquote.h - PCR values of the host, and what its attestation key says of them and of keys.
 *
 * Attestation structures are bytes of TPMS_ATTEST, signatures bytes of TPMT_SIGNATURE; they are
 * verified with tpm2/attest.h, by whoever receives them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWQUOTE_H
#define HOLDFAST_HWTPM_HWQUOTE_H

#include "hwtpm/hwcounter.h"
#include "hwtpm/hwkey.h"
#include "tpm2/pcr.h"

/* All selected PCRs at one moment. HF_ERROR_UNSUPPORTED when the TPM does not have one of them. */
HfPcrValues *hf_hwpcr_read(HfConnection *connection, const HfPcrSelection *selection,
                           GError **error);

/* extra: at most 64 bytes that go into the signed structure. */
bool hf_hwquote(HfConnection *connection, HfHostKey *ak, const HfPcrSelection *selection,
                GBytes *extra, GBytes **ret_attest, GBytes **ret_signature, GError **error);

/* CertifyCreation: the AK says that this TPM made `key` with the blob's creation data. (Certify
 * cannot say it: it wants the ADMIN role, which only the policy has.) */
bool hf_hwcertify_creation(HfConnection *connection, HfHostKey *ak, HfHostKey *key,
                           const HfKeyBlob *blob, GBytes *extra, GBytes **ret_attest,
                           GBytes **ret_signature, GError **error);

/* NV_Certify: the AK says what the generation counter is at. */
bool hf_hwcertify_counter(HfConnection *connection, HfHostKey *ak, HfCounter *counter,
                          GBytes *extra, GBytes **ret_attest, GBytes **ret_signature,
                          GError **error);

#endif
