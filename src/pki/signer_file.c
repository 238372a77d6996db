/*
 * signer_file.c - the signer whose key is a file: fleet CA, approver, software-rooted authority.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/error.h"
#include "crypto/hash.h"
#include "pki/keyfile.h"
#include "pki/signer.h"
#include "pki/spki.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

typedef struct {
    HfSigner base;
    gnutls_privkey_t key;
} FileSigner;

static const gnutls_sign_algorithm_t gnutls_algorithms[] = {
    [HF_SIGN_ECDSA_SHA256] = GNUTLS_SIGN_ECDSA_SHA256,
    [HF_SIGN_ECDSA_SHA384] = GNUTLS_SIGN_ECDSA_SHA384,
    [HF_SIGN_RSA_SHA256] = GNUTLS_SIGN_RSA_SHA256,
    [HF_SIGN_RSA_SHA384] = GNUTLS_SIGN_RSA_SHA384,
};

static GBytes *file_sign(HfSigner *signer, const uint8_t *digest, size_t size, GError **error)
{
    FileSigner *self = (FileSigner *)signer;
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
        hf_error_set(error, HF_ERROR_FAILED, "signing with the key file failed: %s",
                     gnutls_strerror(rc));
        return NULL;
    }
    GBytes *bytes = g_bytes_new(signature.data, signature.size);
    gnutls_free(signature.data);
    return bytes;
}

static void file_free(HfSigner *signer)
{
    FileSigner *self = (FileSigner *)signer;
    g_clear_pointer(&self->base.spki, g_bytes_unref);
    gnutls_privkey_deinit(self->key);
    g_free(self);
}

static const HfSignerClass file_class = { .name = "file", .sign = file_sign, .free = file_free };

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

/* Imports the PEM text; the messages tell an encrypted key from something else. */
static bool import_key(FileSigner *self, const HfSecret *pem, const char *path, GError **error)
{
    if (memmem(pem->data, pem->size, "ENCRYPTED", strlen("ENCRYPTED"))) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s is encrypted; expected a PEM private key without a passphrase",
                            path);
    }
    const gnutls_datum_t datum = { .data = pem->data, .size = (unsigned)pem->size };
    int rc = gnutls_privkey_init(&self->key);
    if (rc == 0) {
        rc = gnutls_privkey_import_x509_raw(self->key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    if (rc < 0) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected a private key in PEM (PKCS#8, PKCS#1 or SEC1): %s", path,
                            gnutls_strerror(rc));
    }
    return true;
}

HfSigner *hf_signer_file_new(const char *path, GError **error)
{
    g_autoptr(HfSecret) pem = hf_keyfile_read(path, error);
    if (!pem) {
        return NULL;
    }
    FileSigner *self = g_new0(FileSigner, 1);
    self->base.class = &file_class;
    self->base.rooted = HF_ROOTED_SOFTWARE;
    g_autoptr(HfSigner) signer = &self->base;
    if (!import_key(self, pem, path, error)) {
        return NULL;
    }
    signer->spki = public_part(self->key);
    if (!signer->spki) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED, "%s: expected an RSA, P-256 or P-384 key", path);
        return NULL;
    }
    if (!hf_spki_algorithm(signer->spki, path, &signer->algorithm, error)) {
        return NULL;
    }
    return g_steal_pointer(&signer);
}
