/*
 * hostkey.h - the public areas of holdfast's keys in a TPM, made by the host (a guest) and expected
 * by the fleet's CA: attestation keys, vMA signing key, and the approver's key as a TPM loads it.
 *
 * One place for both sides: what the host creates is what the CA compares with. P-256 with
 * ECDSA/SHA-256 throughout, RSA-2048 with PKCS#1 v1.5/SHA-256 for a vMA key on request; a guest's
 * attestation key also P-384 with SHA-384.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_HOSTKEY_H
#define HOLDFAST_TPM2_HOSTKEY_H

#include "tpm2/public.h"

typedef enum { HF_VMA_ECC_P256, HF_VMA_RSA_2048 } HfVmaAlgorithm;

/* Restricted signing key, a primary of the endorsement hierarchy: only there the clock and
 * firmware fields of what it signs are not obfuscated. */
void hf_host_ak_template(HfPublic *ret_public);
/* Its Name as attestation structures have it. */
HfTpmName hf_host_ak_qualified(const HfPublic *ak);

typedef enum { HF_AK_ECC_P256, HF_AK_ECC_P384, HF_AK_RSA_2048 } HfAkAlgorithm;

/* An attestation key that a guest keeps under its endorsement key: restricted, empty password. */
void hf_guest_ak_template(HfAkAlgorithm algorithm, HfPublic *ret_public);
/* The qualified Name of a key under an endorsement key, itself a primary of its hierarchy. */
HfTpmName hf_guest_ak_qualified(const HfPublic *ek, const HfPublic *ak);
/* The same of an initial attestation key, which is a primary key of the endorsement hierarchy itself. */
HfTpmName hf_guest_iak_qualified(const HfPublic *iak);

/* The signing key of a CA or another program that is to sign whatever the host's state: P-256,
 * fixed to its TPM, used with an authorisation value. guarded: the TPM counts wrong values and locks
 * itself after some (for a key that has a value). */
void hf_ca_template(bool guarded, HfPublic *ret_public);
/* Unrestricted signing key without userWithAuth: `policy` alone (SHA-256) can use it. */
void hf_vma_template(HfVmaAlgorithm algorithm, const HfDigest *policy, HfPublic *ret_public);
/* KEYEDHASH key for TPM2_HMAC with SHA-256, of the same kind: made in the TPM, never leaves it, no
 * userWithAuth. */
void hf_derivation_template(const HfDigest *policy, HfPublic *ret_public);
/* HF_ERROR_POLICY naming the first field in which `found` is not that. */
bool hf_derivation_check(const HfPublic *found, const HfDigest *policy, GError **error);
/* HF_ERROR_POLICY naming the first field in which `found` is not a vMA key for `policy`:
 * type, name algorithm, attributes (exactly the template's), scheme, size, authPolicy. */
bool hf_vma_check(const HfPublic *found, const HfDigest *policy, GError **error);

/* The approver's public key as TPM2_LoadExternal takes it; its Name stands in policies. P-256, or
 * RSA of 2048 or 3072 bits; HF_ERROR_UNSUPPORTED otherwise. */
bool hf_approver_public(const HfPublicKey *key, HfPublic *ret_public, GError **error);

#endif
