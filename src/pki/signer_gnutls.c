/*
 * signer_gnutls.c - signs with a private key that GnuTLS holds, wherever that is.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/signer_gnutls.h"

#include "base/error.h"
#include "crypto/hash.h"
#include "pki/spki.h"

typedef struct {
    HfSigner base;
    HfSignerClass class;
    gnutls_privkey_t key;
} GnutlsSigner;

static const gnutls_sign_algorithm_t gnutls_algorithms[] = {
    [HF_SIGN_ECDSA_SHA256] = GNUTLS_SIGN_ECDSA_SHA256,
    [HF_SIGN_ECDSA_SHA384] = GNUTLS_SIGN_ECDSA_SHA384,
    [HF_SIGN_RSA_SHA256] = GNUTLS_SIGN_RSA_SHA256,
    [HF_SIGN_RSA_SHA384] = GNUTLS_SIGN_RSA_SHA384,
};

static GBytes *sign(HfSigner *signer, const uint8_t *digest, size_t size, GError **error)
{
    GnutlsSigner *self = (GnutlsSigner *)signer;
    size_t expected = hf_hash_size(hf_sign_algorithm_hash(signer->algorithm));
    if (size != expected) {
        hf_error_set(error, HF_ERROR_FAILED,
                     "the digest to sign has %zu bytes, the key's algorithm takes %zu", size,
                     expected);
        return NULL;
    }
    gnutls_datum_t hash = { .data = g_memdup2(digest, size), .size = (unsigned)size };
    gnutls_datum_t signature = { 0 };
    int rc = gnutls_privkey_sign_hash2(self->key, gnutls_algorithms[signer->algorithm], 0, &hash,
                                       &signature);
    g_free(hash.data);
    if (rc < 0) {
        hf_error_set(error, HF_ERROR_FAILED, "signing with the %s key failed: %s",
                     signer->class->name, gnutls_strerror(rc));
        return NULL;
    }
    GBytes *bytes = g_bytes_new(signature.data, signature.size);
    gnutls_free(signature.data);
    return bytes;
}

static void release(HfSigner *signer)
{
    GnutlsSigner *self = (GnutlsSigner *)signer;
    g_clear_pointer(&self->base.spki, g_bytes_unref);
    gnutls_privkey_deinit(self->key);
    g_free(self);
}

/* The DER SPKI of a private key; NULL when GnuTLS cannot say. */
static GBytes *public_part(gnutls_privkey_t key)
{
    gnutls_pubkey_t pubkey = NULL;
    gnutls_datum_t der = { 0 };
    int rc = gnutls_pubkey_init(&pubkey);
    if (rc == 0) {
        rc = gnutls_pubkey_import_privkey(pubkey, key, 0, 0);
    }
    if (rc == 0) {
        rc = gnutls_pubkey_export2(pubkey, GNUTLS_X509_FMT_DER, &der);
    }
    gnutls_pubkey_deinit(pubkey);
    if (rc < 0) {
        return NULL;
    }
    GBytes *spki = g_bytes_new(der.data, der.size);
    gnutls_free(der.data);
    return spki;
}

HfSigner *hf_signer_gnutls_new(const char *name, gnutls_privkey_t key, const char *label,
                               GError **error)
{
    GnutlsSigner *self = g_new0(GnutlsSigner, 1);
    self->class = (HfSignerClass){ .name = name, .sign = sign, .free = release };
    self->base.class = &self->class;
    self->base.rooted = HF_ROOTED_SOFTWARE;
    self->key = key;
    g_autoptr(HfSigner) signer = &self->base;
    signer->spki = public_part(key);
    if (!signer->spki) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED, "%s: expected an RSA, P-256 or P-384 key", label);
        return NULL;
    }
    if (!hf_spki_algorithm(signer->spki, label, &signer->algorithm, error)) {
        return NULL;
    }
    return g_steal_pointer(&signer);
}
