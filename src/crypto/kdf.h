/*
 * kdf.h - key derivation: HKDF (RFC 5869) for our own keys, KDFa and KDFe as a TPM does them,
 * PBKDF2 (RFC 8018) for passphrases.
 *
 * KDFa is SP 800-108 counter mode with HMAC, KDFe is SP 800-56A one-step with a hash, both in the
 * form of the TPM 2.0 Library, Part 1, "Key Derivation Function" (11.4.10). Labels are passed
 * without their terminating zero, which is hashed too. Output goes to memory of the caller, who
 * wipes it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_KDF_H
#define HOLDFAST_CRYPTO_KDF_H

#include "crypto/hash.h"

/* salt and info may be NULL with size 0. Asserts out_size <= 255 * hash size. */
void hf_kdf_hkdf(uint16_t alg, const void *ikm, size_t ikm_size, const void *salt, size_t salt_size,
                 const void *info, size_t info_size, uint8_t *out, size_t out_size);

/* Whole bytes only: `bits` as the TPM sees it is out_size * 8. Contexts may be NULL with size 0. */
void hf_kdf_a(uint16_t alg, const void *key, size_t key_size, const char *label,
              const void *context_u, size_t u_size, const void *context_v, size_t v_size,
              uint8_t *out, size_t out_size);

/* z: the x coordinate of the shared point; u, v: x coordinates of the two public points, all at
 * the curve's full size. */
void hf_kdf_e(uint16_t alg, const void *z, size_t z_size, const char *label, const void *party_u,
              size_t u_size, const void *party_v, size_t v_size, uint8_t *out, size_t out_size);

/* PBKDF2 with HMAC of `alg`. iterations is at least 1. */
void hf_kdf_pbkdf2(uint16_t alg, const void *password, size_t password_size, const void *salt,
                   size_t salt_size, unsigned iterations, uint8_t *out, size_t out_size);

#endif
