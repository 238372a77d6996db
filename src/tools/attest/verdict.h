/*
 * verdict.h - holdfast-attest verify: is this quote by a key in the TPM that the chain certifies, and
 * did that machine boot as it should?
 *
 * Three ways to believe an attestation key (AK): a privacy CA's certificate, the answer to a challenge
 * of one's own, or, of a virtual TPM's initial one (IAK), its manufacturer's certificate. The checks run in the order of the table in verdict.c; those that have
 * nothing to judge are left out, the first that fails ends the run and is named. A verdict owns
 * everything that was read, for printing.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_VERDICT_H
#define HOLDFAST_TOOLS_ATTEST_VERDICT_H

#include "base/options.h"
#include "pki/ak_chain.h"
#include "pki/chain.h"
#include "pki/vendor.h"
#include "tools/attest/reference.h"
#include "tpm2/attest.h"

#define HF_VERDICT_CHECKS_MAX 16

typedef enum {
    HF_VERDICT_REFUSED, /* something is not as it must be */
    HF_VERDICT_OTHER,   /* all is proved, but the machine is not as the reference says */
    HF_VERDICT_GOOD,
} HfVerdictOutcome;

typedef struct {
    /* given */
    bool certified;         /* the AK by its certificate, not by a challenge */
    bool manufactured;      /* certified, and that by an authority below `roots`: an IAK */
    GPtrArray *ak_chain;    /* certified: HfCertificate, AK first */
    GPtrArray *ca_roots;    /* certified: pinned privacy CAs */
    GBytes *ek_certificate; /* DER; NULL: none was shown */
    GBytes *ek_above;       /* DER one after the other, or NULL */
    GPtrArray *given_chain; /* HfCertificate: --chain */
    GPtrArray *roots;       /* HfCertificate: of virtual TPMs */
    HfVendorRoots *vendors; /* of hardware TPMs */
    HfCrlSet *crls;         /* NULL: revocation is not looked at */
    const char *crl_seen;   /* file of list numbers, or NULL */
    const char *ek_path;    /* public area, or NULL */
    GBytes *ek_area;        /* TPMT_PUBLIC that came with the evidence, or NULL */
    bool signer_needed;     /* the AK must be a child of that EK, by the quote itself */
    HfPublic ak;
    GBytes *quote;
    GBytes *signature;
    GBytes *nonce;
    HfPcrSelection selection;
    HfPcrValues *values; /* NULL: not given, the digest is not compared with anything */
    GBytes *values_text; /* or they came with the evidence: read when the selection was checked */
    GBytes *event_log;   /* or NULL */
    HfReference *reference;
    const char *reference_out; /* file to write, or NULL */
    HfSecret *secret;          /* challenge */
    HfSecret *activated;
    bool hardware_only;
    unsigned nested; /* levels of nesting that are accepted */
    gint64 now;

    /* found out by the checks, in their order */
    HfAkProof ak_proof;
    const HfCrl *ak_crl;
    GPtrArray
        *chain; /* HfCertificate: EK certificate first (manufactured: IAK); of a virtual TPM */
    HfChainProof proof;
    bool ek_virtual;   /* `proof` holds */
    char *vendor_root; /* of a hardware TPM, else NULL */
    bool has_ek;
    HfPublic ek;
    GBytes *ek_spki;
    HfTpmName ak_name;
    HfAttest attest;
    HfTpmSignature tpm_signature;
    bool below_ek; /* the quote says that the AK is a child of this EK */
    HfReferenceFacts facts;
    const char *boot;    /* of the reference that fits */
    const char *nearest; /* or the one it is nearest to, and */
    GPtrArray *differences;
    const char *passed[HF_VERDICT_CHECKS_MAX]; /* names of checks */
    unsigned passed_count;
    const char *failed; /* name of the check that failed, or NULL */
} HfVerdict;

/* Reads all files: the evidence that is the operand, or the single files. NULL and *error on
 * anything unreadable (HF_ERROR_USAGE for options that do not go together, a malformed nonce or
 * selection). */
HfVerdict *hf_verdict_new(const HfOptions *options, GError **error);
void hf_verdict_free(HfVerdict *verdict);
/* An evidence file's part of that, into a verdict that has none yet. */
bool hf_verdict_take_evidence(HfVerdict *verdict, GBytes *evidence, const char *label,
                              GError **error);

/* Runs the checks; *error, which begins with the check's name, unless all is good. */
HfVerdictOutcome hf_verdict_reach(HfVerdict *verdict, GError **error);

/* The chain as a tree for people, for all that is proved / everything as one JSON object; `error` is
 * why it failed, or NULL; the verdict may be NULL when there was none to reach. */
void hf_verdict_print_tree(const HfVerdict *verdict);
void hf_verdict_print_json(const HfVerdict *verdict, HfVerdictOutcome outcome, const GError *error);

/* For both: "ECC P-256" / "sha256:0, sha256:7", the quoted PCRs to whose values the event log leads
 * (or does not); it must be there. Caller frees. */
char *hf_verdict_key_text(GBytes *spki);
char *hf_verdict_pcrs_text(const HfVerdict *verdict, bool led_to);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfVerdict, hf_verdict_free)

#endif
