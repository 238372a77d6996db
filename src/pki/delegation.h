/*
 * delegation.h - the fleet's side of the chain: root CA and vMA (delegation) certificates.
 *
 * root (CA, pathlen 1) -> vMA (CA, pathlen 0, extended key usages EK and platform certificate only)
 * -> EK and platform certificates; IAK and IDevID, too, where the vMA has the usages for these. The usages in the vMA certificate keep a stolen vMA key from
 * issuing anything else. A vMA certificate is renewed with the same key, subject and key
 * identifier, so that EK certificates outlive it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_DELEGATION_H
#define HOLDFAST_PKI_DELEGATION_H

#include "pki/certificate.h"

#define HF_DELEGATION_DAYS_MAX 3660

typedef struct {
    const char *organization; /* O of the subject, or NULL */
    const char *common_name;  /* 1 to 64 characters */
    gint64 not_before;        /* seconds since 1970 */
    unsigned days;            /* of validity; 0: no expiry */
} HfRootInput;

/* The fleet's root: self-signed. */
HfCertificate *hf_delegation_root(const HfRootInput *in, HfSigner *signer, GError **error);

typedef struct {
    GBytes *spki;             /* the vMA's public key, DER: P-256, P-384 or RSA >= 2048 */
    HfRooted rooted;          /* what the CA has verified, never what the vMA says of itself */
    const char *organization; /* O of the subject, or NULL */
    const char *common_name;  /* NULL: "holdfast vMA " and the key identifier in hex */
    /* What the key is for, as two OUs of the subject: "migration policy NAME", "device model NAME";
     * both or none. A renewal must have the same. */
    const char *policy_unit;
    const char *model_unit;
    bool name_constraints;    /* permitted vtpm.invalid (DNS, e-mail), excluded all IP */
    const HfMandate *mandate; /* what is delegated, or NULL: not said */
    const char *crl_url;      /* the CA's certificate revocation list, or NULL */
    gint64 not_before;        /* seconds since 1970 */
    unsigned days;            /* 1 to HF_DELEGATION_DAYS_MAX */
    bool fleet_issuer;        /* the key is the fleet's issuer's, not in the host's TPM, and the
                                 certificate says so */
    bool identity_keys;       /* it may certify initial attestation and device identity keys, too */
    bool as_root;             /* software-rooted only: `days` does not count, the root's end does */
} HfDelegation;

/* The vMA certificate, signed by the fleet's root. */
HfCertificate *hf_delegation_new(const HfDelegation *in, HfSigner *signer,
                                 const HfCertificate *root, GError **error);

/* Whether this vMA certificate was delegated to with `identity_keys`. */
bool hf_delegation_has_identity_keys(const HfCertificate *vma);

#endif
