/*
 * credential.h - TPM2_MakeCredential in software: a secret only one TPM can open, for one key only.
 *
 * Part 1, chapter 24 and annexes B.10.4 and C.6.4. The endorsement key's public area decides how:
 * RSA (OAEP, label "IDENTITY") or ECC (one-pass ECDH, KDFe) for the seed, its nameAlg for KDFa and
 * HMAC, its AES size for the inner encryption. ActivateCredential gives the secret back only if
 * the TPM has the endorsement key AND an object with exactly this Name.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_CREDENTIAL_H
#define HOLDFAST_TPM2_CREDENTIAL_H

#include "tpm2/public.h"

typedef struct {
    GBytes *id_object;        /* contents of TPM2B_ID_OBJECT, without its size */
    GBytes *encrypted_secret; /* contents of TPM2B_ENCRYPTED_SECRET, without its size */
} HfCredential;

/* secret: 1 to digest-size-of-nameAlg bytes. HF_ERROR_POLICY when ek is no storage key that can
 * open credentials, HF_ERROR_INVALID when the secret is too long. */
HfCredential *hf_credential_make(const HfPublic *ek, const HfTpmName *object, const void *secret,
                                 size_t secret_size, GError **error);
void hf_credential_free(HfCredential *credential);

/* The file form of tpm2-tools: u32 0xBADCC0DE, u32 version 1, TPM2B_ID_OBJECT,
 * TPM2B_ENCRYPTED_SECRET, big-endian. */
GBytes *hf_credential_to_file(const HfCredential *credential);
HfCredential *hf_credential_from_file(const void *data, size_t n, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCredential, hf_credential_free)

#endif
