/*
 * signer_file.c - the signer whose key is a file: fleet CA, approver, software-rooted authority.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/signer_gnutls.h"

#include "base/error.h"
#include "pki/keyfile.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

static bool is_encrypted(const HfSecret *pem)
{
    return memmem(pem->data, pem->size, "ENCRYPTED", strlen("ENCRYPTED")) != NULL;
}

static const char *find(const char *from, const char *end, const char *what)
{
    return memmem(from, (size_t)(end - from), what, strlen(what));
}

/* What is between the lines of a PEM private key, or NULL where that is not all base64. GnuTLS would
 * decode it as well, and leave the key in memory that it has freed. */
static HfSecret *decode(const HfSecret *pem)
{
    static const char title[] = "PRIVATE KEY-----";
    const char *text = (const char *)pem->data;
    const char *end = text + pem->size;
    const char *body = find(text, end, title);
    const char *last = body ? find(body, end, "-----END ") : NULL;
    if (!last) {
        return NULL;
    }
    body += strlen(title);
    if (find(body, last, ":")) {
        return NULL; /* "Proc-Type: 4,ENCRYPTED" */
    }
    gint state = 0;
    guint save = 0;
    g_autoptr(HfSecret) der = hf_secret_new((size_t)(last - body) / 4 * 3 + 3);
    hf_secret_truncate(der,
                       g_base64_decode_step(body, (gsize)(last - body), der->data, &state, &save));
    return der->size > 0 ? g_steal_pointer(&der) : NULL;
}

/* GnuTLS wants the password with its terminating zero; NULL: none. */
static int import_key(gnutls_privkey_t key, const HfSecret *pem, const HfSecret *password)
{
    g_autoptr(HfSecret) der = decode(pem);
    const HfSecret *data = der ? der : pem;
    const gnutls_datum_t datum = { .data = data->data, .size = (unsigned)data->size };
    g_autoptr(HfSecret) text = NULL;
    if (password) {
        text = hf_secret_new(password->size + 1);
        memcpy(text->data, password->data, password->size);
    }
    return gnutls_privkey_import_x509_raw(key, &datum,
                                          der ? GNUTLS_X509_FMT_DER : GNUTLS_X509_FMT_PEM,
                                          text ? (const char *)text->data : NULL, 0);
}

HfSigner *hf_signer_pem_new(const HfSecret *pem, const HfSecret *password, const char *label,
                            GError **error)
{
    gnutls_privkey_t key = NULL;
    bool encrypted = is_encrypted(pem);
    if (encrypted && !password) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "%s is encrypted; expected a PEM private key without a passphrase", label);
        return NULL;
    }
    int rc = gnutls_privkey_init(&key);
    if (rc == 0) {
        rc = import_key(key, pem, encrypted ? password : NULL);
    }
    if (rc < 0) {
        gnutls_privkey_deinit(key);
        hf_error_set(error, encrypted ? HF_ERROR_AUTH : HF_ERROR_INVALID,
                     encrypted ? "%s: cannot decrypt the private key, is the password right? %s"
                               : "%s: expected a private key in PEM (PKCS#8, PKCS#1 or SEC1): %s",
                     label, gnutls_strerror(rc));
        return NULL;
    }
    return hf_signer_gnutls_new("file", key, label, error);
}

HfSigner *hf_signer_file_new(const char *path, GError **error)
{
    g_autoptr(HfSecret) pem = hf_keyfile_read(path, error);
    return pem ? hf_signer_pem_new(pem, NULL, path, error) : NULL;
}
