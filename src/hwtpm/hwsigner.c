/*
 * hwsigner.c - signing with the vMA key inside the host TPM.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwsigner.h"

#include <string.h>

#include "hwtpm/esys_bytes.h"
#include "hwtpm/hwapproved_call.h"
#include "tpm2/attest.h"

typedef struct {
    HfSigner base;
    HfApprovedKey *key;
    HfPublicKey *verifier;
} HfHostSigner;

static void host_free(HfSigner *signer)
{
    HfHostSigner *self = (HfHostSigner *)signer;

    hf_approved_key_free(self->key);
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
    if (!hf_approved_key_call(self->key, sign_call, &call, error)) {
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

HfSigner *hf_signer_host_new(HfConnection *connection, const HfApprovedInput *in, GError **error)
{
    HfHostSigner *self = g_new0(HfHostSigner, 1);
    g_autoptr(HfSigner) signer = &self->base;

    g_assert(in->use == HF_USE_SIGN);
    signer->class = &host_class;
    signer->rooted = HF_ROOTED_HARDWARE;
    self->key = hf_approved_key_new(connection, in, error);
    if (!self->key) {
        return NULL;
    }
    self->verifier = hf_public_key_of(hf_host_key_public(hf_approved_key_host(self->key)), error);
    if (!self->verifier) {
        return NULL;
    }
    signer->spki = hf_public_key_spki(self->verifier);
    signer->algorithm =
        hf_public_key_kind(self->verifier) == HF_KEY_EC ? HF_SIGN_ECDSA_SHA256 : HF_SIGN_RSA_SHA256;
    return g_steal_pointer(&signer);
}
