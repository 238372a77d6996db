/*
 * approval_file.h - approval.json: the approved policies of an authority and who approved them; and
 * approval-next.json, the same for a state that the host is still to come into.
 *
 *     format "holdfast-approval", version 2, minimum-reader 1
 *     time          when it was approved, ISO 8601, for people
 *     pcrs          PCR selection, "sha256:0,2,4,7"
 *     values        the approved values, texts "sha256:0:HEX", exactly the selected ones
 *     generation    the highest value of the host TPM's counter for which it holds
 *     policy        the approved policy (tpm2/approval.h), hex; computed again on load
 *     signature     the approver's over the policy and "vma-sign", hex; verified on load
 *     derive-policy, derive-signature   the same for the derivation key and "vma-derive"; not in
 *                   files of version 1
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_APPROVAL_FILE_H
#define HOLDFAST_TOOLS_COMMON_APPROVAL_FILE_H

#include "pki/signer.h"
#include "tpm2/approval.h"

#define HF_APPROVAL_FILE "approval.json"
#define HF_APPROVAL_NEXT "approval-next.json"

typedef struct {
    char *time;
    HfPcrSelection selection;
    HfPcrValues *values;
    HfDigest pcr_digest;
    uint64_t generation;
    HfDigest policy[HF_USES];
    GBytes *signature[HF_USES]; /* NULL: this use was not approved */
} HfApproval;

/* What an approval is for. */
typedef struct {
    const HfPublic *approver;
    HfTpmName counter; /* of the generation counter once written */
} HfApprovalSubject;

/* Signs with the approver's key: HF_ERROR_POLICY when the signer has another key. Takes `values`
 * (which must have all selected PCRs) in any case. */
HfApproval *hf_approval_sign(const HfApprovalSubject *subject, const HfPcrSelection *selection,
                             HfPcrValues *values, uint64_t generation, HfSigner *signer,
                             GError **error);
/* From the directory; NULL without error when there is none (*ret_found is false then). */
HfApproval *hf_approval_load(const HfApprovalSubject *subject, int dir, const char *name,
                             const char *label, bool *ret_found, GError **error);
bool hf_approval_save(const HfApproval *approval, int dir, const char *name, const char *label,
                      GError **error);
/* Is it for the state with these values? They must have all that it selects. */
bool hf_approval_fits(const HfApproval *approval, const HfPcrValues *values);
void hf_approval_free(HfApproval *approval);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfApproval, hf_approval_free)

#endif
