/*
 * hostkey.c - public areas of holdfast's keys in a host TPM, and of a guest's attestation key.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tpm2/hostkey.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"

#define RESIDENT (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN)

static void ecdsa_p256(HfPublic *pub, uint32_t attributes)
{
    *pub = (HfPublic){
        .type = TPM2_ALG_ECC,
        .name_alg = TPM2_ALG_SHA256,
        .attributes = attributes,
        .symmetric.alg = TPM2_ALG_NULL,
        .scheme = { .alg = TPM2_ALG_ECDSA, .hash = TPM2_ALG_SHA256 },
        .curve = TPM2_ECC_NIST_P256,
        .kdf.alg = TPM2_ALG_NULL,
    };
}

void hf_host_ak_template(HfPublic *ret_public)
{
    ecdsa_p256(ret_public, RESIDENT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
                               TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT);
}

HfTpmName hf_host_ak_qualified(const HfPublic *ak)
{
    HfTpmName hierarchy = hf_tpm_name_of_handle(TPM2_RH_ENDORSEMENT);
    HfTpmName name = hf_public_name(ak);

    return hf_tpm_name_qualify(&hierarchy, &name);
}

static void use_rsa_2048(HfPublic *pub)
{
    pub->type = TPM2_ALG_RSA;
    pub->scheme.alg = TPM2_ALG_RSASSA;
    pub->rsa_bits = 2048;
    pub->curve = 0;
    pub->kdf.alg = 0;
}

void hf_guest_ak_template(HfAkAlgorithm algorithm, HfPublic *ret_public)
{
    ecdsa_p256(ret_public, RESIDENT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
                               TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT);
    if (algorithm == HF_AK_RSA_2048) {
        use_rsa_2048(ret_public);
    } else if (algorithm == HF_AK_ECC_P384) {
        ret_public->name_alg = TPM2_ALG_SHA384;
        ret_public->scheme.hash = TPM2_ALG_SHA384;
        ret_public->curve = TPM2_ECC_NIST_P384;
    }
}

HfTpmName hf_guest_ak_qualified(const HfPublic *ek, const HfPublic *ak)
{
    HfTpmName hierarchy = hf_tpm_name_of_handle(TPM2_RH_ENDORSEMENT);
    HfTpmName ek_name = hf_public_name(ek);
    HfTpmName parent = hf_tpm_name_qualify(&hierarchy, &ek_name);
    HfTpmName name = hf_public_name(ak);

    return hf_tpm_name_qualify(&parent, &name);
}

HfTpmName hf_guest_iak_qualified(const HfPublic *iak)
{
    HfTpmName hierarchy = hf_tpm_name_of_handle(TPM2_RH_ENDORSEMENT);
    HfTpmName name = hf_public_name(iak);

    return hf_tpm_name_qualify(&hierarchy, &name);
}

void hf_vma_template(HfVmaAlgorithm algorithm, const HfDigest *policy, HfPublic *ret_public)
{
    g_assert(policy->alg == HF_HASH_SHA256);
    ecdsa_p256(ret_public, RESIDENT | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_SIGN_ENCRYPT);
    if (algorithm == HF_VMA_RSA_2048) {
        use_rsa_2048(ret_public);
    }
    ret_public->policy_size = policy->size;
    memcpy(ret_public->policy, policy->data, policy->size);
}

void hf_ca_template(bool guarded, HfPublic *ret_public)
{
    ecdsa_p256(ret_public, RESIDENT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT |
                               (guarded ? 0 : TPMA_OBJECT_NODA));
}

void hf_derivation_template(const HfDigest *policy, HfPublic *ret_public)
{
    g_assert(policy->alg == HF_HASH_SHA256);
    *ret_public = (HfPublic){
        .type = TPM2_ALG_KEYEDHASH,
        .name_alg = TPM2_ALG_SHA256,
        .attributes = RESIDENT | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_SIGN_ENCRYPT,
        .scheme = { .alg = TPM2_ALG_HMAC, .hash = TPM2_ALG_SHA256 },
        .policy_size = policy->size,
    };
    memcpy(ret_public->policy, policy->data, policy->size);
}

static bool refuse(GError **error, const char *key, const char *what, const char *expected,
                   const char *found)
{
    return hf_error_set(error, HF_ERROR_POLICY, "%s: %s: %s expected, found %s", key, what,
                        expected, found);
}

static bool check_number(const char *key, const char *what, unsigned expected, unsigned found,
                         GError **error)
{
    g_autofree char *a = NULL;
    g_autofree char *b = NULL;

    if (expected == found) {
        return true;
    }
    a = g_strdup_printf("0x%x", expected);
    b = g_strdup_printf("0x%x", found);
    return refuse(error, key, what, a, b);
}

/* Everything but the type, which `wanted` has from `found`, and the unique field. */
static bool check(const char *key, const HfPublic *wanted, const HfPublic *found, GError **error)
{
    if (!check_number(key, "name algorithm", wanted->name_alg, found->name_alg, error)) {
        return false;
    }
    if (found->attributes != wanted->attributes) {
        g_autofree char *a = hf_public_attributes_text(wanted->attributes);
        g_autofree char *b = hf_public_attributes_text(found->attributes);

        return refuse(error, key, "attributes", a, b);
    }
    if (!check_number(key, "symmetric algorithm", wanted->symmetric.alg, found->symmetric.alg,
                      error) ||
        !check_number(key, "scheme", wanted->scheme.alg, found->scheme.alg, error) ||
        !check_number(key, "scheme hash", wanted->scheme.hash, found->scheme.hash, error) ||
        !check_number(key, "curve", wanted->curve, found->curve, error) ||
        !check_number(key, "key derivation", wanted->kdf.alg, found->kdf.alg, error) ||
        !check_number(key, "RSA bits", wanted->rsa_bits, found->rsa_bits, error)) {
        return false;
    }
    if (found->policy_size != wanted->policy_size ||
        memcmp(found->policy, wanted->policy, wanted->policy_size) != 0) {
        g_autofree char *a = hf_hex(wanted->policy, wanted->policy_size);
        g_autofree char *b = hf_hex(found->policy, found->policy_size);

        return refuse(error, key, "authPolicy", a, b);
    }
    return true;
}

