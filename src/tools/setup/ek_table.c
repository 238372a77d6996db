/*
 * ek_table.c - the rows, and how they are found.
 *
 * A new kind of endorsement key is a row here and a template in tpm2/template.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/ek_table.h"

#include <string.h>

#include "base/error.h"

const HfEkRow hf_ek_table[] = {
    { "rsa2048", NULL, "RSA-2048", "ek-rsa2048.crt", 2048, HF_TEMPLATE_EK_RSA2048, HF_CERT_EK },
    { "rsa3072", NULL, "RSA-3072", "ek-rsa3072.crt", 3072, HF_TEMPLATE_EK_RSA3072, HF_CERT_EK },
    { "rsa4096", NULL, "RSA-4096", "ek-rsa4096.crt", 4096, HF_TEMPLATE_EK_RSA4096, HF_CERT_EK },
    { "ecc_nist_p256", "secp256r1", "ECC P-256", "ek-secp256r1.crt", 0, HF_TEMPLATE_EK_P256,
      HF_CERT_EK },
    { "ecc_nist_p384", "secp384r1", "ECC P-384", "ek-secp384r1.crt", 0, HF_TEMPLATE_EK_P384,
      HF_CERT_EK },
    { "ecc_nist_p521", "secp521r1", "ECC P-521", "ek-secp521r1.crt", 0, HF_TEMPLATE_EK_P521,
      HF_CERT_EK },
    { .algorithm = NULL },
};

const HfEkRow hf_identity_table[] = {
    { "rsa2048", NULL, "RSA-2048", "iak-rsa2048.crt", 2048, HF_TEMPLATE_IAK_RSA2048, HF_CERT_IAK },
    { "rsa3072", NULL, "RSA-3072", "iak-rsa3072.crt", 3072, HF_TEMPLATE_IAK_RSA3072, HF_CERT_IAK },
    { "rsa4096", NULL, "RSA-4096", "iak-rsa4096.crt", 4096, HF_TEMPLATE_IAK_RSA4096, HF_CERT_IAK },
    { "ecc_nist_p256", "secp256r1", "ECC P-256", "iak-secp256r1.crt", 0, HF_TEMPLATE_IAK_P256,
      HF_CERT_IAK },
    { "ecc_nist_p384", "secp384r1", "ECC P-384", "iak-secp384r1.crt", 0, HF_TEMPLATE_IAK_P384,
      HF_CERT_IAK },
    { "rsa2048", NULL, "RSA-2048", "idevid-rsa2048.crt", 2048, HF_TEMPLATE_IDEVID_RSA2048,
      HF_CERT_IDEVID },
    { "rsa3072", NULL, "RSA-3072", "idevid-rsa3072.crt", 3072, HF_TEMPLATE_IDEVID_RSA3072,
      HF_CERT_IDEVID },
    { "rsa4096", NULL, "RSA-4096", "idevid-rsa4096.crt", 4096, HF_TEMPLATE_IDEVID_RSA4096,
      HF_CERT_IDEVID },
    { "ecc_nist_p256", "secp256r1", "ECC P-256", "idevid-secp256r1.crt", 0, HF_TEMPLATE_IDEVID_P256,
      HF_CERT_IDEVID },
    { "ecc_nist_p384", "secp384r1", "ECC P-384", "idevid-secp384r1.crt", 0, HF_TEMPLATE_IDEVID_P384,
      HF_CERT_IDEVID },
    { .algorithm = NULL },
};

static const HfEkRow *find(const HfEkRow *table, HfCertKind kind, const char *name,
                           const char *what, GError **error)
{
    g_autoptr(GString) choices = g_string_new(NULL);
    for (const HfEkRow *row = table; row->algorithm; row++) {
        if (row->kind != kind) {
            continue;
        }
        if (strcmp(name, row->algorithm) == 0 || g_strcmp0(name, row->alias) == 0) {
            return row;
        }
        g_string_append_printf(choices, "%s, ", row->algorithm);
    }
    hf_error_set(error, HF_ERROR_USAGE, "%s: expected %snone, found \"%s\"", what, choices->str,
                 name);
    return NULL;
}

const HfEkRow *hf_ek_row_find(const char *name, const char *what, GError **error)
{
    return find(hf_ek_table, HF_CERT_EK, name, what, error);
}

const HfEkRow *hf_identity_row_find(HfCertKind kind, const char *name, const char *what,
                                    GError **error)
{
    return find(hf_identity_table, kind, name, what, error);
}

const HfEkRow *hf_identity_row_like(HfCertKind kind, const HfPublicKey *key)
{
    bool rsa = hf_public_key_kind(key) == HF_KEY_RSA;
    for (const HfEkRow *row = hf_identity_table; row->algorithm; row++) {
        HfPublic template;
        hf_template_public(row->template, &template);
        if (row->kind == kind && rsa == (row->rsa_bits > 0) &&
            (rsa ? row->rsa_bits == hf_public_key_bits(key)
                 : template.curve == hf_public_key_curve(key))) {
            return row;
        }
    }
    return NULL;
}

const HfEkRow *hf_ek_row_rsa(unsigned bits)
{
    const HfEkRow *row = hf_ek_row_rsa_max(bits);
    return row && row->rsa_bits == bits ? row : NULL;
}

const HfEkRow *hf_ek_row_rsa_max(unsigned limit)
{
    const HfEkRow *best = NULL;
    for (const HfEkRow *row = hf_ek_table; row->algorithm; row++) {
        if (row->rsa_bits > (best ? best->rsa_bits : 0) && row->rsa_bits <= limit) {
            best = row;
        }
    }
    return best;
}
