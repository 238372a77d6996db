/*
 * hwapproved.c - the walk before each use of an approved key, and what its failures mean.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwapproved.h"

#include "hwtpm/hwapproved_call.h"
#include "hwtpm/hwpolicy.h"
#include "hwtpm/hwsession.h"

/* A PCR may be extended between two steps by somebody else; more often than this is no accident. */
#define WALKS_MAX 4

struct HfApprovedKey {
    HfConnection *connection;
    HfHostKey *key;
    HfUse use;
    HfCounter *counter;
    HfPublic approver;
    HfEnvironment environment;
    HfDigest approved;
    GBytes *signature;
    ESYS_TR session;
    bool dirty; /* the session holds the rest of a walk that was not used */
    bool has_ticket;
    TPMT_TK_VERIFIED ticket;
};

void hf_approved_key_free(HfApprovedKey *key)
{
    if (!key) {
        return;
    }
    hf_esys_flush(key->connection, key->session);
    hf_host_key_free(key->key);
    g_clear_pointer(&key->signature, g_bytes_unref);
    g_free(key);
}

HfHostKey *hf_approved_key_host(HfApprovedKey *key)
{
    return key->key;
}

static bool prepare(HfApprovedKey *key, GError **error)
{
    if (key->session == ESYS_TR_NONE && !hf_session_policy(key->connection, &key->session, error)) {
        return false;
    }
    if (!key->has_ticket) {
        if (!hf_hwpolicy_ticket(key->connection, &key->approver, &key->approved,
                                hf_use_info(key->use)->reference, key->signature, &key->ticket,
                                error)) {
            return false;
        }
        key->has_ticket = true;
    }
    if (key->dirty && !HF_TPM("PolicyRestart", error,
                              Esys_PolicyRestart(key->connection->esys, key->session, ESYS_TR_NONE,
                                                 ESYS_TR_NONE, ESYS_TR_NONE))) {
        return false;
    }
    key->dirty = false;
    return true;
}

static bool walk(HfApprovedKey *key, GError **error)
{
    if (!prepare(key, error)) {
        return false;
    }
    key->dirty = true;
    return hf_hwpolicy_environment(key->connection, key->session, hf_counter_handle(key->counter),
                                   &key->environment, hf_use_info(key->use), error) &&
           hf_hwpolicy_authorize(key->connection, key->session, &key->approver, &key->approved,
                                 hf_use_info(key->use)->reference, &key->ticket, error);
}

bool hf_approved_key_call(HfApprovedKey *key, HfApprovedCall call, void *user, GError **error)
{
    const HfUseInfo *info = hf_use_info(key->use);
    TSS2_RC rc = TPM2_RC_PCR_CHANGED;

    for (int i = 0; i < WALKS_MAX && hf_esys_base_code(rc) == TPM2_RC_PCR_CHANGED; i++) {
        if (!walk(key, error)) {
            return false;
        }
        rc = HF_TPM_RC(
            call(key->connection->esys, hf_host_key_handle(key->key), key->session, user));
    }
    if (hf_esys_base_code(rc) == TPM2_RC_POLICY_FAIL) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the %s is bound to another approver than the one of this approval "
                            "(0x%x)",
                            info->key, rc);
    }
    if (hf_esys_base_code(rc) == TPM2_RC_COMMAND_CODE) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "the host TPM has no command 0x%03x: it cannot %s (0x%x)",
                            info->command_code, info->verb, rc);
    }
    if (!hf_esys_check(rc, info->verb, error)) {
        return false;
    }
    /* The session stays and starts over: the command has used the walk up. */
    key->dirty = false;
    return true;
}

HfApprovedKey *hf_approved_key_new(HfConnection *connection, const HfApprovedInput *in,
                                   GError **error)
{
    g_autoptr(HfApprovedKey) key = g_new0(HfApprovedKey, 1);
    HfTpmName counter;

    key->connection = connection;
    key->session = ESYS_TR_NONE;
    key->use = in->use;
    key->approver = *in->approver;
    key->environment = in->environment;
    key->signature = g_bytes_ref(in->signature);
    key->counter = in->counter;
    if (!hf_counter_name(key->counter, &counter, error)) {
        return NULL;
    }
    key->approved = hf_approval_environment(&in->environment.selection, &in->environment.pcr_digest,
                                            in->environment.generation, &counter,
                                            hf_use_info(in->use)->command_code);
    key->key = hf_key_load(connection, in->blob, hf_use_info(in->use)->key, error);
    return key->key ? g_steal_pointer(&key) : NULL;
}
