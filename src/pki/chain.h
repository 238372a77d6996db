/*
 * chain.h - strict verification of leaf <- vMA <- root.
 *
 * Stricter than the general libraries, which accept a TLS certificate or a further CA below a vMA:
 * exactly one CA between leaf and root, path length 0 in it, the TCG usage in leaf and vMA, our
 * policy in both, names where the TCG wants them, key identifiers that match, nothing critical that
 * is unknown. Every check has a message of its own; the first that fails is reported. Revocation is
 * looked at where lists are given (crl_set.h): then the root's list is required, which says whether
 * the vMA is revoked. A vMA issues no lists: a dead host could not renew them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_CHAIN_H
#define HOLDFAST_PKI_CHAIN_H

#include "pki/crl_set.h"

typedef enum { HF_LEAF_EK, HF_LEAF_PLATFORM } HfLeafKind;

typedef struct {
    HfLeafKind kind;
    gint64 at;                   /* the time it must be valid at, seconds since 1970 */
    const char *required_policy; /* one more OID that leaf and vMA must carry, or NULL */
    bool hardware_only;          /* refuse software-rooted and nested */
    HfCrlSet *crls;              /* borrowed; NULL: revocation is not looked at */
} HfChainRules;

/* What was proved. Borrowed from the certificates given. */
typedef struct {
    HfRooted rooted;
    HfCertificate *leaf;
    HfCertificate *vma;
    HfCertificate *root;
    const HfHolding *holding; /* never NULL when hardware-rooted */
    const HfCrl *crl;         /* the root's list, on which the vMA is not; NULL: not looked at */
} HfChainProof;

/* The vMA certificate alone, chain[1], up to its root: so that whoever asks two questions (is this
 * authority the fleet's? did it certify this key?) can answer them in order. Errors as below. */
bool hf_chain_verify_vma(GPtrArray *chain, GPtrArray *roots, const HfChainRules *rules,
                         GError **error);

/* chain: HfCertificate in the order leaf, vMA and, if it is there, root (then byte for byte one of
 * the trusted ones). roots: the trusted ones. *ret_proof may be NULL. Errors: HF_ERROR_INVALID for
 * a certificate of the wrong shape, HF_ERROR_AUTH for signature, key identifier, issuer and unknown
 * root, HF_ERROR_POLICY for usage, policy, path length and time; those of hf_crl_set_check. */
bool hf_chain_verify(GPtrArray *chain, GPtrArray *roots, const HfChainRules *rules,
                     HfChainProof *ret_proof, GError **error);

#endif
