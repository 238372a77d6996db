/*
 * reissue.h - new certificates for the endorsement keys that a TPM has.
 *
 * For certificates that have expired, or whose CA or authority is another one now. Keys, seeds, the rest of
 * NV, hierarchies and their passwords, lockout and PCR banks stay; to the TPM it is a start and an
 * orderly end. Only keys that the endorsement seed really makes are certified.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_REISSUE_H
#define HOLDFAST_TOOLS_SETUP_REISSUE_H

#include "tools/setup/manufacture.h"
#include "tools/setup/setup_run.h"

/* The TPM in `permanent` with new certificates, wherever there was one or there is a persistent
 * endorsement key, and the present chain; not stored, to be given to hf_manufacture_check. seed: of
 * plan->reproducible_from, which the keys are held against; NULL: none. HF_ERROR_STATE when a certificate
 * there is for another key (TPM2_ChangeEPS), when an index is the guest's own, or when the old
 * certificate says reproducible and no seed is given; HF_ERROR_NOT_FOUND when there is nothing to
 * certify; the certifier's errors. With plan->install the certificates are those of that file: only keys
 * that it has one for get another, the platform certificate stays, and so do the certificates above
 * the others; HF_ERROR_INVALID when it has one for a key that is not this TPM's. */
HfManufacture *hf_reissue(const HfSetupPlan *plan, const HfEngines *engines,
                          const HfEngineFacts *facts, const HfSecret *permanent,
                          const HfSecret *seed, GError **error);

#endif
