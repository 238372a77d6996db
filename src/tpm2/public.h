/*
 * public.h - TPMT_PUBLIC: what a TPM says about an object, read strictly, written exactly, named.
 *
 * TPM 2.0 Library, Part 2, 12.2. RSA, ECC and KEYEDHASH objects; every size is bounded, every
 * selector must be one we know, nothing may follow. HfPublic is a plain value: copy it freely. It
 * holds exactly what was read, so that writing it gives the same bytes again (and the Name, which
 * is a digest over those bytes, is right).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_PUBLIC_H
#define HOLDFAST_TPM2_PUBLIC_H

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/pubkey.h"

/* A Name: algorithm and digest (Part 1, 16), or the 4 bytes of a handle. */
typedef struct {
    uint16_t size;
    uint8_t data[2 + HF_HASH_MAX];
} HfTpmName;

typedef struct {
    uint16_t alg;  /* TPM2_ALG_NULL: none */
    uint16_t bits; /* AES: 128, 192, 256 */
    uint16_t mode; /* AES: TPM2_ALG_CFB or TPM2_ALG_NULL (any) */
} HfTpmSymmetric;

typedef struct {
    uint16_t alg;   /* TPM2_ALG_NULL: none */
    uint16_t hash;  /* 0 where the scheme has none (NULL, RSAES) */
    uint16_t extra; /* ECDAA: count; XOR: KDF; otherwise 0 */
} HfTpmScheme;

typedef struct {
    uint16_t type; /* TPM2_ALG_RSA, TPM2_ALG_ECC, TPM2_ALG_KEYEDHASH */
    uint16_t name_alg;
    uint32_t attributes; /* TPMA_OBJECT_* */
    uint16_t policy_size;
    uint8_t policy[HF_HASH_MAX];

    HfTpmSymmetric symmetric; /* RSA, ECC */
    HfTpmScheme scheme;       /* signing or HMAC scheme */
    uint16_t rsa_bits;
    uint32_t rsa_exponent; /* 0: 65537 */
    uint16_t curve;        /* TPM_ECC_CURVE */
    HfTpmScheme kdf;       /* ECC */

    uint16_t unique_size; /* modulus, x, or the digest of a KEYEDHASH */
    uint8_t unique[HF_RSA_MAX_BYTES];
    uint16_t y_size; /* ECC */
    uint8_t y[HF_EC_MAX_BYTES];
} HfPublic;

/* Reads a TPMT_PUBLIC from the cursor, leaving what follows. HF_ERROR_INVALID naming the field. */
bool hf_public_read(HfReader *r, HfPublic *ret_public, GError **error);
/* A whole buffer: TPMT_PUBLIC, or TPM2B_PUBLIC with its leading size (told apart by the size:
 * a TPMT_PUBLIC begins with a small algorithm number). Both forms are what tpm2-tools write. */
bool hf_public_parse(const void *data, size_t n, HfPublic *ret_public, GError **error);
/* Appends a TPMT_PUBLIC / a TPM2B_PUBLIC. */
void hf_public_write(const HfPublic *pub, GByteArray *w);
void hf_public_write_2b(const HfPublic *pub, GByteArray *w);

/* nameAlg ‖ H(TPMT_PUBLIC). nameAlg must be a known hash (parse made sure). */
HfTpmName hf_public_name(const HfPublic *pub);
/* Name of a handle (PCR, hierarchy, session): its 4 bytes. */
HfTpmName hf_tpm_name_of_handle(uint32_t handle);
/* Constant time is not needed: Names are public. */
bool hf_tpm_name_equal(const HfTpmName *a, const HfTpmName *b);
/* Name of a child or primary seen from its parents: nameAlg ‖ H(parent's qualified name ‖ name). */
HfTpmName hf_tpm_name_qualify(const HfTpmName *parent, const HfTpmName *name);
/* TPM2B_NAME: empty, a handle, or algorithm and digest of matching size. */
bool hf_tpm_name_read(HfReader *r, const char *what, HfTpmName *ret_name, GError **error);

/* The key inside, checked as pubkey.h says. HF_ERROR_UNSUPPORTED for KEYEDHASH. */
HfPublicKey *hf_public_key_of(const HfPublic *pub, GError **error);
/* Fails with HF_ERROR_POLICY naming the first attribute that is not as an attestation key must be:
 * restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin set, decrypt clear, and an
 * asymmetric signing scheme with a hash of at least 256 bits. */
bool hf_public_check_ak(const HfPublic *pub, GError **error);
/* The same for an endorsement key: restricted, decrypt, fixedTPM, fixedParent,
 * sensitiveDataOrigin set, sign clear, AES-CFB as its symmetric algorithm. */
bool hf_public_check_ek(const HfPublic *pub, GError **error);
/* "fixedTPM|sign|0x80000000"; caller frees. */
char *hf_public_attributes_text(uint32_t attributes);

#endif
