/*
 * chain.h - strict verification of leaf <- vMA <- root.
 *
 * Stricter than the general libraries, which accept a TLS certificate or a further CA below a vMA:
 * exactly one CA between leaf and root, path length 0 in it, the TCG usage in leaf and vMA, our
 * policy in both, names where the TCG wants them, key identifiers that match, nothing critical that
 * is unknown. IAK and IDevID certificates are believed below a vMA that was delegated to for these;
 * they name their TPM by its serial number and by the digest of its EK (the bond), which says nothing
 * until it is held against an EK certificate. Every check has a message of its own; the first that fails is reported. Revocation is
 * looked at where lists are given (crl_set.h): then the root's list is required, which says whether
 * the vMA is revoked. A vMA issues no lists: a dead host could not renew them.
 *
 * Nested: the vMA's key is in a virtual TPM, that of a host which is itself a guest. Its chain follows
 * that of the TPM below, leaf first, and so on outward, until one is not nested; each is held to the
 * same rules, and its EK certificate must be for the very key that the one below names as its host
 * TPM's. What the whole rests on (`base`) is what the outermost says.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_CHAIN_H
#define HOLDFAST_PKI_CHAIN_H

#include "pki/crl_set.h"

typedef enum { HF_LEAF_EK, HF_LEAF_PLATFORM, HF_LEAF_IAK, HF_LEAF_IDEVID } HfLeafKind;

/* The kind that the leaf's one extended key usage is for; false when it has another one, or several.
 * Nothing is verified by this. */
bool hf_chain_leaf_kind(const HfCertificate *leaf, HfLeafKind *ret_kind);
/* "EK certificate", "platform certificate", "IAK certificate", "IDevID certificate" */
const char *hf_chain_kind_text(HfLeafKind kind);

typedef struct {
    HfLeafKind kind;
    gint64 at;                   /* the time it must be valid at, seconds since 1970 */
    const char *required_policy; /* one more OID that leaf and vMA must carry, or NULL */
    unsigned nested;             /* levels of nesting that are accepted; 0: none */
    bool hardware_only;          /* refuse what is software-rooted in the end */
    HfCrlSet *crls;              /* borrowed; NULL: revocation is not looked at */
} HfChainRules;

/* The virtual TPM of a host that is itself a guest, and who certified it. */
typedef struct {
    HfRooted rooted;
    HfCertificate *leaf;
    HfCertificate *vma;
    HfCertificate *root;
    const HfCrl *crl; /* as below */
} HfChainHost;

/* What was proved. Borrowed from the certificates given. */
typedef struct {
    HfRooted rooted;
    HfRooted base; /* of the outermost host, never HF_ROOTED_NESTED */
    HfCertificate *leaf;
    HfCertificate *vma;
    HfCertificate *root;
    const HfHolding *holding; /* never NULL when hardware-rooted */
    const HfCrl *crl;         /* the root's list, on which the vMA is not; NULL: not looked at */
    unsigned nested;          /* how many there are in `hosts` */
    HfChainHost hosts[HF_NESTED_MAX]; /* the nearest first; their TPMs are virtual */
} HfChainProof;

/* May this be a fleet's root at this time: a CA that can have authorities below it? */
bool hf_chain_check_root(const HfCertificate *root, gint64 at, GError **error);
/* The vMA certificate alone, chain[1], up to its root: so that whoever asks two questions (is this
 * authority the fleet's? did it certify this key?) can answer them in order. Errors as below. */
bool hf_chain_verify_vma(GPtrArray *chain, GPtrArray *roots, const HfChainRules *rules,
                         GError **error);

/* chain: HfCertificate in the order leaf, vMA and, if it is there, root (then byte for byte one of
 * the trusted ones); for a nested TPM then the same of its host's TPM, EK certificate first, and so on.
 * roots: the trusted ones. *ret_proof may be NULL. Errors: HF_ERROR_INVALID for
 * a certificate of the wrong shape, HF_ERROR_AUTH for signature, key identifier, issuer and unknown
 * root, HF_ERROR_POLICY for usage, policy, path length and time; those of hf_crl_set_check. */
bool hf_chain_verify(GPtrArray *chain, GPtrArray *roots, const HfChainRules *rules,
                     HfChainProof *ret_proof, GError **error);

/* Puts certificates into the order that hf_chain_verify wants: the leaf, its vMA and, while it is
 * nested, the EK certificate of its host's TPM with the vMA above it. `own` (may be NULL) goes before
 * `given`, which may be out of date. Nothing is verified; what is missing is left out, and when
 * not even the leaf's vMA is there, the given ones follow as they are. A new array that holds
 * references; free with g_ptr_array_unref. */
GPtrArray *hf_chain_arrange(HfCertificate *leaf, GPtrArray *own, GPtrArray *given);

#endif
