/*
 * hwsigner.h - a signer (pki/signer.h) whose key lives in the host TPM under an approved policy.
 *
 * How the key may be used is in hwapproved.h. The result is verified in software with the pinned
 * public key before it is handed out, so that a lying bus gets nothing signed that does not verify.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWSIGNER_H
#define HOLDFAST_HWTPM_HWSIGNER_H

#include "hwtpm/hwapproved.h"
#include "pki/signer.h"

/* A signer with the signing key of in->use, which is HF_USE_SIGN. sign() fails with HF_ERROR_POLICY
 * where the approval does not hold. */
HfSigner *hf_signer_host_new(HfConnection *connection, const HfApprovedInput *in, GError **error);
/* A signer with a key of hf_key_create_with_auth. The connection must outlive it. sign() fails with
 * HF_ERROR_AUTH when the authorisation value is not the key's. */
HfSigner *hf_signer_auth_new(HfConnection *connection, const HfKeyBlob *blob, const HfSecret *auth,
                             GError **error);
/* The loaded key of a signer of hf_signer_host_new, borrowed. */
HfHostKey *hf_signer_host_key(HfSigner *signer);

#endif
