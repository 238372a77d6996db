/*
 * template.c - the standard templates as one table.
 *
 * What differs between templates stands in the row; what follows from a row (sizes of zero-filled
 * unique fields, policy bytes) is worked out here.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/template.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"

#define RSA_DEFAULT_EXPONENT 65537u
#define EK_ATTRIBUTES                                                                   \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | \
     TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)
#define SRK_ATTRIBUTES                                                                  \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | \
     TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)

#define IDEVID_ATTRIBUTES                                                               \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | \
     TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_SIGN_ENCRYPT)
#define IAK_ATTRIBUTES (IDEVID_ATTRIBUTES | TPMA_OBJECT_RESTRICTED)

/* TCG EK Credential Profile, B.6: PolicySecret(RH_ENDORSEMENT). */
static const uint8_t policy_a_sha256[32] = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};

/* The same profile: PolicyOR(policy A, PolicyAuthorizeNV of the policy index). */
static const uint8_t policy_b_sha384[48] = {
    0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a,
    0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca,
    0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12,
};

static const uint8_t policy_b_sha512[64] = {
    0xb8, 0x22, 0x1c, 0xa6, 0x9e, 0x85, 0x50, 0xa4, 0x91, 0x4d, 0xe3, 0xfa, 0xa6, 0xa1, 0x8c, 0x07,
    0x2c, 0xc0, 0x12, 0x08, 0x07, 0x3a, 0x92, 0x8d, 0x5d, 0x66, 0xd5, 0x9e, 0xf7, 0x9e, 0x49, 0xa4,
    0x29, 0xc4, 0x1a, 0x6b, 0x26, 0x95, 0x71, 0xd5, 0x7e, 0xdb, 0x25, 0xfb, 0xdb, 0x18, 0x38, 0x42,
    0x56, 0x08, 0xb4, 0x13, 0xcd, 0x61, 0x6a, 0x5f, 0x6d, 0xb5, 0xb6, 0x07, 0x1a, 0xf9, 0x9b, 0xea,
};

/* TPM 2.0 Keys for Device Identity and Attestation, 7.3.6. */
static const uint8_t policy_iak_sha256[32] = {
    0x54, 0x37, 0x18, 0x23, 0x26, 0xe4, 0x14, 0xfc, 0xa7, 0x97, 0xd5, 0xf1, 0x74, 0x61, 0x5a, 0x16,
    0x41, 0xf6, 0x12, 0x55, 0x79, 0x7c, 0x3a, 0x2b, 0x22, 0xc2, 0x1d, 0x12, 0x0b, 0x2d, 0x1e, 0x07,
};

static const uint8_t policy_iak_sha384[48] = {
    0x12, 0x9d, 0x94, 0xeb, 0xf8, 0x45, 0x56, 0x65, 0x2c, 0x6e, 0xef, 0x43, 0xbb, 0xb7, 0x57, 0x51,
    0x2a, 0xc8, 0x7e, 0x52, 0xbe, 0x7b, 0x34, 0x9c, 0xa6, 0xce, 0x4d, 0x82, 0x6f, 0x74, 0x9f, 0xcf,
    0x67, 0x2f, 0x51, 0x71, 0x6c, 0x5c, 0xbb, 0x60, 0x5f, 0x31, 0x3b, 0xf3, 0x45, 0xaa, 0xb3, 0x12,
};

static const uint8_t policy_idevid_sha256[32] = {
    0xad, 0x6b, 0x3a, 0x22, 0x84, 0xfd, 0x69, 0x8a, 0x07, 0x10, 0xbf, 0x5c, 0xc1, 0xb9, 0xbd, 0xf1,
    0x5e, 0x25, 0x32, 0xe3, 0xf6, 0x01, 0xfa, 0x4b, 0x93, 0xa6, 0xa8, 0xfa, 0x8d, 0xe5, 0x79, 0xea,
};

static const uint8_t policy_idevid_sha384[48] = {
    0x4d, 0xb1, 0xaa, 0x83, 0x6d, 0x0b, 0x56, 0x15, 0xdf, 0x6e, 0xe5, 0x3a, 0x40, 0xef, 0x70, 0xc6,
    0x1c, 0x21, 0x7f, 0x43, 0x03, 0xd4, 0x46, 0x95, 0x92, 0x59, 0x72, 0xbc, 0x92, 0x70, 0x06, 0xcf,
    0xa5, 0xcb, 0xdf, 0x6d, 0xc1, 0x8c, 0x4d, 0xbe, 0x32, 0x9b, 0x2f, 0x15, 0x42, 0xc3, 0xdd, 0x33,
};

