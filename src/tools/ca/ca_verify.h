/*
 * ca_verify.h - is a delegation request true? What the fleet's CA checks before it delegates.
 *
 * Hardware-rooted: the key's public area is a vMA key's to the last attribute and bound to this
 * approver's policy; the host's attestation key is one of a TPM's endorsement hierarchy and says
 * that the same TPM made the key for this nonce; its quote, over the nonce, the key's Name and the
 * certification request, shows an approved environment. Each check has a message of its own.
 *
 * Not checked here: that the attestation key belongs to the endorsement key of the request. That
 * needs a challenge to the host (TPM2_MakeCredential, tpm2/credential.h) between request and
 * verdict, which the enrolment protocol adds; HfCaVerdict.ek_challenged is false until then.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_VERIFY_H
#define HOLDFAST_TOOLS_CA_CA_VERIFY_H

#include "tools/common/evidence.h"
#include "tpm2/pcr.h"

typedef struct {
    const HfPublic *approver; /* NULL: only software-rooted requests can pass */
    const HfPcrSelection *selection;
    GPtrArray *environments; /* HfPcrValues: one of them must be the host's */
    GPtrArray *known_keys;   /* char *, hex Names delegated to before: renewals */
    bool allow_software;
} HfCaExpected;

typedef struct {
    HfRooted rooted;
    GBytes *spki;       /* of the key to certify */
    char *key_name;     /* hex */
    GBytes *ek_digest;  /* SHA-256 of the SPKI of the host's EK as claimed; NULL: software */
    bool renewal;       /* the key had a certificate before */
    bool ek_challenged; /* the attestation key is proved to be in the TPM with this EK */
} HfCaVerdict;

/* HF_ERROR_POLICY, HF_ERROR_AUTH or HF_ERROR_INVALID say which check failed. */
bool hf_ca_verify(const HfEvidence *evidence, const HfCaExpected *expected,
                  HfCaVerdict *ret_verdict, GError **error);
void hf_ca_verdict_clear(HfCaVerdict *verdict);

#endif
