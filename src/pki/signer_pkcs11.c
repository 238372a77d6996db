/*
 * signer_pkcs11.c - the signer whose key is in a PKCS#11 token; p11-kit knows the modules.
 *
 * The token, too, is software-rooted here: nothing proves to us where such a key lives.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/signer_gnutls.h"

#include "base/error.h"

#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>
#include <string.h>

/* GnuTLS asks for the PIN. Once only: a token locks itself after a few wrong ones. */
static int give_pin(void *user, int attempt, const char *token_url, const char *token_label,
                    unsigned flags, char *pin, size_t pin_max)
{
    const HfSecret *secret = user;
    (void)token_url;
    (void)token_label;
    (void)flags;
    if (!secret || attempt > 0 || secret->size >= pin_max) {
        return GNUTLS_E_PKCS11_PIN_ERROR;
    }
    memcpy(pin, secret->data, secret->size);
    pin[secret->size] = '\0';
    return 0;
}

bool hf_signer_is_pkcs11(const char *key)
{
    return g_str_has_prefix(key, "pkcs11:");
}

HfSigner *hf_signer_pkcs11_new(const char *url, const HfSecret *pin, GError **error)
{
    gnutls_privkey_t key = NULL;
    int rc = gnutls_privkey_init(&key);
    if (rc == 0) {
        /* The callback is asked when the key is imported, and when the token wants the PIN for a signature. */
        gnutls_privkey_set_pin_function(key, give_pin, (void *)(uintptr_t)pin);
        rc = gnutls_privkey_import_url(key, url, 0);
    }
    /* The URL may hold a PIN: it is not shown. */
    if (rc < 0) {
        gnutls_privkey_deinit(key);
        hf_error_set(error,
                     rc == GNUTLS_E_PKCS11_PIN_ERROR || rc == GNUTLS_E_PKCS11_PIN_LOCKED
                         ? HF_ERROR_AUTH
                         : HF_ERROR_FAILED,
                     "Could not import pkcs11 key: %s", gnutls_strerror(rc));
        return NULL;
    }
    return hf_signer_gnutls_new("pkcs11", key, "the PKCS#11 key", error);
}
