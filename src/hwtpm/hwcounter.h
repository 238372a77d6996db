/*
 * hwcounter.h - the generation counter: the one thing that an authority keeps in the host TPM's NV.
 *
 * A counter index that anybody reads and only the approver lets be incremented (POLICYWRITE =
 * PolicyAuthorize(approver, "gen-bump")). Each increment revokes all approvals of smaller
 * generations. It has no value until the first increment, and its first value is not 1 but above
 * every counter the TPM ever had. Several authorities of one approver share an index.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWCOUNTER_H
#define HOLDFAST_HWTPM_HWCOUNTER_H

#include "hwtpm/connection.h"
#include "pki/signer.h"
#include "tpm2/public.h"

#define HF_COUNTER_INDEX_DEFAULT 0x01804846U

typedef struct HfCounter HfCounter;

/* Defines the index (owner authorisation); fine when it is there already and fits.
 * HF_ERROR_EXISTS when something else is there. */
bool hf_counter_define(HfConnection *connection, uint32_t index, const HfPublic *approver,
                       GError **error);
/* HF_ERROR_STATE when there is no such index; HF_ERROR_POLICY when it is not a counter of this
 * approver. */
HfCounter *hf_counter_open(HfConnection *connection, uint32_t index, const HfPublic *approver,
                           GError **error);
void hf_counter_free(HfCounter *counter);

/* Name of the index after its first write, computed. */
HfTpmName hf_counter_expected_name(uint32_t index, const HfPublic *approver);

bool hf_counter_is_written(const HfCounter *counter);
/* Both: HF_ERROR_STATE before the first increment. */
bool hf_counter_name(const HfCounter *counter, HfTpmName *ret_name, GError **error);
bool hf_counter_value(HfCounter *counter, uint64_t *ret_value, GError **error);

/* Increments, authorised by the approver's key for exactly this step. HF_ERROR_POLICY when the key
 * is not the approver's. */
bool hf_counter_bump(HfCounter *counter, HfSigner *approver, uint64_t *ret_value, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCounter, hf_counter_free)

#endif