typedef struct {
    HfTemplateInfo info;
    uint16_t type;
    uint16_t name_alg;
    uint32_t attributes;
    const uint8_t *policy; /* of nameAlg's size; NULL: none */
    uint16_t aes_bits;
    uint16_t rsa_bits; /* RSA */
    uint16_t curve;    /* ECC */
    bool zero_unique;  /* unique is zeros of the key's size, otherwise empty */
    const char *label; /* a key that signs: its unique field; NULL: the key decrypts */
} TemplateRow;

static const TemplateRow template_rows[HF_TEMPLATE_COUNT] = {
    [HF_TEMPLATE_EK_RSA2048] = { { "ek-rsa2048", TPM2_RH_ENDORSEMENT, 0x81010001, 0x01c00002,
                                   0x01c00004, 0x01c00003 },
                                 TPM2_ALG_RSA,
                                 TPM2_ALG_SHA256,
                                 EK_ATTRIBUTES,
                                 policy_a_sha256,
                                 128,
                                 2048,
                                 0,
                                 true,
                                 NULL },
    [HF_TEMPLATE_EK_P256] = { { "ek-p256", TPM2_RH_ENDORSEMENT, 0x8101000a, 0x01c0000a, 0x01c0000c,
                                0x01c0000b },
                              TPM2_ALG_ECC,
                              TPM2_ALG_SHA256,
                              EK_ATTRIBUTES,
                              policy_a_sha256,
                              128,
                              0,
                              TPM2_ECC_NIST_P256,
                              true,
                              NULL },
    [HF_TEMPLATE_EK_P384] = { { "ek-p384", TPM2_RH_ENDORSEMENT, 0x81010016, 0x01c00016, 0x01c00017,
                                0 },
                              TPM2_ALG_ECC,
                              TPM2_ALG_SHA384,
                              EK_ATTRIBUTES | TPMA_OBJECT_USERWITHAUTH,
                              policy_b_sha384,
                              256,
                              0,
                              TPM2_ECC_NIST_P384,
                              false,
                              NULL },
    [HF_TEMPLATE_EK_P521] = { { "ek-p521", TPM2_RH_ENDORSEMENT, 0x81010018, 0x01c00018, 0x01c00019,
                                0 },
                              TPM2_ALG_ECC,
                              TPM2_ALG_SHA512,
                              EK_ATTRIBUTES | TPMA_OBJECT_USERWITHAUTH,
                              policy_b_sha512,
                              256,
                              0,
                              TPM2_ECC_NIST_P521,
                              false,
                              NULL },
    [HF_TEMPLATE_EK_RSA3072] = { { "ek-rsa3072", TPM2_RH_ENDORSEMENT, 0x8101001c, 0x01c0001c,
                                   0x01c0001d, 0 },
                                 TPM2_ALG_RSA,
                                 TPM2_ALG_SHA384,
                                 EK_ATTRIBUTES | TPMA_OBJECT_USERWITHAUTH,
                                 policy_b_sha384,
                                 256,
                                 3072,
                                 0,
                                 false,
                                 NULL },
    [HF_TEMPLATE_EK_RSA4096] = { { "ek-rsa4096", TPM2_RH_ENDORSEMENT, 0x8101001e, 0x01c0001e,
                                   0x01c0001f, 0 },
                                 TPM2_ALG_RSA,
                                 TPM2_ALG_SHA384,
                                 EK_ATTRIBUTES | TPMA_OBJECT_USERWITHAUTH,
                                 policy_b_sha384,
                                 256,
                                 4096,
                                 0,
                                 false,
                                 NULL },
    [HF_TEMPLATE_SRK_RSA2048] = { { "srk-rsa2048", TPM2_RH_OWNER, 0x81000001, 0, 0, 0 },
                                  TPM2_ALG_RSA,
                                  TPM2_ALG_SHA256,
                                  SRK_ATTRIBUTES,
                                  NULL,
                                  128,
                                  2048,
                                  0,
                                  true,
                                  NULL },
    [HF_TEMPLATE_SRK_P256] = { { "srk-p256", TPM2_RH_OWNER, 0x81000001, 0, 0, 0 },
                               TPM2_ALG_ECC,
                               TPM2_ALG_SHA256,
                               SRK_ATTRIBUTES,
                               NULL,
                               128,
                               0,
                               TPM2_ECC_NIST_P256,
                               true,
                               NULL },
    [HF_TEMPLATE_SRK_RSA3072] = { { "srk-rsa3072", TPM2_RH_OWNER, 0x81000001, 0, 0, 0 },
                                  TPM2_ALG_RSA,
                                  TPM2_ALG_SHA384,
                                  SRK_ATTRIBUTES,
                                  NULL,
                                  256,
                                  3072,
                                  0,
                                  true,
                                  NULL },
    [HF_TEMPLATE_SRK_P384] = { { "srk-p384", TPM2_RH_OWNER, 0x81000001, 0, 0, 0 },
                               TPM2_ALG_ECC,
                               TPM2_ALG_SHA384,
                               SRK_ATTRIBUTES,
                               NULL,
                               256,
                               0,
                               TPM2_ECC_NIST_P384,
                               true,
                               NULL },
    [HF_TEMPLATE_IAK_RSA2048] = { { "iak-rsa2048", TPM2_RH_ENDORSEMENT, 0x81020001, 0x01c90100, 0,
                                    0 },
                                  TPM2_ALG_RSA,
                                  TPM2_ALG_SHA256,
                                  IAK_ATTRIBUTES,
                                  policy_iak_sha256,
                                  0,
                                  2048,
                                  0,
                                  false,
                                  "IAK" },
    [HF_TEMPLATE_IAK_RSA3072] = { { "iak-rsa3072", TPM2_RH_ENDORSEMENT, 0x81020001, 0x01c90100, 0,
                                    0 },
                                  TPM2_ALG_RSA,
                                  TPM2_ALG_SHA384,
                                  IAK_ATTRIBUTES,
                                  policy_iak_sha384,
                                  0,
                                  3072,
                                  0,
                                  false,
                                  "IAK" },
    [HF_TEMPLATE_IAK_RSA4096] = { { "iak-rsa4096", TPM2_RH_ENDORSEMENT, 0x81020001, 0x01c90100, 0,
                                    0 },
                                  TPM2_ALG_RSA,
                                  TPM2_ALG_SHA384,
                                  IAK_ATTRIBUTES,
                                  policy_iak_sha384,
                                  0,
                                  4096,
                                  0,
                                  false,
                                  "IAK" },
    [HF_TEMPLATE_IAK_P256] = { { "iak-p256", TPM2_RH_ENDORSEMENT, 0x81020001, 0x01c90100, 0, 0 },
                               TPM2_ALG_ECC,
                               TPM2_ALG_SHA256,
                               IAK_ATTRIBUTES,
                               policy_iak_sha256,
                               0,
                               0,
                               TPM2_ECC_NIST_P256,
                               false,
                               "IAK" },
    [HF_TEMPLATE_IAK_P384] = { { "iak-p384", TPM2_RH_ENDORSEMENT, 0x81020001, 0x01c90100, 0, 0 },
                               TPM2_ALG_ECC,
                               TPM2_ALG_SHA384,
                               IAK_ATTRIBUTES,
                               policy_iak_sha384,
                               0,
                               0,
                               TPM2_ECC_NIST_P384,
                               false,
                               "IAK" },
    [HF_TEMPLATE_IDEVID_RSA2048] = { { "idevid-rsa2048", TPM2_RH_ENDORSEMENT, 0x81020000,
                                       0x01c90200, 0, 0 },
                                     TPM2_ALG_RSA,
                                     TPM2_ALG_SHA256,
                                     IDEVID_ATTRIBUTES,
                                     policy_idevid_sha256,
                                     0,
                                     2048,
                                     0,
                                     false,
                                     "IDEVID" },
    [HF_TEMPLATE_IDEVID_RSA3072] = { { "idevid-rsa3072", TPM2_RH_ENDORSEMENT, 0x81020000,
                                       0x01c90200, 0, 0 },
                                     TPM2_ALG_RSA,
                                     TPM2_ALG_SHA384,
                                     IDEVID_ATTRIBUTES,
                                     policy_idevid_sha384,
                                     0,
                                     3072,
                                     0,
                                     false,
                                     "IDEVID" },
    [HF_TEMPLATE_IDEVID_RSA4096] = { { "idevid-rsa4096", TPM2_RH_ENDORSEMENT, 0x81020000,
                                       0x01c90200, 0, 0 },
                                     TPM2_ALG_RSA,
                                     TPM2_ALG_SHA384,
                                     IDEVID_ATTRIBUTES,
                                     policy_idevid_sha384,
                                     0,
                                     4096,
                                     0,
                                     false,
                                     "IDEVID" },
    [HF_TEMPLATE_IDEVID_P256] = { { "idevid-p256", TPM2_RH_ENDORSEMENT, 0x81020000, 0x01c90200, 0,
                                    0 },
                                  TPM2_ALG_ECC,
                                  TPM2_ALG_SHA256,
                                  IDEVID_ATTRIBUTES,
                                  policy_idevid_sha256,
                                  0,
                                  0,
                                  TPM2_ECC_NIST_P256,
                                  false,
                                  "IDEVID" },
    [HF_TEMPLATE_IDEVID_P384] = { { "idevid-p384", TPM2_RH_ENDORSEMENT, 0x81020000, 0x01c90200, 0,
                                    0 },
                                  TPM2_ALG_ECC,
                                  TPM2_ALG_SHA384,
                                  IDEVID_ATTRIBUTES,
                                  policy_idevid_sha384,
                                  0,
                                  0,
                                  TPM2_ECC_NIST_P384,
                                  false,
                                  "IDEVID" },
};

