/*
 * manufacture_job.h - the steps of a manufacture, for those who do some of them on a TPM that is there.
 *
 * Private to manufacture.c, where they are, and reissue.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_MANUFACTURE_JOB_H
#define HOLDFAST_TOOLS_SETUP_MANUFACTURE_JOB_H

#include "tools/setup/manufacture.h"

/* One manufacture under way. */
typedef struct {
    const HfSetupPlan *plan;
    HfCertifier *certifier;
    const HfTransport *tpm;
    HfTransport ahead; /* to the same TPM */
    HfManufacture *made;
    char *tpm_serial;  /* from the first EK certificate; NULL: there is none yet */
    GPtrArray *issued; /* certificates that are there before their turn; or NULL */
    GBytes *ek;        /* SHA-256 of the EK that tpm_serial is from, or NULL */
} HfJob;

void hf_job_clear(HfJob *job);
/* Into made->identity. */
bool hf_job_identity(HfJob *job, GError **error);
/* Issues, and writes into NV. */
bool hf_job_certificate(HfJob *job, const HfEkRow *row, const HfMadeKey *key, GError **error);
/* Of the first of made->keys. */
bool hf_job_platform_certificate(HfJob *job, GError **error);
bool hf_job_chain(HfJob *job, GError **error);
/* A clean stop, so that the next start finds an orderly TPM; made->permanent. */
bool hf_job_finish(HfJob *job, HfEngineChild *engine, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HfJob, hf_job_clear)

#endif
