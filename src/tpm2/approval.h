/*
 * approval.h - the policies that an approver signs, and the authPolicy that asks for them.
 *
 * authPolicy = PolicyAuthorize(approver, reference); what may stand under it is signed by the
 * approver: an environment (PCRs), a generation that can be revoked, one command. All SHA-256.
 * Built from the steps of policy.h; the host TPM walks the same steps.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_APPROVAL_H
#define HOLDFAST_TPM2_APPROVAL_H

#include "tpm2/nvindex.h"
#include "tpm2/policy.h"

/* Policy references: what an approval is for. Without their terminating zero. */
#define HF_APPROVAL_SIGN "vma-sign"
#define HF_APPROVAL_DERIVE "vma-derive"
#define HF_APPROVAL_BUMP "gen-bump"

/* The keys of a host that an environment is approved for, each for its one command. */
typedef enum { HF_USE_SIGN, HF_USE_DERIVE, HF_USES } HfUse;

typedef struct {
    const char *reference;
    uint32_t command_code;
    const char *key;  /* "signing key", for people */
    const char *verb; /* what the command does, "sign" */
} HfUseInfo;

const HfUseInfo *hf_use_info(HfUse use);

/* authPolicy of a key or index that `approver` rules under this reference. */
HfDigest hf_approval_auth_policy(const HfPublic *approver, const char *reference);

/* PolicyPCR(selection, pcr_digest), PolicyNV(counter <= generation), PolicyCommandCode. `counter`
 * is the index' Name after its first write. */
HfDigest hf_approval_environment(const HfPcrSelection *selection, const HfDigest *pcr_digest,
                                 uint64_t generation, const HfTpmName *counter,
                                 uint32_t command_code);

/* PolicyNvWritten(no), PolicyCommandCode(NV_Increment): the first increment, good only once. */
HfDigest hf_approval_first_bump(void);
/* PolicyNV(counter == generation), PolicyCommandCode(NV_Increment): this one step. */
HfDigest hf_approval_next_bump(uint64_t generation, const HfTpmName *counter);

/* The generation counter's NV index as it is before its first write, and its Name after it. */
void hf_approval_counter(uint32_t index, const HfPublic *approver, HfNvPublic *ret_area);
HfTpmName hf_approval_counter_name(uint32_t index, const HfPublic *approver);

/* What the approver's signature is over: SHA-256 of approved policy and reference. */
HfDigest hf_approval_digest(const HfDigest *approved, const char *reference);

#endif
