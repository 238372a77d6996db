/*
 * spki.h - public keys as DER SubjectPublicKeyInfo: made from the numbers a TPM gives, looked at,
 * used to check signatures.
 *
 * What hf_spki_rsa and hf_spki_ecc write is canonical: two SPKIs of one key are equal bytes, so a
 * certificate's key is compared with a TPM's by comparing bytes.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_SPKI_H
#define HOLDFAST_PKI_SPKI_H

#include "pki/signer.h"

typedef enum { HF_KEY_RSA, HF_KEY_ECC } HfKeyType;

typedef struct {
    HfKeyType type;
    unsigned bits; /* RSA: of the modulus; ECC: of the field, 256, 384 or 521 */
} HfKeyInfo;

/* RSA from modulus (2048 to 8192 bits, big-endian) and exponent (0 means 65537, as in a TPM). */
GBytes *hf_spki_rsa(const void *modulus, size_t size, uint32_t exponent, GError **error);
/* A point on P-256, P-384 or P-521 (bits 256, 384, 521); x and y big-endian, at most the field's
 * size. A point that is not on the curve is refused. */
GBytes *hf_spki_ecc(unsigned bits, const void *x, size_t x_size, const void *y, size_t y_size,
                    GError **error);

/* Kind and size; refuses what is not RSA >= 2048 or one of the three curves, and what is not
 * encoded as above. `what` names the key in messages. */
bool hf_spki_examine(GBytes *spki, const char *what, HfKeyInfo *ret_info, GError **error);

/* Key identifier: the leftmost 160 bits of SHA-256 over the key's bit string (RFC 7093). 20 bytes.
 * NULL when the SPKI is malformed. */
GBytes *hf_spki_key_id(GBytes *spki);
/* SHA-256 over the whole DER SPKI: how a holding names the host TPM's EK. 32 bytes. */
GBytes *hf_spki_digest(GBytes *spki);

/* The algorithm a key signs certificates with: P-256 SHA-256, P-384 SHA-384, RSA up to 3072 bits
 * SHA-256, above it SHA-384. Other keys are refused. */
bool hf_spki_algorithm(GBytes *spki, const char *what, HfSignAlgorithm *ret, GError **error);

/* Checks a signature over data (hashed here with the algorithm's hash). HF_ERROR_AUTH with "`what`:
 * the signature does not verify" when it is wrong. */
bool hf_spki_verify(GBytes *spki, HfSignAlgorithm algorithm, GBytes *data, GBytes *signature,
                    const char *what, GError **error);

/* Octets of the algorithm's digest: 32 or 48. */
size_t hf_sign_algorithm_digest_size(HfSignAlgorithm algorithm);

#endif
