/*
 * crl.h - an X.509 certificate revocation list (version 2, RFC 5280), parsed once, immutable,
 * counted; and made.
 *
 * Parsing is strict DER of less than 16 MiB; number, key identifier of the issuer and time of the
 * next list must be there. It says what the list claims; that it is the issuer's and in date is
 * crl_set.h's to find out. Partial lists (deltas, lists of one distribution point, indirect ones)
 * are noted as unknown_critical and never believed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_CRL_H
#define HOLDFAST_PKI_CRL_H

#include "pki/certificate.h"

#define HF_CRL_FILE_MAX (24 * 1024 * 1024)
#define HF_CRL_BUNDLE_MAX 64 /* lists in one file */

/* CRLReason of RFC 5280, 5.3.1; 7 is not used. */
typedef enum {
    HF_CRL_UNSPECIFIED = 0,
    HF_CRL_KEY_COMPROMISE = 1,
    HF_CRL_CA_COMPROMISE = 2,
    HF_CRL_AFFILIATION_CHANGED = 3,
    HF_CRL_SUPERSEDED = 4,
    HF_CRL_CESSATION = 5,
    HF_CRL_HOLD = 6,
    HF_CRL_REMOVE = 8,
    HF_CRL_PRIVILEGE_WITHDRAWN = 9,
    HF_CRL_AA_COMPROMISE = 10,
} HfCrlReason;

/* "keyCompromise" and so on, as in RFC 5280; "unknown" for a number that is none of them. */
const char *hf_crl_reason_text(HfCrlReason reason);
/* False when it is none of them. */
bool hf_crl_reason_parse(const char *text, HfCrlReason *ret_reason);
/* All of them as the table of an option wants them: "a|b|c". */
#define HF_CRL_REASONS                                                                           \
    "unspecified|keyCompromise|cACompromise|affiliationChanged|superseded|cessationOfOperation|" \
    "certificateHold|removeFromCRL|privilegeWithdrawn|aACompromise"

typedef struct {
    uint8_t serial[HF_DER_SERIAL_MAX + 1]; /* content octets of the INTEGER */
    uint8_t size;
    HfCrlReason reason;
    gint64 when; /* seconds since 1970 */
} HfCrlEntry;

typedef struct {
    GBytes *der;
    GBytes *tbs; /* the part that is signed */
    GBytes *signature;
    bool algorithm_known;
    HfSignAlgorithm algorithm;
    GBytes *issuer;       /* DER Name */
    GBytes *authority_id; /* keyIdentifier of the authority key identifier */
    GBytes *number;       /* content octets of the INTEGER */
    gint64 this_update;   /* seconds since 1970 */
    gint64 next_update;
    GArray *entries;        /* HfCrlEntry, by serial number, each once */
    char *unknown_critical; /* OID of the first extension that is critical and not known, or NULL */
} HfCrl;

/* One DER list and nothing after it. `label` names it in messages. */
HfCrl *hf_crl_new(GBytes *der, const char *label, GError **error);
HfCrl *hf_crl_ref(HfCrl *crl);
void hf_crl_unref(HfCrl *crl);
/* A file of one or more, PEM ("X509 CRL") or DER one after the other; elements are HfCrl, freed with
 * the array. */
GPtrArray *hf_crl_load_bundle(const char *path, GError **error);
GPtrArray *hf_crl_parse_bundle(GBytes *data, const char *label, GError **error);

/* The entry of a serial number (content octets), borrowed; NULL when it is not on the list. */
const HfCrlEntry *hf_crl_find(const HfCrl *crl, GBytes *serial);
/* The list's number in decimal, or in hex with "0x" when it has more than 8 octets. Caller frees. */
char *hf_crl_number_text(GBytes *number);
/* Like memcmp, of two numbers (content octets). */
int hf_crl_number_compare(GBytes *a, GBytes *b);
/* The PEM form, ending in a newline. Caller frees. */
char *hf_crl_pem(const HfCrl *crl);

typedef struct {
    uint64_t number;
    gint64 this_update;
    gint64 next_update;
    GArray *entries; /* HfCrlEntry in any order; a serial number twice is refused */
} HfCrlInput;

/* Signs a list by the issuer, whose certificate must allow it and be valid at this_update, and
 * verifies it. */
HfCrl *hf_crl_issue(const HfCrlInput *in, HfSigner *signer, const HfCertificate *issuer,
                    GError **error);
/* Sorts by serial number; false when one is there twice. Private to crl.c and crl_issue.c. */
bool hf_crl_sort(GArray *entries);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCrl, hf_crl_unref)

#endif
