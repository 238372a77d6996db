/*
 * fuzz-crl.c - revocation lists as they come from a file or a web server.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "pki/crl_set.h"

static void look(HfCrl *crl)
{
    GError *error = NULL;
    g_autofree char *number = hf_crl_number_text(crl->number);
    g_autofree char *pem = hf_crl_pem(crl);
    g_assert_true(number && pem);
    for (unsigned i = 0; i < crl->entries->len; i++) {
        const HfCrlEntry *entry = &g_array_index(crl->entries, HfCrlEntry, i);
        g_autoptr(GBytes) serial = g_bytes_new(entry->serial, entry->size);
        g_assert_true(hf_crl_find(crl, serial) == entry);
        g_assert_cmpstr(hf_crl_reason_text(entry->reason), !=, "unknown");
    }
    g_autoptr(HfCrl) again = hf_crl_new(crl->der, "again", &error);
    g_assert_no_error(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GPtrArray) bundle = hf_crl_parse_bundle(bytes, "input", &error);
    fuzz_told(bundle != NULL, &error);
    for (unsigned i = 0; bundle && i < bundle->len; i++) {
        look(bundle->pdata[i]);
    }
    return 0;
}
