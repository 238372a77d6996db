/*
 * ek_table.h - the keys that can be made and certified: one row a key.
 *
 * Name on the command line, template and name of the certificate file. Handle and NV indices come
 * with the template (tpm2/template.h); nothing else in the program names one.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_EK_TABLE_H
#define HOLDFAST_TOOLS_SETUP_EK_TABLE_H

#include "crypto/pubkey.h"
#include "tpm2/template.h"

/* What a certificate is for. */
typedef enum { HF_CERT_EK, HF_CERT_PLATFORM, HF_CERT_IAK, HF_CERT_IDEVID } HfCertKind;

typedef struct {
    const char *algorithm; /* as --ek1keyalgo takes it; NULL ends the table */
    const char *alias;     /* its other name, or NULL */
    const char *title;     /* for people */
    const char *file;      /* certificate file below --write-ek-cert-files */
    unsigned rsa_bits;     /* 0: an ECC key */
    HfTemplate template;
    HfCertKind kind; /* HF_CERT_EK, HF_CERT_IAK or HF_CERT_IDEVID */
} HfEkRow;

extern const HfEkRow hf_ek_table[];       /* endorsement keys */
extern const HfEkRow hf_identity_table[]; /* attestation and device identity keys */

/* By algorithm or alias. NULL and *error (HF_ERROR_USAGE, naming `what` and the choices). */
const HfEkRow *hf_ek_row_find(const char *name, const char *what, GError **error);
/* The same for an identity key of this kind. */
const HfEkRow *hf_identity_row_find(HfCertKind kind, const char *name, const char *what,
                                    GError **error);
/* The row of this kind that makes keys like this one, or NULL. */
const HfEkRow *hf_identity_row_like(HfCertKind kind, const HfPublicKey *key);
/* The RSA row of this size, NULL when there is none. */
const HfEkRow *hf_ek_row_rsa(unsigned bits);
/* The largest RSA key there is a row for, of at most `limit` bits; NULL when there is none. */
const HfEkRow *hf_ek_row_rsa_max(unsigned limit);

#endif
