/*
 * cbc.c - AES-CBC through libcrypto's EVP interface.
 *
 * As in aead.c, libcrypto failing means that memory ran out: abort. The context is wiped by
 * libcrypto when it is freed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "crypto/cbc.h"

#include <glib.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

static void cbc_run(const uint8_t *key, size_t key_size, const uint8_t *iv, const uint8_t *in,
                    size_t n, uint8_t *out, bool encrypt)
{
    const EVP_CIPHER *cipher = key_size == 16 ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
    g_autoptr(EVP_CIPHER_CTX) ctx = EVP_CIPHER_CTX_new();
    int written = 0;

    g_assert(key_size == 16 || key_size == 32);
    g_assert(n % HF_CBC_BLOCK_SIZE == 0 && n <= INT_MAX);
    if (!ctx || EVP_CipherInit_ex(ctx, cipher, NULL, key, iv, encrypt) != 1 ||
        EVP_CIPHER_CTX_set_padding(ctx, 0) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    if (n > 0 && (EVP_CipherUpdate(ctx, out, &written, in, (int)n) != 1 || written != (int)n)) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}

void hf_cbc_encrypt(const uint8_t *key, size_t key_size, const uint8_t iv[HF_CBC_BLOCK_SIZE],
                    const uint8_t *in, size_t n, uint8_t *out)
{
    cbc_run(key, key_size, iv, in, n, out, true);
}

void hf_cbc_decrypt(const uint8_t *key, size_t key_size, const uint8_t iv[HF_CBC_BLOCK_SIZE],
                    const uint8_t *in, size_t n, uint8_t *out)
{
    cbc_run(key, key_size, iv, in, n, out, false);
}
