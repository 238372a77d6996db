/*
 * hwsession.c - salted sessions.
 *
 * A salted policy session has a session key, so the TPM's answers to commands authorised by it
 * carry an HMAC: that is what makes "the increment succeeded" worth believing.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwsession.h"

static const TPMT_SYM_DEF aes_128_cfb = {
    .algorithm = TPM2_ALG_AES,
    .keyBits.aes = 128,
    .mode.aes = TPM2_ALG_CFB,
};

#define ATTRIBUTES (TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT)

static bool set_attributes(HfConnection *connection, ESYS_TR session, TPMA_SESSION attributes,
                           GError **error)
{
    return hf_esys_check(
        Esys_TRSess_SetAttributes(connection->esys, session, attributes, (TPMA_SESSION)0xff),
        "set session attributes", error);
}

static bool start(HfConnection *connection, TPM2_SE type, ESYS_TR *ret_session, GError **error)
{
    ESYS_TR session = ESYS_TR_NONE;

    g_assert(connection->srk != ESYS_TR_NONE);
    if (!HF_TPM("start a salted session", error,
                Esys_StartAuthSession(connection->esys, connection->srk, ESYS_TR_NONE, ESYS_TR_NONE,
                                      ESYS_TR_NONE, ESYS_TR_NONE, NULL, type, &aes_128_cfb,
                                      TPM2_ALG_SHA256, &session))) {
        return false;
    }
    hf_esys_own(connection, session);
    if (!set_attributes(connection, session, ATTRIBUTES, error)) {
        return false;
    }
    *ret_session = session;
    return true;
}

bool hf_session_open(HfConnection *connection, GError **error)
{
    return start(connection, TPM2_SE_HMAC, &connection->session, error);
}

void hf_session_mend(HfConnection *connection)
{
    (void)set_attributes(connection, connection->session, ATTRIBUTES, NULL);
}

void hf_session_audit(HfConnection *connection)
{
    (void)set_attributes(connection, connection->session,
                         TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_AUDIT, NULL);
}

bool hf_session_policy(HfConnection *connection, ESYS_TR *ret_session, GError **error)
{
    return start(connection, TPM2_SE_POLICY, ret_session, error);
}
