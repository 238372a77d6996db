/*
 * ca_verify.h - is a delegation request true? What the fleet's CA checks before it delegates.
 *
 * Hardware-rooted: the key's public area is a vMA key's to the last attribute and bound to this
 * approver's policy; the host's attestation key is one of a TPM's endorsement hierarchy and says
 * that the same TPM made the key for this nonce; its quote, over the nonce, the key's Name and the
 * certification request, shows an approved environment, its generation counter has reached what
 * the environment asks for, an event log leads to the quoted PCRs. Each check has a message of its own.
 *
 * That the attestation key is in the TPM of the request's endorsement key is shown by the answer to
 * a challenge (ca_core.h); who vouches for the endorsement key was asked then, and whether that TPM
 * is a virtual one: then the delegation is nested, which the environment must allow.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_VERIFY_H
#define HOLDFAST_TOOLS_CA_CA_VERIFY_H

#include "tools/ca/ca_environment.h"
#include "tools/ca/ca_nonce.h"
#include "tools/common/evidence.h"
#include "tpm2/pcr.h"

typedef struct {
    const HfPublic *approver; /* NULL: only software-rooted requests can pass */
    GPtrArray *environments;  /* HfCaEnvironment: the first that fits is the host's */
    GPtrArray *known_keys;    /* char *, hex Names delegated to before: renewals */
    bool allow_software;
    const HfCaNonce *nonce; /* the one of the request, with what was challenged */
    bool allow_unproved_ek; /* delegate also where nothing was challenged */
} HfCaExpected;

typedef struct {
    HfRooted rooted;
    unsigned nested;   /* levels; 0: not nested */
    bool on_software;  /* nested, and software-rooted in the end */
    GBytes *spki;      /* of the key to certify */
    char *key_name;    /* hex */
    GBytes *ek_digest; /* SHA-256 of the SPKI of the host's EK as claimed; NULL: software */
    const HfCaEnvironment *environment; /* the host's, borrowed; NULL: software */
    bool renewal;                       /* the key had a certificate before */
    bool ek_challenged; /* the attestation key is proved to be in the TPM with this EK */
} HfCaVerdict;

/* HF_ERROR_POLICY, HF_ERROR_AUTH or HF_ERROR_INVALID say which check failed. */
bool hf_ca_verify(const HfEvidence *evidence, const HfCaExpected *expected,
                  HfCaVerdict *ret_verdict, GError **error);
/* The host's attestation key: the template (tpm2/hostkey.h) to the last attribute. */
bool hf_ca_check_ak(GBytes *area, HfPublic *ret_ak, GError **error);
/* The host TPM's endorsement key, one to which a credential can be made; its canonical SPKI. */
bool hf_ca_check_ek(GBytes *area, HfPublic *ret_ek, GBytes **ret_spki, GError **error);
void hf_ca_verdict_clear(HfCaVerdict *verdict);

#endif
