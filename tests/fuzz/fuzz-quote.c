/*
 * fuzz-quote.c - a guest's evidence, and the verdict on it.
 *
 * The last certificate that came along counts as the pinned privacy CA, so that what comes after the
 * attestation key's certificate is reached; the time is its own. So a verdict may be good, and then
 * everything that is printed must be there.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "tools/attest/quote_file.h"
#include "tools/attest/verdict.h"

static GPtrArray *certificates(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
}

/* What the seeds were asked with. */
static HfVerdict *asked(GBytes *bytes, GError **error)
{
    static const uint8_t nonce[] = { 0x00, 0x11, 0x22, 0x33 };
    g_autoptr(HfVerdict) v = g_new0(HfVerdict, 1);

    v->roots = certificates();
    v->given_chain = certificates();
    v->ca_roots = certificates();
    v->vendors = hf_vendor_roots_new();
    v->nonce = g_bytes_new_static(nonce, sizeof nonce);
    g_assert_true(hf_pcr_selection_parse("sha256:0,4,9", &v->selection, NULL));
    if (!hf_verdict_take_evidence(v, bytes, "input", error)) {
        return NULL;
    }
    g_ptr_array_add(v->ca_roots, hf_certificate_ref(v->ak_chain->pdata[v->ak_chain->len - 1]));
    v->now = ((const HfCertificate *)v->ak_chain->pdata[0])->not_before;
    return g_steal_pointer(&v);
}

static void judge(GBytes *bytes)
{
    GError *error = NULL;
    g_autoptr(HfVerdict) v = asked(bytes, &error);

    fuzz_told(v != NULL, &error);
    if (!v) {
        return;
    }
    bool good = hf_verdict_reach(v, &error) == HF_VERDICT_GOOD;

    fuzz_told(good, &error);
    g_assert_true(good == !v->failed);
    if (good) {
        g_autofree char *text = hf_reference_write(&v->facts, "boot");
        g_autoptr(GBytes) file = g_bytes_new(text, strlen(text));
        g_autoptr(HfReference) reference = hf_reference_parse(file, "written", &error);
        const char *nearest = NULL;
        GPtrArray *differences = NULL;

        g_assert_no_error(error);
        g_assert_cmpstr(hf_reference_match(reference, &v->facts, &nearest, &differences), ==,
                        "boot");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(HfQuoteFile) file = hf_quote_file_read(bytes, "input", &error);

    fuzz_told(file != NULL, &error);
    if (file) {
        g_autoptr(GBytes) written = hf_quote_file_write(file);
        g_autoptr(HfQuoteFile) again = hf_quote_file_read(written, "again", &error);

        g_assert_no_error(error);
        judge(bytes);
    }
    return 0;
}
