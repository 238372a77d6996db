/*
 * fuzz-pcr.c - PCR selections, as text and from a TPM, and files of PCR values.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tpm2/pcr.h"

static void selection_text(const char *text)
{
    GError *error = NULL;
    HfPcrSelection selection, again;
    bool ok = hf_pcr_selection_parse(text, &selection, &error);
    fuzz_told(ok, &error);
    if (ok) {
        g_autofree char *out = hf_pcr_selection_text(&selection);
        g_assert_true(hf_pcr_selection_parse(out, &again, &error));
        g_assert_true(hf_pcr_selection_equal(&selection, &again));
    }
}

static void selection_bytes(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfPcrSelection selection;
    HfReader r = hf_reader(data, size);
    bool ok = hf_pcr_selection_read(&r, &selection, &error);
    fuzz_told(ok, &error);
    if (ok) {
        g_autofree char *text = hf_pcr_selection_text(&selection);
        g_autoptr(GByteArray) out = g_byte_array_new();
        hf_pcr_selection_write(&selection, out);
        g_assert_cmpmem(out->data, out->len, data, r.offset);
        g_assert_cmpuint(hf_pcr_selection_total(&selection), <=, 32 * HF_PCR_BANKS_MAX);
    }
}

static void values(const uint8_t *data, size_t size, const char *which)
{
    GError *error = NULL;
    HfPcrSelection selection;
    HfDigest digest;
    g_assert_true(hf_pcr_selection_parse(which, &selection, NULL));
    g_autoptr(HfPcrValues) read = hf_pcr_values_parse(data, size, &selection, &error);
    fuzz_told(read != NULL, &error);
    if (read) {
        g_assert_true(hf_pcr_values_digest(read, &selection, HF_HASH_SHA256, &digest, &error));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    selection_text(text);
    selection_bytes(data, size);
    values(data, size, "sha256:0,7");
    values(data, size, "sha1:0+sha256:0,7,23");
    return 0;
}