const HfTemplateInfo *hf_template_info(HfTemplate which)
{
    g_assert(which < HF_TEMPLATE_COUNT);
    return &template_rows[which].info;
}

void hf_template_public(HfTemplate which, HfPublic *ret_public)
{
    const TemplateRow *row;
    HfPublic pub = { 0 };

    g_assert(which < HF_TEMPLATE_COUNT);
    row = &template_rows[which];
    pub.type = row->type;
    pub.name_alg = row->name_alg;
    pub.attributes = row->attributes;
    if (row->policy) {
        pub.policy_size = (uint16_t)hf_hash_size(row->name_alg);
        memcpy(pub.policy, row->policy, pub.policy_size);
    }
    if (row->label) {
        pub.symmetric.alg = TPM2_ALG_NULL;
        pub.scheme.alg = row->type == TPM2_ALG_RSA ? TPM2_ALG_RSAPSS : TPM2_ALG_ECDSA;
        pub.scheme.hash = row->name_alg;
        pub.unique_size = (uint16_t)strlen(row->label);
        memcpy(pub.unique, row->label, pub.unique_size);
    } else {
        pub.symmetric = (HfTpmSymmetric){ TPM2_ALG_AES, row->aes_bits, TPM2_ALG_CFB };
        pub.scheme.alg = TPM2_ALG_NULL;
    }
    pub.kdf.alg = TPM2_ALG_NULL;
    pub.rsa_bits = row->rsa_bits;
    pub.curve = row->curve;
    if (row->zero_unique) {
        size_t size = row->type == TPM2_ALG_RSA ? row->rsa_bits / 8u : hf_curve_size(row->curve);

        pub.unique_size = (uint16_t)size;
        pub.y_size = row->type == TPM2_ALG_ECC ? (uint16_t)size : 0;
    }
    *ret_public = pub;
}

