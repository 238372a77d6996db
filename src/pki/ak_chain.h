/*
 * ak_chain.h - the certificate of an attestation key (AK), up to a pinned privacy CA.
 *
 * What a privacy CA has verified stands in the AK's certificate: which TPM it is in (the bond, a
 * digest of the EK), what that TPM is rooted in (our policies), to what it holds (the holding). Not
 * any certificate of a CA will do: a TLS certificate is refused by its usage, one by a vMA always,
 * also where that may certify attestation keys (IAK, chain.h) and fleet and privacy CA have one root.
 * Every check has a message of its own.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_AK_CHAIN_H
#define HOLDFAST_PKI_AK_CHAIN_H

#include "pki/certificate.h"

#define HF_AK_CHAIN_MAX 5 /* certificates, AK and pinned one included */

typedef struct {
    HfCertificate *leaf; /* all borrowed */
    HfCertificate *issuer;
    HfCertificate *root; /* the pinned one; may be the issuer */
    bool is_virtual;     /* the certificate says that the TPM is a virtual one */
    HfRooted rooted;     /* of a virtual one */
} HfAkProof;

/* chain: HfCertificate, the AK's first, then those above it in order; what follows the first pinned
 * one is left aside. roots: the pinned CAs. ret_proof may be NULL. HF_ERROR_INVALID for shape,
 * HF_ERROR_AUTH for signature, key identifier, issuer and unknown root, HF_ERROR_POLICY for usage,
 * path length and time. */
bool hf_ak_chain_verify(GPtrArray *chain, GPtrArray *roots, gint64 at, HfAkProof *ret_proof,
                        GError **error);

#endif
