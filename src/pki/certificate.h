/*
 * certificate.h - an X.509 certificate, parsed once, immutable, counted.
 *
 * The fields may be read and must not be written. Parsing is strict DER, v3, at most 64 KiB, each
 * extension once; it says what the certificate claims, not that it is true: trust comes from
 * chain.h alone. Extensions that are known and malformed refuse the whole certificate.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_CERTIFICATE_H
#define HOLDFAST_PKI_CERTIFICATE_H

#include "pki/der.h"
#include "pki/holding.h"
#include "pki/mandate.h"
#include "pki/signer.h"

#define HF_CERTIFICATE_FILE_MAX (64 * 1024)
#define HF_CERTIFICATE_BUNDLE_MAX 64 /* certificates in one file */
/* What we issue is at most this: it must fit into NV of a TPM. */
#define HF_CERTIFICATE_MAX (8 * 1024)

enum {
    HF_USAGE_SIGNATURE = 0x8000,
    HF_USAGE_KEY_ENCIPHERMENT = 0x2000,
    HF_USAGE_KEY_AGREEMENT = 0x0800,
    HF_USAGE_CERTIFICATES = 0x0400, /* keyCertSign */
    HF_USAGE_CRL = 0x0200,
};

typedef struct {
    GBytes *der;
    GBytes *tbs; /* the part that is signed */
    GBytes *signature;
    bool algorithm_known; /* one of ours, tbs and outer field alike */
    HfSignAlgorithm algorithm;
    GBytes *serial;  /* content octets of the INTEGER */
    GBytes *issuer;  /* DER Name */
    GBytes *subject; /* DER Name; 2 bytes when it is empty */
    GBytes *spki;
    gint64 not_before; /* seconds since 1970 */
    gint64 not_after;  /* HF_DER_TIME_NEVER: no expiry */

    bool has_basic_constraints;
    bool basic_constraints_critical;
    bool is_ca;
    int path_length; /* -1: no limit given */
    bool has_key_usage;
    bool key_usage_critical;
    uint16_t key_usage; /* HF_USAGE_* */
    char **purposes;    /* extended key usages, dotted; NULL when there is no such extension */
    bool purposes_critical;
    char **policies;         /* dotted; NULL when there is no such extension */
    GBytes *key_id;          /* subject key identifier or NULL */
    GBytes *authority_id;    /* keyIdentifier of the authority key identifier or NULL */
    bool authority_has_more; /* the authority key identifier also has issuer or serial */

    bool has_alt_name;
    bool alt_name_critical;
    bool alt_name_foreign;  /* it has more than one directoryName of TCG attributes, each once, or
                               one hardwareModuleName of a TPM */
    char *tpm_serial;       /* of the latter, or NULL */
    char *tpm_manufacturer; /* "id:00001014"; each NULL when absent */
    char *tpm_model;
    char *tpm_version;
    char *platform_manufacturer;
    char *platform_model;
    char *platform_version;
    char *spec_family; /* "2.0" or NULL */
    uint32_t spec_level;
    uint32_t spec_revision;

    bool has_name_constraints;
    bool name_constraints_foreign; /* of other forms than DNS, e-mail and IP */
    char *ca_issuers_url;
    char *crl_url;
    HfHolding *holding; /* our own extensions or NULL: of a TPM's certificate */
    HfMandate *mandate; /* and of a vMA's */
    GBytes *bond; /* of an attestation or identity key's: hf_spki_digest of its TPM's EK; or NULL */
    char *unknown_critical; /* OID of the first critical extension we do not know, or NULL */
} HfCertificate;

/* One DER certificate and nothing after it. `label` names it in messages. */
HfCertificate *hf_certificate_new(GBytes *der, const char *label, GError **error);
HfCertificate *hf_certificate_ref(HfCertificate *certificate);
void hf_certificate_unref(HfCertificate *certificate);

/* A file with exactly one certificate, DER or PEM. */
HfCertificate *hf_certificate_load(const char *path, GError **error);
/* One or more: PEM blocks, or DER one after the other (as in TPM NV from 0x01c00100 on). In the
 * order of the file; elements are HfCertificate, freed with the array. */
GPtrArray *hf_certificate_load_bundle(const char *path, GError **error);
GPtrArray *hf_certificate_parse_bundle(GBytes *data, const char *label, GError **error);

/* The PEM form, ending in a newline. Caller frees. */
char *hf_certificate_pem(const HfCertificate *certificate);

/* Names as RFC 4514 text, safe to print; "" for the empty name. Caller frees. */
char *hf_certificate_subject_text(const HfCertificate *certificate);
char *hf_certificate_issuer_text(const HfCertificate *certificate);
/* SHA-256 of the DER, lower-case hex. Caller frees. */
char *hf_certificate_fingerprint(const HfCertificate *certificate);

bool hf_certificate_has_policy(const HfCertificate *certificate, const char *oid);
bool hf_certificate_has_purpose(const HfCertificate *certificate, const char *oid);
/* Asked of every certificate of a chain at the time `at`, `name` in messages: it is in date, and has
 * no critical extension and no name constraints that nobody here understands. */
bool hf_certificate_check_usable(const HfCertificate *certificate, const char *name, gint64 at,
                                 GError **error);
/* Does it say that it is of a virtual TPM: any of our three policies? */
bool hf_certificate_is_virtual(const HfCertificate *certificate);
/* The one of our three policies it carries; false when it carries none or more than one. */
bool hf_certificate_rooted(const HfCertificate *certificate, HfRooted *ret_rooted);

/* Checks the signature only, with the issuer's key. HF_ERROR_AUTH when it does not verify. */
bool hf_certificate_signed_by(const HfCertificate *certificate, const HfCertificate *issuer,
                              const char *label, GError **error);

/* "hardware-rooted", "software-rooted", "nested", and the policy OID that says so. */
const char *hf_rooted_text(HfRooted rooted);
const char *hf_rooted_policy(HfRooted rooted);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCertificate, hf_certificate_unref)

#endif
