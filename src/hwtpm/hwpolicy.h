/*
 * hwpolicy.h - an approved policy, walked in a session of the host TPM.
 *
 * PolicyPCR, PolicyNV, PolicyCommandCode, PolicyAuthorize: the steps of tpm2/approval.h. The ticket
 * that PolicyAuthorize wants is made by the TPM from the approver's signature; it is good until
 * TPM2_Clear, so the caller keeps it. Refusals come as HF_ERROR_POLICY, in words.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWPOLICY_H
#define HOLDFAST_HWTPM_HWPOLICY_H

#include "hwtpm/esys.h"
#include "hwtpm/hwapproved.h"

/* The approver's key is loaded under the OWNER hierarchy (a ticket of the NULL hierarchy is refused
 * later) and flushed again. HF_ERROR_AUTH when the signature does not verify. */
bool hf_hwpolicy_ticket(HfConnection *connection, const HfPublic *approver,
                        const HfDigest *approved, const char *reference, GBytes *signature,
                        TPMT_TK_VERIFIED *ret_ticket, GError **error);

/* PolicyPCR, PolicyNV (generation), PolicyCommandCode of that use. */
bool hf_hwpolicy_environment(HfConnection *connection, ESYS_TR session, ESYS_TR counter,
                             const HfEnvironment *environment, const HfUseInfo *use,
                             GError **error);
/* PolicyNV alone: counter against generation. */
bool hf_hwpolicy_counter(HfConnection *connection, ESYS_TR session, ESYS_TR counter,
                         uint64_t generation, TPM2_EO operation, GError **error);
bool hf_hwpolicy_authorize(HfConnection *connection, ESYS_TR session, const HfPublic *approver,
                           const HfDigest *approved, const char *reference,
                           const TPMT_TK_VERIFIED *ticket, GError **error);

#endif
