/*
 * hwderive.c - asking whether TPM2_HMAC is there, and asking for one.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwderive.h"

#include <string.h>

#include "hwtpm/hwapproved_call.h"

typedef struct {
    TPM2B_MAX_BUFFER data;
    TPM2B_DIGEST *secret; /* of ESYS */
} HmacCall;

bool hf_derivation_possible(HfConnection *connection, GError **error)
{
    hf_autoesys TPMS_CAPABILITY_DATA *data = NULL;

    if (!HF_TPM("list commands", error,
                Esys_GetCapability(connection->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                   TPM2_CAP_COMMANDS, TPM2_CC_HMAC, 1, NULL, &data))) {
        return false;
    }
    /* A TPM that lacks it starts the list at the next command it has. */
    return (data->data.command.count == 1 && (data->data.command.commandAttributes[0] &
                                              TPMA_CC_COMMANDINDEX_MASK) == TPM2_CC_HMAC) ||
           hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "the host TPM has no TPM2_HMAC: it can have no derivation key");
}

static TSS2_RC hmac_call(ESYS_CONTEXT *esys, ESYS_TR key, ESYS_TR session, void *user)
{
    HmacCall *call = user;

    return Esys_HMAC(esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &call->data, TPM2_ALG_NULL,
                     &call->secret);
}

HfSecret *hf_derivation_run(HfConnection *connection, const HfApprovedInput *in, const void *data,
                            size_t size, GError **error)
{
    g_autoptr(HfApprovedKey) key = NULL;
    g_autoptr(HfSecret) secret = NULL;
    HmacCall call = { .data.size = (UINT16)size };

    g_assert(in->use == HF_USE_DERIVE && size <= sizeof(call.data.buffer));
    memcpy(call.data.buffer, data, size);
    key = hf_approved_key_new(connection, in, error);
    if (!key || !hf_approved_key_call(key, hmac_call, &call, error)) {
        return NULL;
    }
    if (call.secret->size == TPM2_SHA256_DIGEST_SIZE) {
        secret = hf_secret_copy(call.secret->buffer, call.secret->size);
    } else {
        hf_error_set(error, HF_ERROR_TPM, "host TPM: derive a secret: 32 bytes expected, found %u",
                     call.secret->size);
    }
    explicit_bzero(call.secret, sizeof(*call.secret));
    hf_esys_free(call.secret);
    return g_steal_pointer(&secret);
}
