/*
 * aead.c - AES-256-GCM and AES-CFB through libcrypto's EVP interface.
 *
 * Sizes are bounded by INT_MAX (asserted: callers bound their files far below), because EVP counts
 * in int.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "crypto/aead.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

/* A context keyed for one operation. */
static EVP_CIPHER_CTX *cipher_ctx(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *iv,
                                  bool encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (!ctx || EVP_CipherInit_ex(ctx, cipher, NULL, key, iv, encrypt) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    return ctx;
}

/* out NULL: additional data. */
static void cipher_update(EVP_CIPHER_CTX *ctx, uint8_t *out, const void *in, size_t n)
{
    int written = 0;

    g_assert(n <= INT_MAX);
    if (n > 0 && (EVP_CipherUpdate(ctx, out, &written, in, (int)n) != 1 || written != (int)n)) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}

GBytes *hf_aead_seal(const uint8_t key[HF_AEAD_KEY_SIZE], const uint8_t nonce[HF_AEAD_NONCE_SIZE],
                     const void *aad, size_t aad_size, const void *plain, size_t n)
{
    g_autoptr(EVP_CIPHER_CTX) ctx = cipher_ctx(EVP_aes_256_gcm(), key, nonce, true);
    uint8_t *out = g_malloc(n + HF_AEAD_TAG_SIZE);
    int written = 0;

    cipher_update(ctx, NULL, aad, aad_size);
    cipher_update(ctx, out, plain, n);
    if (EVP_CipherFinal_ex(ctx, out + n, &written) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, HF_AEAD_TAG_SIZE, out + n) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    return g_bytes_new_take(out, n + HF_AEAD_TAG_SIZE);
}

HfSecret *hf_aead_open(const uint8_t key[HF_AEAD_KEY_SIZE], const uint8_t nonce[HF_AEAD_NONCE_SIZE],
                       const void *aad, size_t aad_size, const void *sealed, size_t n,
                       GError **error)
{
    g_autoptr(EVP_CIPHER_CTX) ctx = NULL;
    g_autoptr(HfSecret) plain = NULL;
    uint8_t tag[HF_AEAD_TAG_SIZE];
    uint8_t none[16];
    int written = 0;

    if (n < HF_AEAD_TAG_SIZE) {
        hf_error_set(error, HF_ERROR_INVALID, "sealed data: expected at least %u bytes, found %zu",
                     HF_AEAD_TAG_SIZE, n);
        return NULL;
    }
    n -= HF_AEAD_TAG_SIZE;
    ctx = cipher_ctx(EVP_aes_256_gcm(), key, nonce, false);
    plain = hf_secret_new(n);
    memcpy(tag, (const uint8_t *)sealed + n, sizeof tag);
    cipher_update(ctx, NULL, aad, aad_size);
    cipher_update(ctx, plain->data, sealed, n);
    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    if (EVP_CipherFinal_ex(ctx, none, &written) != 1) {
        hf_error_set(error, HF_ERROR_AUTH,
                     "sealed data does not authenticate: it was altered or the key is another");
        return NULL;
    }
    return g_steal_pointer(&plain);
}

static void cfb_run(const uint8_t *key, size_t key_size, const uint8_t *iv, const uint8_t *in,
                    size_t n, uint8_t *out, bool encrypt)
{
    static const uint8_t zeros[16] = { 0 };
    const EVP_CIPHER *cipher = key_size == 16 ? EVP_aes_128_cfb128() : EVP_aes_256_cfb128();
    g_autoptr(EVP_CIPHER_CTX) ctx = NULL;

    g_assert(key_size == 16 || key_size == 32);
    ctx = cipher_ctx(cipher, key, iv ? iv : zeros, encrypt);
    cipher_update(ctx, out, in, n);
}

void hf_cfb_encrypt(const uint8_t *key, size_t key_size, const uint8_t *iv, const uint8_t *in,
                    size_t n, uint8_t *out)
{
    cfb_run(key, key_size, iv, in, n, out, true);
}

void hf_cfb_decrypt(const uint8_t *key, size_t key_size, const uint8_t *iv, const uint8_t *in,
                    size_t n, uint8_t *out)
{
    cfb_run(key, key_size, iv, in, n, out, false);
}
