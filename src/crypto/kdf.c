/*
 * kdf.c - HKDF, KDFa and KDFe, written over HMAC and hash; PBKDF2 is libcrypto's.
 *
 * All produce whole hash blocks and cut the last one; every block that held key material is wiped.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "crypto/kdf.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/hmac.h"

/* Copies the next piece of a block and returns its size. */
static size_t take_block(uint8_t *out, size_t left, const uint8_t *block, size_t size)
{
    size_t n = MIN(left, size);

    memcpy(out, block, n);
    return n;
}

void hf_kdf_hkdf(uint16_t alg, const void *ikm, size_t ikm_size, const void *salt, size_t salt_size,
                 const void *info, size_t info_size, uint8_t *out, size_t out_size)
{
    size_t size = hf_hash_size(alg);
    uint8_t zeros[HF_HASH_MAX] = { 0 };
    uint8_t prk[HF_HASH_MAX];
    uint8_t block[HF_HASH_MAX];
    size_t done = 0;

    g_assert(size != 0 && out_size <= 255 * size);
    hf_hmac_once(alg, salt_size ? salt : zeros, salt_size ? salt_size : size, ikm, ikm_size, prk);
    for (uint8_t counter = 1; done < out_size; counter++) {
        g_autoptr(HfHmac) hmac = hf_hmac_new(alg, prk, size);

        if (counter > 1) {
            hf_hmac_update(hmac, block, size);
        }
        hf_hmac_update(hmac, info, info_size);
        hf_hmac_update(hmac, &counter, 1);
        hf_hmac_finish(hmac, block);
        done += take_block(out + done, out_size - done, block, size);
    }
    explicit_bzero(prk, sizeof prk);
    explicit_bzero(block, sizeof block);
}

void hf_kdf_a(uint16_t alg, const void *key, size_t key_size, const char *label,
              const void *context_u, size_t u_size, const void *context_v, size_t v_size,
              uint8_t *out, size_t out_size)
{
    size_t size = hf_hash_size(alg);
    uint8_t block[HF_HASH_MAX];
    uint8_t word[4];
    uint8_t bits[4];
    size_t done = 0;

    g_assert(size != 0 && out_size <= UINT16_MAX);
    hf_store_u32(bits, (uint32_t)out_size * 8);
    for (uint32_t counter = 1; done < out_size; counter++) {
        g_autoptr(HfHmac) hmac = hf_hmac_new(alg, key, key_size);

        hf_store_u32(word, counter);
        hf_hmac_update(hmac, word, sizeof word);
        hf_hmac_update(hmac, label, strlen(label) + 1);
        hf_hmac_update(hmac, context_u, u_size);
        hf_hmac_update(hmac, context_v, v_size);
        hf_hmac_update(hmac, bits, sizeof bits);
        hf_hmac_finish(hmac, block);
        done += take_block(out + done, out_size - done, block, size);
    }
    explicit_bzero(block, sizeof block);
}

void hf_kdf_e(uint16_t alg, const void *z, size_t z_size, const char *label, const void *party_u,
              size_t u_size, const void *party_v, size_t v_size, uint8_t *out, size_t out_size)
{
    size_t size = hf_hash_size(alg);
    uint8_t block[HF_HASH_MAX];
    uint8_t word[4];
    size_t done = 0;

    g_assert(size != 0 && out_size <= UINT16_MAX);
    for (uint32_t counter = 1; done < out_size; counter++) {
        g_autoptr(HfHash) hash = hf_hash_new(alg);

        hf_store_u32(word, counter);
        hf_hash_update(hash, word, sizeof word);
        hf_hash_update(hash, z, z_size);
        hf_hash_update(hash, label, strlen(label) + 1);
        hf_hash_update(hash, party_u, u_size);
        hf_hash_update(hash, party_v, v_size);
        hf_hash_finish(hash, block);
        done += take_block(out + done, out_size - done, block, size);
    }
    explicit_bzero(block, sizeof block);
}

void hf_kdf_pbkdf2(uint16_t alg, const void *password, size_t password_size, const void *salt,
                   size_t salt_size, unsigned iterations, uint8_t *out, size_t out_size)
{
    g_assert(hf_hash_name(alg) && password_size <= INT_MAX && salt_size <= INT_MAX &&
             out_size <= INT_MAX && iterations >= 1 && iterations <= INT_MAX);
    /* A NULL password would mean "use strlen". */
    if (PKCS5_PBKDF2_HMAC(password_size ? password : "", (int)password_size, salt, (int)salt_size,
                          (int)iterations, EVP_get_digestbyname(hf_hash_name(alg)), (int)out_size,
                          out) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}
