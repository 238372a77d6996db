/*
 * ca_attestation.h - the privacy CA: from an AK request (tools/common/ak_enrolment.h) to an answer
 * that only one TPM can read.
 *
 * The checks, in this order, the first that fails named: "vMA certificate" (up to a pinned root of
 * a fleet), "EK certificate" (issued by that vMA), "endorsement key" (the one in the certificate),
 * "attestation key" (restricted, fixed to its TPM, ...). For a TPM that is not virtual its vendor, or
 * the operator's list, stands in the place of the first two (ca_voucher.h). That the attestation key
 * is in the TPM of that endorsement key is not checked but made sure: nobody else can read the answer.
 * Must not: read options or files of the caller's, print.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_ATTESTATION_H
#define HOLDFAST_TOOLS_CA_CA_ATTESTATION_H

#include "pki/crl_set.h"
#include "tools/ca/ca_dir.h"
#include "tools/ca/ca_voucher.h"
#include "tools/common/ak_enrolment.h"

typedef struct {
    GPtrArray *vma_roots; /* HfCertificate: pinned roots of fleets; owned, as are the rest */
    GPtrArray *vmas; /* HfCertificate: vMA certificates for TPMs that have none or an old one */
    HfCaVoucher *voucher; /* who vouches for TPMs that are not virtual */
    bool hardware_only;   /* refuse virtual TPMs that are software-rooted in the end */
    HfCrlSet *crls;       /* revocation lists, one of each root required; NULL: not looked at */
    unsigned nested;      /* levels of nesting that are accepted; 0: none */
    unsigned hours;       /* of validity, unless what it rests on ends earlier */
    char *crl_url;        /* or NULL */
} HfCaAkRules;

/* The options --vma-root, --vma, --crl, --nested, --ek-roots, --ek-digest, --ek-list, --hardware-only,
 * --hours and --crl-url. HF_ERROR_USAGE when nothing is pinned. */
HfCaAkRules *hf_ca_ak_rules_new(const HfOptions *options, GError **error);
void hf_ca_ak_rules_free(HfCaAkRules *rules);

typedef struct {
    HfCertificate *certificate; /* of the AK, recorded durably */
    GBytes *answer;
    char *tpm; /* "virtual TPM, hardware-rooted", "hardware TPM", for people */
} HfCaAttested;

/* Verifies, issues, encrypts, records. A request that is refused leaves everything as it was. */
HfCaAttested *hf_ca_attest(HfCaDir *ca, const HfCaAkRules *rules, GBytes *request,
                           const char *label, GError **error);
void hf_ca_attested_free(HfCaAttested *attested);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaAkRules, hf_ca_ak_rules_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaAttested, hf_ca_attested_free)

#endif
