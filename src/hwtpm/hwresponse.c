/*
 * hwresponse.c - what a host TPM's response code means, and when to ask again.
 *
 * A code is shown in words with its number, so that an operator can look it up. Codes that mean
 * "not now" are repeated with a doubling wait and an end: a TPM that tests itself for ever must
 * not hang a program for ever.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <tss2/tss2_rc.h>

#include "hwtpm/esys.h"

#define BACKOFF_FIRST_US 5000U
#define BACKOFF_MOST_US 500000U
#define BACKOFF_TOTAL_US (15 * G_USEC_PER_SEC)

static const struct {
    TSS2_RC code;
    const char *words;
} meanings[] = {
    { TPM2_RC_AUTH_MISSING, "an authorization is missing" },
    { TPM2_RC_AUTH_UNAVAILABLE, "policy needed: the object cannot be used with a password" },
    { TPM2_RC_POLICY, "policy comparison failed" },
    { TPM2_RC_PCR_CHANGED, "PCRs changed while the policy was being satisfied" },
    { TPM2_RC_LOCKOUT, "the TPM is in dictionary attack lockout" },
    { TPM2_RC_DISABLED, "the hierarchy is disabled" },
    { TPM2_RC_NV_SPACE, "no NV space left" },
    { TPM2_RC_NV_DEFINED, "the NV index is defined already" },
    { TPM2_RC_NV_UNINITIALIZED, "the NV index was never written" },
    { TPM2_RC_NV_RATE, "the TPM limits the rate of NV writes" },
    { TPM2_RC_OBJECT_MEMORY,
      "no object slot free in the TPM; use a resource manager (/dev/tpmrm0)" },
    { TPM2_RC_SESSION_MEMORY, "no session slot free in the TPM" },
    { TPM2_RC_SESSION_HANDLES, "no session handle free in the TPM" },
    { TPM2_RC_INITIALIZE, "the TPM was not started (TPM2_Startup)" },
    { TPM2_RC_FAILURE, "the TPM is in failure mode" },
    { TPM2_RC_AUTH_FAIL, "the authorization value is wrong" },
    { TPM2_RC_BAD_AUTH, "the authorization value is wrong" },
    { TPM2_RC_POLICY_FAIL, "the policy of the object is not satisfied" },
    { TPM2_RC_INTEGRITY, "the blob was not made by this TPM, or was altered" },
    { TPM2_RC_TICKET, "the ticket was not made by this TPM, or was altered" },
    { TPM2_RC_SIGNATURE, "the signature does not verify" },
    { TPM2_RC_HANDLE, "there is no such object" },
    { TPM2_RC_COMMAND_CODE, "the TPM does not have this command" },
};

TSS2_RC hf_esys_base_code(TSS2_RC rc)
{
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
    TSS2_RC code = rc & ~TSS2_RC_LAYER_MASK;

    if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) {
        return rc;
    }
    if (code & TPM2_RC_FMT1) {
        return code & (TPM2_RC_FMT1 | 0x3fU);
    }
    return code;
}

bool hf_backoff_again(HfBackoff *backoff, TSS2_RC rc)
{
    int64_t now;

    switch (hf_esys_base_code(rc)) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE: break;
    default: return false;
    }
    now = g_get_monotonic_time();
    if (backoff->end_us == 0) {
        backoff->end_us = now + BACKOFF_TOTAL_US;
        backoff->wait_us = BACKOFF_FIRST_US;
    }
    if (now + backoff->wait_us > backoff->end_us) {
        return false;
    }
    g_usleep(backoff->wait_us);
    backoff->wait_us = MIN(backoff->wait_us * 2, BACKOFF_MOST_US);
    return true;
}

/* Codes that tell of the TPM, not of this attempt: it has no such algorithm, size or command. */
static HfErrorCode kind_of(TSS2_RC base)
{
    switch (base) {
    case TPM2_RC_ASYMMETRIC:
    case TPM2_RC_KEY_SIZE:
    case TPM2_RC_CURVE:
    case TPM2_RC_VALUE:
    case TPM2_RC_COMMAND_CODE: return HF_ERROR_UNSUPPORTED;
    default: return HF_ERROR_TPM;
    }
}

bool hf_esys_check(TSS2_RC rc, const char *what, GError **error)
{
    TSS2_RC base;

    if (rc == TSS2_RC_SUCCESS) {
        return true;
    }
    base = hf_esys_base_code(rc);
    for (size_t i = 0; i < G_N_ELEMENTS(meanings); i++) {
        if (meanings[i].code == base) {
            return hf_error_set(error, kind_of(base), "host TPM: %s: %s (0x%x)", what,
                                meanings[i].words, rc);
        }
    }
    return hf_error_set(error, kind_of(base), "host TPM: %s: %s (0x%x)", what, Tss2_RC_Decode(rc),
                        rc);
}
