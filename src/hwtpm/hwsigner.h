/*
 * hwsigner.h - a signer (pki/signer.h) whose key lives in the host TPM under an approved policy.
 *
 * Every signature walks the policy in one salted session that is kept, as is the ticket: five TPM
 * commands a signature. The result is verified in software with the pinned public key before it is
 * handed out, so that a lying bus gets nothing signed that does not verify.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWSIGNER_H
#define HOLDFAST_HWTPM_HWSIGNER_H

#include "hwtpm/hwcounter.h"
#include "hwtpm/hwkey.h"
#include "pki/signer.h"
#include "tpm2/pcr.h"

/* The state of the host in which a key may be used. */
typedef struct {
    HfPcrSelection selection;
    HfDigest pcr_digest; /* SHA-256 over the selected values */
    uint64_t generation; /* highest value of the counter */
} HfEnvironment;

typedef struct {
    const HfKeyBlob *blob;
    const HfPublic *approver;
    uint32_t counter_index;
    HfEnvironment environment;
    GBytes *signature; /* the approver's, over hf_approval_digest: DER for ECDSA, PKCS#1 for RSA */
} HfHostSignerInput;

/* Loads the key. Everything in `in` is copied; the connection is borrowed and must outlive the
 * signer. sign() fails with HF_ERROR_POLICY where the approval does not hold. */
HfSigner *hf_signer_host_new(HfConnection *connection, const HfHostSignerInput *in, GError **error);
/* The loaded key of a host signer, borrowed. */
HfHostKey *hf_signer_host_key(HfSigner *signer);
/* Its counter, borrowed: ESYS knows an index once, so it must not be opened and closed again. */
HfCounter *hf_signer_host_counter(HfSigner *signer);

#endif
