/*
 * template.h - the public areas keys are made from: TCG's endorsement and storage key templates.
 *
 * TCG EK Credential Profile, templates L-1, L-2 (low range: policy A, unique zero-filled) and H-3,
 * H-4, H-6, H-7 (high range: policy B, userWithAuth, unique empty); the SRK templates of the TCG
 * Provisioning Guidance, also at 192-bit strength; initial attestation and device identity keys
 * (TPM 2.0 Keys for Device Identity and Attestation, 7.3). With each go the handles and NV indices that belong to it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_TEMPLATE_H
#define HOLDFAST_TPM2_TEMPLATE_H

#include "tpm2/public.h"

typedef enum {
    HF_TEMPLATE_EK_RSA2048,
    HF_TEMPLATE_EK_P256,
    HF_TEMPLATE_EK_P384,
    HF_TEMPLATE_EK_P521,
    HF_TEMPLATE_EK_RSA3072,
    HF_TEMPLATE_EK_RSA4096,
    HF_TEMPLATE_SRK_RSA2048,
    HF_TEMPLATE_SRK_P256,
    HF_TEMPLATE_SRK_RSA3072,
    HF_TEMPLATE_SRK_P384,
    HF_TEMPLATE_IAK_RSA2048,
    HF_TEMPLATE_IAK_RSA3072,
    HF_TEMPLATE_IAK_RSA4096,
    HF_TEMPLATE_IAK_P256,
    HF_TEMPLATE_IAK_P384,
    HF_TEMPLATE_IDEVID_RSA2048,
    HF_TEMPLATE_IDEVID_RSA3072,
    HF_TEMPLATE_IDEVID_RSA4096,
    HF_TEMPLATE_IDEVID_P256,
    HF_TEMPLATE_IDEVID_P384,
    HF_TEMPLATE_COUNT
} HfTemplate;

typedef struct {
    const char *name;           /* "ek-rsa2048", "srk-p256" */
    uint32_t hierarchy;         /* TPM2_RH_ENDORSEMENT or TPM2_RH_OWNER */
    uint32_t handle;            /* persistent handle */
    uint32_t certificate_index; /* NV; 0: none */
    uint32_t template_index;    /* NV; 0: none */
    uint32_t nonce_index;       /* NV; 0: none */
} HfTemplateInfo;

const HfTemplateInfo *hf_template_info(HfTemplate which);
/* The template as a public area ready for CreatePrimary. */
void hf_template_public(HfTemplate which, HfPublic *ret_public);
/* An EK template changed to sign: attributes 0x400b2 (sign, unrestricted), with `decrypt` 0x600b2;
 * no symmetric algorithm. High-range templates keep userWithAuth. */
void hf_template_allow_signing(HfPublic *pub, bool decrypt);
/* The public area of the EK whose certificate holds `key`, made from the standard template for
 * that kind of key (RSA-2048: L-1, P-256: L-2, P-384: H-3, ...). HF_ERROR_UNSUPPORTED when there is
 * none. */
bool hf_template_for_key(const HfPublicKey *key, HfPublic *ret_public, GError **error);

#endif
