/*
 * hwwatch.h - what lies between ESYS and the TCTI: it counts, says what takes long, and gives up.
 *
 * A hardware TPM may take 200 ms for a command and a minute for a key, and it may ask for patience.
 * The watch is a TCTI of its own around the real one. It changes no byte. Only files of src/hwtpm
 * use this; programs use hf_connection_watch (connection.h).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWWATCH_H
#define HOLDFAST_HWTPM_HWWATCH_H

#include <tss2/tss2_tcti.h>

#include "hwtpm/connection.h"

/* Longest wait for one answer. The kernel's own limit for the slowest commands is 5 minutes. */
#define HF_WATCH_LIMIT_S 300

typedef struct HfWatch HfWatch;

/* Borrows `inner`, which must outlive the watch. */
HfWatch *hf_watch_new(TSS2_TCTI_CONTEXT *inner);
void hf_watch_free(HfWatch *watch);

/* For ESYS; owned by the watch. */
TSS2_TCTI_CONTEXT *hf_watch_tcti(HfWatch *watch);
/* NULL: nobody is told. */
void hf_watch_tell(HfWatch *watch, HfConnectionNote note, void *data);

#endif
