/*
 * approval.c - the policies that an approver signs.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tpm2/approval.h"

#include <string.h>

#include "base/bytes.h"
#include "tpm2/constants.h"

#ifndef TPM2_CC_PolicyNvWritten
#define TPM2_CC_PolicyNvWritten 0x0000018fu
#endif

/* TPM_NT_COUNTER is 1 in the type field, bits 4 to 7. */
#define COUNTER_ATTRIBUTES (0x10u | TPMA_NV_AUTHREAD | TPMA_NV_POLICYWRITE | TPMA_NV_NO_DA)

const HfUseInfo *hf_use_info(HfUse use)
{
    static const HfUseInfo infos[HF_USES] = {
        [HF_USE_SIGN] = { HF_APPROVAL_SIGN, TPM2_CC_Sign, "signing key", "sign" },
        [HF_USE_DERIVE] = { HF_APPROVAL_DERIVE, TPM2_CC_HMAC, "derivation key", "derive a secret" },
    };

    return &infos[use];
}

HfDigest hf_approval_auth_policy(const HfPublic *approver, const char *reference)
{
    HfDigest policy = hf_digest_zero(HF_HASH_SHA256);
    HfTpmName name = hf_public_name(approver);

    hf_policy_authorize(&policy, &name, reference, strlen(reference));
    return policy;
}

static void policy_counter(HfDigest *policy, uint64_t generation, uint16_t operation,
                           const HfTpmName *counter)
{
    uint8_t operand[8];

    hf_store_u32(operand, (uint32_t)(generation >> 32));
    hf_store_u32(operand + 4, (uint32_t)generation);
    hf_policy_nv(policy, operand, sizeof(operand), 0, operation, counter);
}

HfDigest hf_approval_environment(const HfPcrSelection *selection, const HfDigest *pcr_digest,
                                 uint64_t generation, const HfTpmName *counter,
                                 uint32_t command_code)
{
    HfDigest policy = hf_digest_zero(HF_HASH_SHA256);

    hf_policy_pcr(&policy, selection, pcr_digest);
    policy_counter(&policy, generation, TPM2_EO_UNSIGNED_LE, counter);
    hf_policy_command_code(&policy, command_code);
    return policy;
}

HfDigest hf_approval_first_bump(void)
{
    HfDigest policy = hf_digest_zero(HF_HASH_SHA256);
    uint8_t step[HF_HASH_MAX + 5];

    /* policyDigest ‖ TPM_CC_PolicyNvWritten ‖ writtenSet, Part 3, 23.20 */
    memcpy(step, policy.data, policy.size);
    hf_store_u32(step + policy.size, TPM2_CC_PolicyNvWritten);
    step[policy.size + 4] = 0;
    policy = hf_digest_of(HF_HASH_SHA256, step, policy.size + 5u);
    hf_policy_command_code(&policy, TPM2_CC_NV_Increment);
    return policy;
}

HfDigest hf_approval_next_bump(uint64_t generation, const HfTpmName *counter)
{
    HfDigest policy = hf_digest_zero(HF_HASH_SHA256);

    policy_counter(&policy, generation, TPM2_EO_EQ, counter);
    hf_policy_command_code(&policy, TPM2_CC_NV_Increment);
    return policy;
}

void hf_approval_counter(uint32_t index, const HfPublic *approver, HfNvPublic *ret_area)
{
    HfDigest policy = hf_approval_auth_policy(approver, HF_APPROVAL_BUMP);

    *ret_area = (HfNvPublic){
        .index = index,
        .name_alg = TPM2_ALG_SHA256,
        .attributes = COUNTER_ATTRIBUTES,
        .policy_size = policy.size,
        .size = 8,
    };
    memcpy(ret_area->policy, policy.data, policy.size);
}

HfTpmName hf_approval_counter_name(uint32_t index, const HfPublic *approver)
{
    HfNvPublic area;

    hf_approval_counter(index, approver, &area);
    area.attributes |= TPMA_NV_WRITTEN;
    return hf_nv_public_name(&area);
}

HfDigest hf_approval_digest(const HfDigest *approved, const char *reference)
{
    return hf_policy_approval(approved, reference, strlen(reference));
}
