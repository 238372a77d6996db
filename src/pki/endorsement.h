/*
 * endorsement.h - the certificates of a TPM: EK, platform, AK, IAK, IDevID.
 *
 * All are signed through a signer (signer.h), whose key must be the one in the issuer's
 * certificate, and are verified with that certificate before they are handed out: a bus or TPM that
 * lies cannot make us return a bad one. The policy in the certificate follows from signer->rooted.
 * EK certificates follow the TCG EK Credential Profile (subject empty, names in the critical
 * subject alternative name).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_ENDORSEMENT_H
#define HOLDFAST_PKI_ENDORSEMENT_H

#include "pki/certificate.h"

/* What the key may do; 0 stands for HF_ENDORSEMENT_DECRYPT. */
enum { HF_ENDORSEMENT_DECRYPT = 1, HF_ENDORSEMENT_SIGN = 2 };

/* Strings are UTF-8 without control characters, 1 to 64 characters unless said otherwise. */
typedef struct {
    GBytes *spki;                 /* the TPM's key, DER (spki.h) */
    unsigned use;                 /* HF_ENDORSEMENT_* */
    const char *tpm_manufacturer; /* "id:" and 8 hex digits, as the TPM itself reports */
    const char *tpm_model;        /* names the emulator and says it is virtual */
    const char *tpm_version;      /* "id:" and 8 hex digits */
    const char *spec_family;      /* "2.0" */
    uint32_t spec_level;
    uint32_t spec_revision;            /* for example 164 */
    const char *platform_manufacturer; /* platform certificate only */
    const char *platform_model;
    const char *platform_version;
    /* Any length: subject CN of the platform certificate; one longer than 64 characters is cut and
     * made unique again by a hash. NULL: "unknown". Not in the EK certificate. */
    const char *vmid;
    const HfHolding *holding;   /* hardware-rooted needs host_ek and tcb_policy in it */
    const char *ca_issuers_url; /* where the issuer's certificate is to be had, or NULL */
    /* AK, IAK and IDevID: hf_spki_digest of the EK it was proved, or made, to be with; AK: or NULL */
    GBytes *ak_endorsement;
    const char *tpm_serial; /* IAK and IDevID: the TPM's, hf_extension_check_serial */
    GBytes *subject; /* IAK and IDevID: DER Name in place of what follows from vmid, or NULL */
    /* AK certificate only. */
    const char *const *ak_policies; /* dotted OIDs that the CA has verified, or NULL */
    const char *crl_url;            /* the issuer's revocation list, or NULL */
    gint64 not_before;              /* seconds since 1970; the issuer must be valid then */
    gint64 not_after;               /* -1: no expiry */
} HfEndorsement;

/* The EK certificate. */
HfCertificate *hf_endorsement_ek(const HfEndorsement *in, HfSigner *signer,
                                 const HfCertificate *issuer, GError **error);
/* The platform certificate: a public-key certificate over the EK, as existing tools write it. */
HfCertificate *hf_endorsement_platform(const HfEndorsement *in, HfSigner *signer,
                                       const HfCertificate *issuer, GError **error);
/* An AK certificate (of a host or a virtual TPM) by a CA that may issue them; subject CN = vmid,
 * TPM names as in the EK certificate when tpm_manufacturer is set (and the specification when
 * spec_family is), not_after must be given. Of the rest it uses spki, ca_issuers_url, not_before
 * and, when they are set, ak_policies, crl_url, ak_endorsement and with that the holding, which is
 * the one in the EK certificate. */
HfCertificate *hf_endorsement_ak(const HfEndorsement *in, HfSigner *signer,
                                 const HfCertificate *issuer, GError **error);

/* What a TPM's manufacturer certifies of the keys that he made in it: initial attestation key, which
 * signs only what the TPM says (usage 2.23.133.8.3), and device identity, which signs what it is given
 * (HF_OID_PURPOSE_IDENTITY). The issuer must be one for that usage. Subject: the vmid, else the TPM's
 * serial number, as a serialNumber; the TPM's serial number is the hardwareModuleName. Of the rest it
 * uses spki, ak_endorsement, holding, ca_issuers_url, not_before and not_after. */
HfCertificate *hf_endorsement_iak(const HfEndorsement *in, HfSigner *signer,
                                  const HfCertificate *issuer, GError **error);
HfCertificate *hf_endorsement_idevid(const HfEndorsement *in, HfSigner *signer,
                                     const HfCertificate *issuer, GError **error);

#endif
