/*
 * quote_file.h - a guest's evidence in one file: quote, signature, PCR values, certificates, event
 * log.
 *
 * A parcel (tools/common/parcel.h); holdfast-attest(5) specifies the records. Reading checks the
 * shape alone: who quoted what is verdict.h's.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_QUOTE_FILE_H
#define HOLDFAST_TOOLS_ATTEST_QUOTE_FILE_H

#include <glib.h>
#include <stdbool.h>

typedef enum {
    HF_QUOTE_ATTEST,         /* TPMS_ATTEST */
    HF_QUOTE_SIGNATURE,      /* TPMT_SIGNATURE */
    HF_QUOTE_AK,             /* TPMT_PUBLIC */
    HF_QUOTE_PCRS,           /* text lines, as hf_pcr_lines */
    HF_QUOTE_AK_CERTIFICATE, /* DER */
    HF_QUOTE_AK_ABOVE,       /* DER one after the other, or NULL */
    HF_QUOTE_EK,             /* TPMT_PUBLIC, or NULL */
    HF_QUOTE_EK_CERTIFICATE, /* DER, or NULL */
    HF_QUOTE_EK_ABOVE,       /* DER one after the other, or NULL */
    HF_QUOTE_EVENT_LOG,      /* as the firmware left it, or NULL */
    HF_QUOTE_PARTS
} HfQuotePart;

typedef struct {
    GBytes *parts[HF_QUOTE_PARTS]; /* owned */
} HfQuoteFile;

HfQuoteFile *hf_quote_file_new(void);
void hf_quote_file_free(HfQuoteFile *file);
GBytes *hf_quote_file_write(const HfQuoteFile *file);
/* HF_ERROR_INVALID naming label and record. */
HfQuoteFile *hf_quote_file_read(GBytes *bytes, const char *label, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfQuoteFile, hf_quote_file_free)

#endif
