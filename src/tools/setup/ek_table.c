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
    { "rsa2048", NULL, "RSA-2048", "ek-rsa2048.crt", 2048, HF_TEMPLATE_EK_RSA2048 },
    { "rsa3072", NULL, "RSA-3072", "ek-rsa3072.crt", 3072, HF_TEMPLATE_EK_RSA3072 },
    { "ecc_nist_p256", "secp256r1", "ECC P-256", "ek-secp256r1.crt", 0, HF_TEMPLATE_EK_P256 },
    { "ecc_nist_p384", "secp384r1", "ECC P-384", "ek-secp384r1.crt", 0, HF_TEMPLATE_EK_P384 },
    { .algorithm = NULL },
};

const HfEkRow *hf_ek_row_find(const char *name, const char *what, GError **error)
{
    g_autoptr(GString) choices = g_string_new(NULL);
    for (const HfEkRow *row = hf_ek_table; row->algorithm; row++) {
        if (strcmp(name, row->algorithm) == 0 || g_strcmp0(name, row->alias) == 0) {
            return row;
        }
        g_string_append_printf(choices, "%s, ", row->algorithm);
    }
    hf_error_set(error, HF_ERROR_USAGE, "%s: expected %snone, found \"%s\"", what, choices->str,
                 name);
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
