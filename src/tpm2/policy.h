/*
 * policy.h - policy digests, computed as a TPM's policy session would (Part 3, chapter 23).
 *
 * Start with hf_digest_zero(nameAlg), then call one function a step; the digest is updated in
 * place. Nothing can fail: the hash must be known.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_POLICY_H
#define HOLDFAST_TPM2_POLICY_H

#include "tpm2/pcr.h"
#include "tpm2/public.h"

/* pcr_digest: hf_pcr_values_digest with the policy's hash. */
void hf_policy_pcr(HfDigest *policy, const HfPcrSelection *selection, const HfDigest *pcr_digest);
/* operation: TPM2_EO_*. nv_name: Name of the index as it is when used (written). */
void hf_policy_nv(HfDigest *policy, const void *operand, size_t operand_size, uint16_t offset,
                  uint16_t operation, const HfTpmName *nv_name);
void hf_policy_command_code(HfDigest *policy, uint32_t command_code);
/* Starts over: what stood there is approved by a signature, not part of the result. */
void hf_policy_authorize(HfDigest *policy, const HfTpmName *key_name, const void *ref,
                         size_t ref_size);
void hf_policy_secret(HfDigest *policy, const HfTpmName *entity, const void *ref, size_t ref_size);
/* 2 to 8 branches (asserted), all of the policy's algorithm. */
void hf_policy_or(HfDigest *policy, const HfDigest *branches, size_t count);

/* What the approver signs for TPM2_PolicyAuthorize: H(approvedPolicy ‖ policyRef). */
HfDigest hf_policy_approval(const HfDigest *approved, const void *ref, size_t ref_size);

#endif