bool hf_vma_check(const HfPublic *found, const HfDigest *policy, GError **error)
{
    HfPublic wanted;

    if (found->type != TPM2_ALG_ECC && found->type != TPM2_ALG_RSA) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "signing key: type: ECC or RSA expected, found 0x%x", found->type);
    }
    hf_vma_template(found->type == TPM2_ALG_ECC ? HF_VMA_ECC_P256 : HF_VMA_RSA_2048, policy,
                    &wanted);
    return check("signing key", &wanted, found, error);
}

bool hf_derivation_check(const HfPublic *found, const HfDigest *policy, GError **error)
{
    HfPublic wanted;

    hf_derivation_template(policy, &wanted);
    return check_number("derivation key", "type", wanted.type, found->type, error) &&
           check("derivation key", &wanted, found, error);
}

static bool approver_ecc(const HfPublicKey *key, HfPublic *pub)
{
    g_autoptr(GBytes) x = NULL;
    g_autoptr(GBytes) y = NULL;

    hf_public_key_point(key, &x, &y);
    pub->curve = TPM2_ECC_NIST_P256;
    pub->unique_size = (uint16_t)g_bytes_get_size(x);
    pub->y_size = (uint16_t)g_bytes_get_size(y);
    memcpy(pub->unique, g_bytes_get_data(x, NULL), pub->unique_size);
    memcpy(pub->y, g_bytes_get_data(y, NULL), pub->y_size);
    return true;
}

static bool approver_rsa(const HfPublicKey *key, HfPublic *pub)
{
    g_autoptr(GBytes) modulus = NULL;
    uint32_t exponent = 0;

    modulus = hf_public_key_modulus(key, &exponent);
    pub->type = TPM2_ALG_RSA;
    pub->kdf.alg = 0;
    pub->rsa_bits = (uint16_t)hf_public_key_bits(key);
    pub->rsa_exponent = exponent == 65537 ? 0 : exponent;
    pub->unique_size = (uint16_t)g_bytes_get_size(modulus);
    memcpy(pub->unique, g_bytes_get_data(modulus, NULL), pub->unique_size);
    return true;
}

bool hf_approver_public(const HfPublicKey *key, HfPublic *ret_public, GError **error)
{
    unsigned bits = hf_public_key_bits(key);
    HfPublic pub = {
        .type = TPM2_ALG_ECC,
        .name_alg = TPM2_ALG_SHA256,
        .attributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT,
        .symmetric.alg = TPM2_ALG_NULL,
        .scheme.alg = TPM2_ALG_NULL,
        .kdf.alg = TPM2_ALG_NULL,
    };
    bool done = false;

    if (hf_public_key_kind(key) == HF_KEY_EC) {
        done = hf_public_key_curve(key) == HF_CURVE_P256 && approver_ecc(key, &pub);
    } else if (bits == 2048 || bits == 3072) {
        done = approver_rsa(key, &pub);
    }
    if (!done) {
        g_autofree char *found = hf_public_key_describe(key);

        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "approver's key: ECC P-256, RSA-2048 or RSA-3072 expected, found %s",
                            found);
    }
    *ret_public = pub;
    return true;
}
