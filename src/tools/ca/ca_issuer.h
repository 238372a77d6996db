/*
 * ca_issuer.h - the CA as the one issuer of a fleet's EK, IAK and IDevID certificates; the vMAs only
 * register.
 *
 * The request is the certificate that a vMA has signed for a TPM's key: with all that it says, under the vMA
 * certificate that allows it. The CA verifies both like any relying party, and issues the same
 * certificate again with its own issuing key. That key has a certificate for each vMA certificate,
 * all of one name and key, with the same mandate: so what was delegated to a host still binds, and a
 * host is revoked as before. What was issued for a request is issued once; the same answer follows
 * later.
 *
 *     issuer/         key of the issuer, as ca_key.h keeps it
 *     issuer/of-HEX   its certificate for the vMA certificate of that SHA-256, PEM
 *     issuer/ek-HEX   the certificate of a TPM for the vMA's one of that SHA-256, PEM
 *
 * Must not: read options, print.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_ISSUER_H
#define HOLDFAST_TOOLS_CA_CA_ISSUER_H

#include "pki/chain.h"
#include "tools/ca/ca_dir.h"

#define HF_CA_ISSUER "issuer"

/* Makes the key, once. key and algorithm as in ca_key.h; the PIN is the CA's. ret_name: for people. */
bool hf_ca_issuer_make(HfCaDir *ca, const char *key, const char *algorithm, char **ret_name,
                       GError **error);

typedef struct {
    HfCertificate *certificate; /* of the TPM's key */
    HfLeafKind kind;
    HfCertificate *issuer;
    HfRooted rooted;
    bool again; /* it had been issued before */
} HfCaEk;

/* request: certificate of the TPM and vMA certificate, PEM or DER, in this order. vmas: HfCertificate, which
 * are used when the vMA's is not in the request; may be NULL. HF_ERROR_STATE when there is no issuer. */
HfCaEk *hf_ca_issue(HfCaDir *ca, GBytes *request, const char *label, GPtrArray *vmas,
                    bool hardware_only, GError **error);
/* The certificate, then the issuer's, PEM. */
GBytes *hf_ca_ek_pem(const HfCaEk *ek);
void hf_ca_ek_free(HfCaEk *ek);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaEk, hf_ca_ek_free)

#endif
