/*
 * keygen.h - new RSA private keys, as PKCS#8 (RFC 5958).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_KEYGEN_H
#define HOLDFAST_CRYPTO_KEYGEN_H

#include "base/secret.h"

/* The DER of a new key: a PrivateKeyInfo or, with a password, an EncryptedPrivateKeyInfo (PBES2:
 * PBKDF2 with HMAC-SHA-256, AES-256-CBC). The key is nowhere else when this returns: not in memory
 * that was freed either. Free with hf_secret_free. HF_ERROR_FAILED. */
HfSecret *hf_keygen_rsa(unsigned bits, const HfSecret *password, GError **error);

#endif
