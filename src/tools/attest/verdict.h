/*
 * verdict.h - holdfast-attest verify: is this quote by a key in the TPM whose EK the chain
 * certifies?
 *
 * The checks run in the order of the table in verdict.c; the first that fails ends the run and is
 * named. A verdict owns everything that was read, for printing.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_VERDICT_H
#define HOLDFAST_TOOLS_ATTEST_VERDICT_H

#include "base/options.h"
#include "pki/chain.h"
#include "tpm2/attest.h"

typedef struct {
    /* given */
    GPtrArray *chain;     /* HfCertificate: EK certificate first */
    GPtrArray *roots;     /* HfCertificate */
    HfCrlSet *crls;       /* NULL: revocation is not looked at */
    const char *crl_seen; /* file of list numbers, or NULL */
    const char *ek_path;  /* public area, or NULL */
    HfPublic ak;
    GBytes *quote;
    GBytes *signature;
    GBytes *nonce;
    HfPcrSelection selection;
    HfPcrValues *values; /* NULL: not given, the digest is not compared with anything */
    HfSecret *secret;
    HfSecret *activated;
    bool hardware_only;
    unsigned nested; /* levels of nesting that are accepted */
    gint64 now;

    /* found out by the checks, in their order */
    HfChainProof proof;
    HfPublic ek;
    HfTpmName ak_name;
    HfAttest attest;
    HfTpmSignature tpm_signature;
    unsigned passed;    /* checks, from the first */
    const char *failed; /* name of the check that failed, or NULL */
} HfVerdict;

/* Reads all files. NULL and *error on anything unreadable (HF_ERROR_USAGE for a malformed nonce or
 * selection). */
HfVerdict *hf_verdict_new(const HfOptions *options, GError **error);
void hf_verdict_free(HfVerdict *verdict);

/* Runs the checks. False and *error, which begins with the check's name, at the first that fails.
 */
bool hf_verdict_reach(HfVerdict *verdict, GError **error);

/* Name of check number i, or NULL when it had nothing to compare with (PCR values not given). */
const char *hf_verdict_check_name(const HfVerdict *verdict, unsigned i);

/* The chain as a tree for people / everything as one JSON object; `error` is why it failed, or
 * NULL. */
void hf_verdict_print_tree(const HfVerdict *verdict);
void hf_verdict_print_json(const HfVerdict *verdict, const GError *error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfVerdict, hf_verdict_free)

#endif
