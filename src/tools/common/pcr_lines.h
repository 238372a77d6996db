/*
 * pcr_lines.h - PCR values as text lines "sha256:7:HEX", and how two sets of them differ.
 *
 * The form that hf_pcr_values_parse reads; used in approvals, requests and lists of approved
 * values.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_PCR_LINES_H
#define HOLDFAST_TOOLS_COMMON_PCR_LINES_H

#include "tpm2/pcr.h"

/* All selected values, a line each; values must be there. Caller frees. */
char *hf_pcr_lines(const HfPcrValues *values, const HfPcrSelection *selection);
/* "sha256:4, sha256:7", the selected PCRs whose values differ (or are missing in one); "" when
 * none does. Caller frees. */
char *hf_pcr_lines_changed(const HfPcrValues *before, const HfPcrValues *now,
                           const HfPcrSelection *selection);

#endif
