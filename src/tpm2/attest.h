/*
 * attest.h - what a TPM signed: TPMS_ATTEST, TPMT_SIGNATURE and creation data, read and verified.
 *
 * Parsing is strict (Part 2, 10.12 and 11.3): all bytes used, sizes bounded, only quote, certify,
 * creation and NV contents. Parsing proves nothing; the checks below do, each with an error of its own that
 * begins with the name of the check. hf_attest_verify_quote and its sisters run all of them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_ATTEST_H
#define HOLDFAST_TPM2_ATTEST_H

#include "tpm2/pcr.h"
#include "tpm2/public.h"

#define HF_ATTEST_MAX 2048u /* no TPMS_ATTEST is larger */

typedef struct {
    uint16_t type;    /* TPM2_ST_ATTEST_QUOTE, _CERTIFY, _CREATION or _NV */
    HfTpmName signer; /* qualified Name of the signing key */
    uint16_t extra_size;
    uint8_t extra[HF_HASH_MAX + 2];
    uint64_t clock;
    uint32_t reset_count, restart_count;
    bool safe;
    uint64_t firmware;
    /* quote */
    HfPcrSelection selection;
    uint16_t pcr_digest_size;
    uint8_t pcr_digest[HF_HASH_MAX];
    /* certify: Name and qualified Name of the object; creation, NV: Name only */
    HfTpmName name, qualified_name;
    /* creation */
    uint16_t creation_hash_size;
    uint8_t creation_hash[HF_HASH_MAX];
    /* NV */
    uint16_t nv_offset, nv_size;
    uint8_t nv[HF_HASH_MAX];
} HfAttest;

typedef struct {
    uint16_t scheme; /* TPM2_ALG_ECDSA, _RSASSA, _RSAPSS */
    uint16_t hash;
    uint16_t r_size; /* ECDSA: r; RSA: the signature */
    uint8_t r[HF_RSA_MAX_BYTES];
    uint16_t s_size;
    uint8_t s[HF_EC_MAX_BYTES];
} HfTpmSignature;

typedef struct {
    HfPcrSelection selection;
    uint16_t pcr_digest_size;
    uint8_t pcr_digest[HF_HASH_MAX];
    uint8_t locality;
    uint16_t parent_name_alg;
    HfTpmName parent, qualified_parent;
    uint16_t outside_size;
    uint8_t outside[HF_HASH_MAX + 2];
} HfCreationData;

/* HF_ERROR_INVALID naming the field: magic first, then type. */
bool hf_attest_parse(const void *data, size_t n, HfAttest *ret_attest, GError **error);
bool hf_tpm_signature_read(HfReader *r, HfTpmSignature *ret_signature, GError **error);
bool hf_tpm_signature_parse(const void *data, size_t n, HfTpmSignature *ret_signature,
                            GError **error);
/* TPMS_CREATION_DATA without the TPM2B size. */
bool hf_creation_data_parse(const void *data, size_t n, HfCreationData *ret_data, GError **error);

/* The signature is over `data` and by `key`; its scheme and hash are those the key's public area
 * fixes (a restricted key signs with its own scheme only). SHA-1 is refused. */
bool hf_tpm_signature_verify(const HfTpmSignature *signature, const HfPublic *key, const void *data,
                             size_t n, GError **error);
/* ECDSA: DER SEQUENCE; RSA: the bytes. */
GBytes *hf_tpm_signature_der(const HfTpmSignature *signature);

/* Single checks; each error begins with the check's name ("nonce: ..."). */
bool hf_attest_check_type(const HfAttest *attest, uint16_t type, GError **error);
bool hf_attest_check_nonce(const HfAttest *attest, const void *nonce, size_t n, GError **error);
/* Qualified Name of the key that must have signed. */
bool hf_attest_check_signer(const HfAttest *attest, const HfTpmName *qualified, GError **error);
bool hf_attest_check_selection(const HfAttest *attest, const HfPcrSelection *expected,
                               GError **error);
/* `hash` is the signing scheme's. */
bool hf_attest_check_pcrs(const HfAttest *attest, uint16_t hash, const HfPcrValues *values,
                          GError **error);

typedef struct {
    const HfPublic *key; /* who must have signed; checked to be a proper attestation key */
    const void *nonce;   /* extraData expected */
    size_t nonce_size;
    const HfTpmName *signer;         /* qualified Name; NULL: not known */
    const HfPcrSelection *selection; /* quote */
    const HfPcrValues *values;       /* quote; NULL: the digest is not compared */
} HfAttestExpected;

/* Attestation key, magic, type, nonce, signer, selection, signature, PCR values: all or an error.
 * ret_attest may be NULL. */
bool hf_attest_verify_quote(const void *data, size_t n, const void *signature,
                            size_t signature_size, const HfAttestExpected *expected,
                            HfAttest *ret_attest, GError **error);

/* CertifyCreation: the same, and that the object is `object` and was created with `creation`
 * (TPMS_CREATION_DATA bytes; their digest by the object's nameAlg). outside: the outsideInfo that
 * must be in the creation data. */
bool hf_attest_verify_creation(const void *data, size_t n, const void *signature,
                               size_t signature_size, const HfAttestExpected *expected,
                               const HfPublic *object, const void *creation, size_t creation_size,
                               const void *outside, size_t outside_size, GError **error);

/* NV_Certify of a counter: the same, and that the index has this Name; its value. */
bool hf_attest_verify_counter(const void *data, size_t n, const void *signature,
                              size_t signature_size, const HfAttestExpected *expected,
                              const HfTpmName *index, uint64_t *ret_value, GError **error);

/* Certify: the same, and that the object is `object`; qualified may be NULL. */
bool hf_attest_verify_certify(const void *data, size_t n, const void *signature,
                              size_t signature_size, const HfAttestExpected *expected,
                              const HfPublic *object, const HfTpmName *qualified, GError **error);

#endif
