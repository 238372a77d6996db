/*
 * hwsigner.c - signing with a key inside the host TPM: a vMA's under its policy, a CA's with its PIN.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwsigner.h"

#include <string.h>

#include "hwtpm/esys_bytes.h"
#include "hwtpm/hwapproved_call.h"
#include "hwtpm/hwsession.h"
#include "tpm2/attest.h"

typedef struct {
    HfSigner base;
    HfApprovedKey *key; /* one of both */
    HfHostKey *plain;
    HfConnection *connection; /* of `plain` */
    HfPublicKey *verifier;
} HfHostSigner;

static void host_free(HfSigner *signer)
{
    HfHostSigner *self = (HfHostSigner *)signer;

    hf_approved_key_free(self->key);
    hf_host_key_free(self->plain);
    hf_public_key_free(self->verifier);
    g_clear_pointer(&self->base.spki, g_bytes_unref);
    g_free(self);
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

typedef struct {
    TPM2B_DIGEST digest;
    TPMT_SIGNATURE *signature; /* of ESYS */
} SignCall;

static TSS2_RC sign_call(ESYS_CONTEXT *esys, ESYS_TR key, ESYS_TR session, void *user)
{
    const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL };
    const TPMT_TK_HASHCHECK unrestricted = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
    SignCall *call = user;

    return Esys_Sign(esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &call->digest, &scheme,
                     &unrestricted, &call->signature);
}

/* With the authorisation value alone. */
static bool plain_call(HfHostSigner *self, SignCall *call, GError **error)
{
    HfConnection *connection = self->connection;
    TSS2_RC rc = HF_TPM_RC(
        sign_call(connection->esys, hf_host_key_handle(self->plain), connection->session, call));

    if (rc == TSS2_RC_SUCCESS) {
        return true;
    }
    hf_session_mend(connection);
    if (hf_esys_base_code(rc) == TPM2_RC_AUTH_FAIL || hf_esys_base_code(rc) == TPM2_RC_BAD_AUTH) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "host TPM: the PIN of the signing key is wrong (0x%x); the TPM counts "
                            "wrong ones",
                            rc);
    }
    return hf_esys_check(rc, "sign", error);
}

static GBytes *host_sign(HfSigner *signer, const uint8_t *digest, size_t size, GError **error)
{
    HfHostSigner *self = (HfHostSigner *)signer;
    SignCall call = { .digest.size = (UINT16)size };
    GBytes *der;

    if (size != TPM2_SHA256_DIGEST_SIZE) {
        hf_error_set(error, HF_ERROR_INVALID, "digest to sign: 32 bytes expected, found %zu", size);
        return NULL;
    }
    memcpy(call.digest.buffer, digest, size);
    if (self->key ? !hf_approved_key_call(self->key, sign_call, &call, error)
                  : !plain_call(self, &call, error)) {
        return NULL;
    }
    der = checked(self, call.signature, digest, size, error);
    hf_esys_free(call.signature);
    return der;
}

static const HfSignerClass host_class = {
    .name = "host-tpm",
    .sign = host_sign,
    .free = host_free,
};

HfHostKey *hf_signer_host_key(HfSigner *signer)
{
    g_assert(signer->class == &host_class);
    return hf_approved_key_host(((HfHostSigner *)signer)->key);
}

static HfHostSigner *new_signer(void)
{
    HfHostSigner *self = g_new0(HfHostSigner, 1);

    self->base.class = &host_class;
    self->base.rooted = HF_ROOTED_HARDWARE;
    return self;
}

/* What everybody sees of the key. */
static bool describe(HfHostSigner *self, HfHostKey *key, GError **error)
{
    self->verifier = hf_public_key_of(hf_host_key_public(key), error);
    if (!self->verifier) {
        return false;
    }
    self->base.spki = hf_public_key_spki(self->verifier);
    self->base.algorithm =
        hf_public_key_kind(self->verifier) == HF_KEY_EC ? HF_SIGN_ECDSA_SHA256 : HF_SIGN_RSA_SHA256;
    return true;
}

HfSigner *hf_signer_host_new(HfConnection *connection, const HfApprovedInput *in, GError **error)
{
    HfHostSigner *self = new_signer();
    g_autoptr(HfSigner) signer = &self->base;

    g_assert(in->use == HF_USE_SIGN);
    self->key = hf_approved_key_new(connection, in, error);
    return self->key && describe(self, hf_approved_key_host(self->key), error)
               ? g_steal_pointer(&signer)
               : NULL;
}

HfSigner *hf_signer_auth_new(HfConnection *connection, const HfKeyBlob *blob, const HfSecret *auth,
                             GError **error)
{
    HfHostSigner *self = new_signer();
    g_autoptr(HfSigner) signer = &self->base;

    self->connection = connection;
    self->plain = hf_key_load(connection, blob, "signing key", error);
    return self->plain &&
                   hf_esys_authorize(connection, hf_host_key_handle(self->plain), auth, error) &&
                   describe(self, self->plain, error)
               ? g_steal_pointer(&signer)
               : NULL;
}
