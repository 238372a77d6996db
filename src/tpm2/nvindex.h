/*
 * nvindex.h - TPMS_NV_PUBLIC: what a TPM says about an NV index, and its Name (Part 2, 13.5).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_NVINDEX_H
#define HOLDFAST_TPM2_NVINDEX_H

#include "tpm2/public.h"

typedef struct {
    uint32_t index;
    uint16_t name_alg;
    uint32_t attributes; /* TPMA_NV_* */
    uint16_t policy_size;
    uint8_t policy[HF_HASH_MAX];
    uint16_t size; /* bytes of data */
} HfNvPublic;

/* TPMS_NV_PUBLIC without the TPM2B size. HF_ERROR_INVALID naming the field. */
bool hf_nv_public_parse(const void *data, size_t n, HfNvPublic *ret_public, GError **error);
void hf_nv_public_write(const HfNvPublic *pub, GByteArray *w);
/* Changes with the attributes, so with the first write too. */
HfTpmName hf_nv_public_name(const HfNvPublic *pub);

#endif