void hf_template_allow_signing(HfPublic *pub, bool decrypt)
{
    pub->attributes &= ~(TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT);
    pub->attributes |= TPMA_OBJECT_SIGN_ENCRYPT | (decrypt ? TPMA_OBJECT_DECRYPT : 0);
    pub->symmetric = (HfTpmSymmetric){ TPM2_ALG_NULL, 0, 0 };
}

/* The template with the unique field of this key. */
static bool put_key(HfPublic *pub, const HfPublicKey *key, HfPublic *ret_public, GError **error)
{
    g_autoptr(GBytes) x = NULL;
    g_autoptr(GBytes) y = NULL;
    uint32_t exponent = RSA_DEFAULT_EXPONENT;

    if (pub->type == TPM2_ALG_RSA) {
        x = hf_public_key_modulus(key, &exponent);
    } else {
        hf_public_key_point(key, &x, &y);
        pub->y_size = (uint16_t)g_bytes_get_size(y);
        memcpy(pub->y, g_bytes_get_data(y, NULL), pub->y_size);
    }
    if (exponent != RSA_DEFAULT_EXPONENT) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "endorsement key: expected RSA exponent 65537, found %u", exponent);
    }
    pub->unique_size = (uint16_t)g_bytes_get_size(x);
    memcpy(pub->unique, g_bytes_get_data(x, NULL), pub->unique_size);
    *ret_public = *pub;
    return true;
}

bool hf_template_for_key(const HfPublicKey *key, HfPublic *ret_public, GError **error)
{
    bool rsa = hf_public_key_kind(key) == HF_KEY_RSA;
    g_autofree char *text = NULL;

    for (int i = HF_TEMPLATE_EK_RSA2048; i <= HF_TEMPLATE_EK_RSA4096; i++) {
        const TemplateRow *row = &template_rows[i];
        HfPublic pub;

        if (rsa ? row->rsa_bits != hf_public_key_bits(key)
                : row->curve != hf_public_key_curve(key)) {
            continue;
        }
        hf_template_public((HfTemplate)i, &pub);
        return put_key(&pub, key, ret_public, error);
    }
    text = hf_public_key_describe(key);
    return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "endorsement key: no standard template makes a key like %s", text);
}
