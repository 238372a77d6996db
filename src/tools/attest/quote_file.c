/*
 * quote_file.c - a guest's evidence in one file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/attest/quote_file.h"

#include "base/error.h"
#include "tools/common/evidence.h"
#include "tools/common/parcel.h"
#include "tpm2/attest.h"

#define PUBLIC_MAX 1024
#define ABOVE_MAX 16384
#define CERTIFICATE_MAX 8192

static const HfParcelItem items[HF_QUOTE_PARTS] = {
    [HF_QUOTE_ATTEST] = { "quote", 1, HF_ATTEST_MAX },
    [HF_QUOTE_SIGNATURE] = { "signature", 1, 1024 },
    [HF_QUOTE_AK] = { "AK", 1, PUBLIC_MAX },
    [HF_QUOTE_PCRS] = { "PCR values", 1, 16384 },
    [HF_QUOTE_AK_CERTIFICATE] = { "AK certificate", 1, CERTIFICATE_MAX },
    [HF_QUOTE_AK_ABOVE] = { "certificates above the AK's", 0, ABOVE_MAX },
    [HF_QUOTE_EK] = { "EK", 0, PUBLIC_MAX },
    [HF_QUOTE_EK_CERTIFICATE] = { "EK certificate", 0, CERTIFICATE_MAX },
    [HF_QUOTE_EK_ABOVE] = { "certificates above the EK's", 0, ABOVE_MAX },
    [HF_QUOTE_EVENT_LOG] = { "event log", 0, HF_EVIDENCE_LOG_MAX },
};

static const HfParcelFormat format = {
    .magic = "HFQUOTE1",
    .version = 1,
    .what = "quote",
    .items = items,
    .count = HF_QUOTE_PARTS,
};

HfQuoteFile *hf_quote_file_new(void)
{
    return g_new0(HfQuoteFile, 1);
}

void hf_quote_file_free(HfQuoteFile *file)
{
    if (file) {
        hf_parcel_clear(file->parts, HF_QUOTE_PARTS);
        g_free(file);
    }
}

GBytes *hf_quote_file_write(const HfQuoteFile *file)
{
    return hf_parcel_write(&format, file->parts);
}

/* What stands on something else is not there without it. */
static bool check_parts(const HfQuoteFile *file, const char *label, GError **error)
{
    static const HfQuotePart needs[][2] = {
        { HF_QUOTE_EK_CERTIFICATE, HF_QUOTE_EK },
        { HF_QUOTE_EK_ABOVE, HF_QUOTE_EK_CERTIFICATE },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(needs); i++) {
        if (file->parts[needs[i][0]] && !file->parts[needs[i][1]]) {
            return hf_error_set(error, HF_ERROR_INVALID, "%s: %s: %s: not expected without %s",
                                label, format.what, items[needs[i][0]].name,
                                items[needs[i][1]].name);
        }
    }
    return true;
}

HfQuoteFile *hf_quote_file_read(GBytes *bytes, const char *label, GError **error)
{
    g_autoptr(HfQuoteFile) file = hf_quote_file_new();

    return hf_parcel_read(&format, bytes, label, file->parts, error) &&
                   check_parts(file, label, error)
               ? g_steal_pointer(&file)
               : NULL;
}
