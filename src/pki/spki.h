/*
 * spki.h - what certificates need to know of a public key that is given as DER
 * SubjectPublicKeyInfo: its identifiers, how it signs, whether a signature is its own.
 *
 * Keys themselves are crypto/pubkey.h's; make an SPKI from a TPM's numbers there. The SPKI that
 * goes into a certificate must be the canonical one (hf_public_key_spki): two SPKIs of one key are
 * then equal bytes, and a certificate's key is compared with a TPM's by comparing bytes.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_SPKI_H
#define HOLDFAST_PKI_SPKI_H

#include "crypto/pubkey.h"
#include "pki/signer.h"

/* The key behind a canonical SPKI. `what` names it in messages. */
HfPublicKey *hf_spki_key(GBytes *spki, const char *what, GError **error);

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

/* The algorithm's hash as TPM_ALG_ID (crypto/hash.h) and its OID as dotted text. */
uint16_t hf_sign_algorithm_hash(HfSignAlgorithm algorithm);
const char *hf_sign_algorithm_oid(HfSignAlgorithm algorithm);

#endif
