/*
 * hwsigner.c - signing with the vMA key inside the host TPM.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwsigner.h"

#include <string.h>

#include "hwtpm/esys_bytes.h"
#include "hwtpm/hwcounter.h"
#include "hwtpm/hwpolicy.h"
#include "hwtpm/hwsession.h"
#include "tpm2/approval.h"
#include "tpm2/attest.h"

/* A PCR may be extended between two steps by somebody else; more often than this is no accident. */
#define WALKS_MAX 4

typedef struct {
    HfSigner base;
    HfConnection *connection;
    HfHostKey *key;
    HfPublicKey *verifier;
    HfCounter *counter;
    HfPublic approver;
    HfEnvironment environment;
    HfDigest approved;
    GBytes *signature;
    ESYS_TR session;
    bool dirty; /* the session holds the rest of a walk that was not used */
    bool has_ticket;
    TPMT_TK_VERIFIED ticket;
} HfHostSigner;

static void host_free(HfSigner *signer)
{
    HfHostSigner *self = (HfHostSigner *)signer;

    hf_esys_flush(self->connection, self->session);
    hf_host_key_free(self->key);
    hf_public_key_free(self->verifier);
    hf_counter_free(self->counter);
    g_clear_pointer(&self->signature, g_bytes_unref);
    g_clear_pointer(&self->base.spki, g_bytes_unref);
    g_free(self);
}

static bool prepare(HfHostSigner *self, GError **error)
{
    if (self->session == ESYS_TR_NONE &&
        !hf_session_policy(self->connection, &self->session, error)) {
        return false;
    }
    if (!self->has_ticket) {
        if (!hf_hwpolicy_ticket(self->connection, &self->approver, &self->approved,
                                HF_APPROVAL_SIGN, self->signature, &self->ticket, error)) {
            return false;
        }
        self->has_ticket = true;
    }
    if (self->dirty && !HF_TPM("PolicyRestart", error,
                               Esys_PolicyRestart(self->connection->esys, self->session,
                                                  ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE))) {
        return false;
    }
    self->dirty = false;
    return true;
}

static bool walk(HfHostSigner *self, GError **error)
{
    if (!prepare(self, error)) {
        return false;
    }
    self->dirty = true;
    return hf_hwpolicy_environment(self->connection, self->session,
                                   hf_counter_handle(self->counter), &self->environment,
                                   TPM2_CC_Sign, error) &&
           hf_hwpolicy_authorize(self->connection, self->session, &self->approver, &self->approved,
                                 HF_APPROVAL_SIGN, &self->ticket, error);
}

/* The TPM's answer as DER, after the software has verified it. */
static GBytes *checked(HfHostSigner *self, const TPMT_SIGNATURE *signature, const uint8_t *digest,
                       size_t size, GError **error)
{
    bool ecc = self->base.algorithm == HF_SIGN_ECDSA_SHA256;
    g_autoptr(GBytes) raw = hf_esys_signature_bytes(signature);
    g_autoptr(GBytes) der = NULL;
    HfTpmSignature parsed;

    if (!hf_tpm_signature_parse(g_bytes_get_data(raw, NULL), g_bytes_get_size(raw), &parsed,
                                error)) {
        return NULL;
    }
    der = hf_tpm_signature_der(&parsed);
    if (parsed.scheme != (ecc ? TPM2_ALG_ECDSA : TPM2_ALG_RSASSA) ||
        !hf_public_key_verify(self->verifier, ecc ? HF_VERIFY_ECDSA : HF_VERIFY_RSASSA,
                              HF_HASH_SHA256, digest, size, g_bytes_get_data(der, NULL),
                              g_bytes_get_size(der), NULL)) {
        hf_error_set(error, HF_ERROR_AUTH,
                     "host TPM: its signature does not verify with the pinned public key; "
                     "something on the way to the TPM answers in its place");
        return NULL;
    }
    return g_steal_pointer(&der);
}

static GBytes *host_sign(HfSigner *signer, const uint8_t *digest, size_t size, GError **error)
{
    HfHostSigner *self = (HfHostSigner *)signer;
    const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL };
    const TPMT_TK_HASHCHECK unrestricted = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
    TPM2B_DIGEST digest_2b = { .size = (UINT16)size };
    hf_autoesys TPMT_SIGNATURE *signature = NULL;
    TSS2_RC rc = TPM2_RC_PCR_CHANGED;

    if (size != TPM2_SHA256_DIGEST_SIZE) {
        hf_error_set(error, HF_ERROR_INVALID, "digest to sign: 32 bytes expected, found %zu", size);
        return NULL;
    }
    memcpy(digest_2b.buffer, digest, size);
    for (int i = 0; i < WALKS_MAX && hf_esys_base_code(rc) == TPM2_RC_PCR_CHANGED; i++) {
        if (!walk(self, error)) {
            return NULL;
        }
        rc = HF_TPM_RC(Esys_Sign(self->connection->esys, hf_host_key_handle(self->key),
                                 self->session, ESYS_TR_NONE, ESYS_TR_NONE, &digest_2b, &scheme,
                                 &unrestricted, &signature));
    }
    if (hf_esys_base_code(rc) == TPM2_RC_POLICY_FAIL) {
        hf_error_set(error, HF_ERROR_POLICY,
                     "the signing key is bound to another approver than the one of this approval "
                     "(0x%x)",
                     rc);
        return NULL;
    }
    if (!hf_esys_check(rc, "sign", error)) {
        return NULL;
    }
    /* The session stays and starts over: TPM2_Sign has used the walk up. */
    self->dirty = false;
    return checked(self, signature, digest, size, error);
}

static const HfSignerClass host_class = {
    .name = "host-tpm",
    .sign = host_sign,
    .free = host_free,
};

HfHostKey *hf_signer_host_key(HfSigner *signer)
{
    g_assert(signer->class == &host_class);
    return ((HfHostSigner *)signer)->key;
}

HfCounter *hf_signer_host_counter(HfSigner *signer)
{
    g_assert(signer->class == &host_class);
    return ((HfHostSigner *)signer)->counter;
}

HfSigner *hf_signer_host_new(HfConnection *connection, const HfHostSignerInput *in, GError **error)
{
    HfHostSigner *self = g_new0(HfHostSigner, 1);
    g_autoptr(HfSigner) signer = &self->base;
    HfTpmName counter;

    signer->class = &host_class;
    signer->rooted = HF_ROOTED_HARDWARE;
    self->connection = connection;
    self->session = ESYS_TR_NONE;
    self->approver = *in->approver;
    self->environment = in->environment;
    self->signature = g_bytes_ref(in->signature);
    self->counter = hf_counter_open(connection, in->counter_index, in->approver, error);
    if (!self->counter || !hf_counter_name(self->counter, &counter, error)) {
        return NULL;
    }
    self->approved =
        hf_approval_environment(&in->environment.selection, &in->environment.pcr_digest,
                                in->environment.generation, &counter, TPM2_CC_Sign);
    self->key = hf_key_load(connection, in->blob, error);
    if (!self->key) {
        return NULL;
    }
    self->verifier = hf_public_key_of(hf_host_key_public(self->key), error);
    if (!self->verifier) {
        return NULL;
    }
    signer->spki = hf_public_key_spki(self->verifier);
    signer->algorithm =
        hf_public_key_kind(self->verifier) == HF_KEY_EC ? HF_SIGN_ECDSA_SHA256 : HF_SIGN_RSA_SHA256;
    return g_steal_pointer(&signer);
}
