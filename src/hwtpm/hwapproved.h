/*
 * hwapproved.h - a key of the host TPM that only an approved policy lets be used.
 *
 * The vMA signing keys and the derivation key are such. Every use walks the policy (hwpolicy.h) in
 * one salted session that is kept, as is the ticket: five TPM commands a use. What the host's state
 * does not allow is refused with HF_ERROR_POLICY, in words.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWAPPROVED_H
#define HOLDFAST_HWTPM_HWAPPROVED_H

#include "hwtpm/hwcounter.h"
#include "hwtpm/hwkey.h"
#include "tpm2/approval.h"

/* The state of the host in which a key may be used. */
typedef struct {
    HfPcrSelection selection;
    HfDigest pcr_digest; /* SHA-256 over the selected values */
    uint64_t generation; /* highest value of the counter */
} HfEnvironment;

typedef struct {
    HfUse use;
    const HfKeyBlob *blob;
    const HfPublic *approver;
    HfCounter *counter; /* borrowed for as long as the key is used; several keys may share it */
    HfEnvironment environment;
    GBytes *signature; /* the approver's, over hf_approval_digest: DER for ECDSA, PKCS#1 for RSA */
} HfApprovedInput;

typedef struct HfApprovedKey HfApprovedKey;

/* Loads the key. What `in` points to is copied but for the counter; the connection is borrowed.
 * Both must outlive the key. */
HfApprovedKey *hf_approved_key_new(HfConnection *connection, const HfApprovedInput *in,
                                   GError **error);
void hf_approved_key_free(HfApprovedKey *key);
HfHostKey *hf_approved_key_host(HfApprovedKey *key); /* borrowed */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfApprovedKey, hf_approved_key_free)

#endif
