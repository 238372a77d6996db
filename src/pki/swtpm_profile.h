/*
 * swtpm_profile.h - certificates in the form that swtpm's tools give them.
 *
 * For those who look for what swtpm_cert writes: a subject of the caller's choice (in EK
 * certificates, too), the TPM's names in a critical subject alternative name, a validity of any
 * length, any issuer that is a CA. endorsement.h has the certificates of our own authority, which
 * are stricter. Better than swtpm's: the signing key must be the issuer's, what comes back is
 * verified, a serial number is random unless given, and the policy says software-rooted. TPM 1.2
 * certificates are signed with SHA-256, too.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_SWTPM_PROFILE_H
#define HOLDFAST_PKI_SWTPM_PROFILE_H

#include "pki/certificate.h"

typedef enum {
    HF_SWTPM_EK,
    HF_SWTPM_PLATFORM,
    HF_SWTPM_IAK,   /* initial attestation key */
    HF_SWTPM_IDEVID /* initial device identity */
} HfSwtpmKind;

/* Names are UTF-8 without control characters, 1 to 64 characters. */
typedef struct {
    HfSwtpmKind kind;
    bool is_tpm2;
    bool may_sign;       /* digitalSignature ... */
    bool may_decrypt;    /* ... and, or without may_sign alone, encipherment or agreement */
    GBytes *spki;        /* the TPM's key, DER (spki.h) */
    GBytes *serial;      /* 1 to 20 bytes, unsigned, not zero; NULL: random */
    const char *subject; /* RFC 4514 ("C=US,CN=x"); NULL or "": empty. Not with TPM 1.2 */
    const char *tpm_manufacturer;
    const char *tpm_model;
    const char *tpm_version;
    const char *spec_family; /* EK only */
    uint32_t spec_level;
    uint32_t spec_revision;
    const char *platform_manufacturer; /* platform only */
    const char *platform_model;
    const char *platform_version;
    const char *hardware_serial; /* IAK and IDevID only; ASCII, 1 to 128 characters */
    gint64 not_before;           /* seconds since 1970 */
    gint64 not_after;            /* at most HF_DER_TIME_NEVER */
} HfSwtpmProfile;

HfCertificate *hf_swtpm_profile_issue(const HfSwtpmProfile *in, HfSigner *signer,
                                      const HfCertificate *issuer, GError **error);

/* A number in decimal as 1 to 20 bytes, big-endian; NULL and HF_ERROR_INVALID when it is 0, larger
 * than 160 bits or no number. */
GBytes *hf_swtpm_profile_serial(const char *decimal, GError **error);

#endif
