/*
 * hmac.c - HMAC through libcrypto's EVP_MAC interface.
 *
 * The same rule as hash.c: nothing here can fail but for want of memory, and that aborts.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "crypto/hmac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct HfHmac {
    EVP_MAC *mac;
    EVP_MAC_CTX *ctx;
    size_t size;
};

HfHmac *hf_hmac_new(uint16_t alg, const void *key, size_t key_size)
{
    static const uint8_t no_key[1] = { 0 };
    HfHmac *hmac = g_new0(HfHmac, 1);
    char digest[16];
    OSSL_PARAM params[2];

    g_assert(hf_hash_name(alg));
    g_strlcpy(digest, hf_hash_name(alg), sizeof digest);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[1] = OSSL_PARAM_construct_end();
    hmac->size = hf_hash_size(alg);
    hmac->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    hmac->ctx = hmac->mac ? EVP_MAC_CTX_new(hmac->mac) : NULL;
    /* A NULL key would mean "the key set before". */
    if (!hmac->ctx || EVP_MAC_init(hmac->ctx, key_size ? key : no_key, key_size, params) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    return hmac;
}

void hf_hmac_update(HfHmac *hmac, const void *data, size_t n)
{
    if (n > 0 && EVP_MAC_update(hmac->ctx, data, n) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}

void hf_hmac_finish(HfHmac *hmac, uint8_t *ret_mac)
{
    size_t written = 0;

    if (EVP_MAC_final(hmac->ctx, ret_mac, &written, hmac->size) != 1 || written != hmac->size) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}

void hf_hmac_free(HfHmac *hmac)
{
    if (hmac) {
        EVP_MAC_CTX_free(hmac->ctx);
        EVP_MAC_free(hmac->mac);
        g_free(hmac);
    }
}

void hf_hmac_once(uint16_t alg, const void *key, size_t key_size, const void *data, size_t n,
                  uint8_t *ret_mac)
{
    g_autoptr(HfHmac) hmac = hf_hmac_new(alg, key, key_size);

    hf_hmac_update(hmac, data, n);
    hf_hmac_finish(hmac, ret_mac);
}
