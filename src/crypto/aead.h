/*
 * aead.h - AES-256-GCM for what we keep, AES-CFB for what a TPM wraps.
 *
 * GCM output is ciphertext followed by the 16-byte tag; a nonce must never repeat under one key,
 * so the caller draws it at random per key or derives both. CFB is TPM 2.0's: full-block feedback,
 * no padding, no integrity of its own (the TPM adds an HMAC).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_AEAD_H
#define HOLDFAST_CRYPTO_AEAD_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

#define HF_AEAD_KEY_SIZE 32u
#define HF_AEAD_NONCE_SIZE 12u
#define HF_AEAD_TAG_SIZE 16u

/* n + HF_AEAD_TAG_SIZE bytes. aad may be NULL with size 0. */
GBytes *hf_aead_seal(const uint8_t key[HF_AEAD_KEY_SIZE], const uint8_t nonce[HF_AEAD_NONCE_SIZE],
                     const void *aad, size_t aad_size, const void *plain, size_t n);

/* The plaintext; NULL and *error (HF_ERROR_AUTH) when key, nonce, aad or bytes are not those that
 * were sealed, HF_ERROR_INVALID when there is not even room for a tag. */
HfSecret *hf_aead_open(const uint8_t key[HF_AEAD_KEY_SIZE], const uint8_t nonce[HF_AEAD_NONCE_SIZE],
                       const void *aad, size_t aad_size, const void *sealed, size_t n,
                       GError **error);

/* AES-CFB with key_size 16 or 32 (asserted); iv is 16 bytes, NULL means zeros. out has room for n
 * bytes and may be in. */
void hf_cfb_encrypt(const uint8_t *key, size_t key_size, const uint8_t *iv, const uint8_t *in,
                    size_t n, uint8_t *out);
void hf_cfb_decrypt(const uint8_t *key, size_t key_size, const uint8_t *iv, const uint8_t *in,
                    size_t n, uint8_t *out);

#endif
