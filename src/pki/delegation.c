/*
 * delegation.c - root and vMA certificates.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/delegation.h"

#include "base/error.h"
#include "pki/builder.h"
#include "pki/extension.h"
#include "pki/issuer.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/spki.h"

#define SECONDS_A_DAY 86400

HfCertificate *hf_delegation_root(const HfRootInput *in, HfSigner *signer, GError **error)
{
    gint64 end = in->days ? in->not_before + (gint64)in->days * SECONDS_A_DAY : HF_DER_TIME_NEVER;
    g_autoptr(GBytes) subject = hf_name_new(in->organization, in->common_name, error);
    g_autoptr(HfPublicKey) key =
        subject ? hf_spki_key(signer->spki, "the root's key", error) : NULL;
    if (!key || !hf_issuer_check_validity(in->not_before, end, error)) {
        return NULL;
    }
    g_autoptr(GBytes) key_id = hf_spki_key_id(signer->spki);
    g_autoptr(HfBuilder) b = hf_builder_new(subject, signer->spki, in->not_before, end);
    hf_builder_add(b, HF_OID_BASIC_CONSTRAINTS, true, hf_extension_basic_constraints(true, 1));
    hf_builder_add(b, HF_OID_KEY_USAGE, true,
                   hf_extension_key_usage(HF_USAGE_CERTIFICATES | HF_USAGE_CRL));
    hf_builder_add(b, HF_OID_SUBJECT_KEY_ID, false, hf_extension_key_id(key_id));
    return hf_builder_sign(b, signer, NULL, error);
}

static bool check_delegation(const HfDelegation *in, gint64 end, const HfCertificate *root,
                             GError **error)
{
    HfSignAlgorithm algorithm = 0; /* only whether there is one */
    if (in->as_root && in->rooted != HF_ROOTED_SOFTWARE) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "only a software-rooted delegation may last as long as the root");
    }
    if (in->mandate && (in->mandate->nested > 0) != (in->rooted == HF_ROOTED_NESTED)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "a nested delegation, and no other, has levels of nesting");
    }
    if (!in->as_root && (in->days < 1 || in->days > HF_DELEGATION_DAYS_MAX)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the validity of a delegation must be 1 to %d days, found %u",
                            HF_DELEGATION_DAYS_MAX, in->days);
    }
    if (!hf_issuer_check_validity(in->not_before, end, error) ||
        !hf_issuer_check(root, HF_OID_PURPOSE_EK, in->not_before, error) ||
        !hf_spki_algorithm(in->spki, "the vMA's key", &algorithm, error)) {
        return false;
    }
    if (root->path_length == 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the path length of the root's certificate allows no CA below it");
    }
    if (end > root->not_after) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the root's certificate expires before the delegation would");
    }
    if (g_bytes_equal(in->spki, root->spki)) {
        return hf_error_set(error, HF_ERROR_POLICY, "the vMA's key is the key of the root itself");
    }
    return !in->crl_url || hf_extension_check_url(in->crl_url, "URL of the revocation list", error);
}

static GBytes *make_subject(const HfDelegation *in, GBytes *key_id, GError **error)
{
    size_t n = 0;
    const void *id = g_bytes_get_data(key_id, &n);
    g_autofree char *hex = hf_hex(id, n);
    g_autofree char *unique = g_strdup_printf("holdfast vMA %s", hex);
    g_autofree char *policy = g_strdup_printf("migration policy %s", in->policy_unit);
    g_autofree char *model = g_strdup_printf("device model %s", in->model_unit);
    g_autofree char *policy_fit = hf_name_fit(policy);
    g_autofree char *model_fit = hf_name_fit(model);
    const char *units[] = { policy_fit, model_fit, NULL };
    return hf_name_new_units(in->organization, in->policy_unit ? units : NULL,
                             in->common_name ? in->common_name : unique, error);
}

static void add_constraints(HfBuilder *b, const HfDelegation *in)
{
    const char *purposes[] = { HF_OID_PURPOSE_EK, HF_OID_PURPOSE_PLATFORM,
                               in->identity_keys ? HF_OID_PURPOSE_AK : NULL,
                               HF_OID_PURPOSE_IDENTITY, NULL };
    /* The TCG's two say what was verified of a key in a hardware TPM, and only of such. */
    const char *hardware[] = { HF_OID_POLICY_TPM_RESIDENCY, HF_OID_POLICY_TPM_FIXED,
                               hf_rooted_policy(in->rooted), NULL };
    const char *issuer[] = { HF_OID_POLICY_ISSUER, hf_rooted_policy(in->rooted), NULL };
    bool is_hardware = in->rooted == HF_ROOTED_HARDWARE;
    hf_builder_add(b, HF_OID_BASIC_CONSTRAINTS, true, hf_extension_basic_constraints(true, 0));
    hf_builder_add(b, HF_OID_KEY_USAGE, true, hf_extension_key_usage(HF_USAGE_CERTIFICATES));
    hf_builder_add(b, HF_OID_PURPOSES, false, hf_extension_purposes(purposes));
    hf_builder_add(b, HF_OID_POLICIES, false,
                   hf_extension_policies(in->fleet_issuer ? issuer
                                         : is_hardware    ? hardware
                                                          : hardware + 2));
    if (in->name_constraints) {
        hf_builder_add(b, HF_OID_NAME_CONSTRAINTS, true, hf_extension_name_constraints());
    }
    if (in->crl_url) {
        hf_builder_add(b, HF_OID_CRL_POINTS, false, hf_extension_crl_point(in->crl_url));
    }
}

HfCertificate *hf_delegation_new(const HfDelegation *in, HfSigner *signer,
                                 const HfCertificate *root, GError **error)
{
    gint64 end = in->as_root ? root->not_after : in->not_before + (gint64)in->days * SECONDS_A_DAY;
    if (!check_delegation(in, end, root, error)) {
        return NULL;
    }
    g_autoptr(GBytes) key_id = hf_spki_key_id(in->spki);
    g_autoptr(GBytes) subject = make_subject(in, key_id, error);
    if (!subject) {
        return NULL;
    }
    if (g_bytes_equal(subject, root->subject)) {
        hf_error_set(error, HF_ERROR_INVALID, "the vMA's name is the name of the root itself");
        return NULL;
    }
    g_autoptr(HfBuilder) b = hf_builder_new(subject, in->spki, in->not_before, end);
    add_constraints(b, in);
    if (in->mandate) {
        g_autoptr(GByteArray) value = g_byte_array_new();
        if (!hf_mandate_write(in->mandate, value, error)) {
            return NULL;
        }
        hf_builder_add(b, HF_OID_MANDATE, false, g_steal_pointer(&value));
    }
    hf_builder_add(b, HF_OID_SUBJECT_KEY_ID, false, hf_extension_key_id(key_id));
    hf_builder_add(b, HF_OID_AUTHORITY_KEY_ID, false, hf_extension_authority_id(root->key_id));
    return hf_builder_sign(b, signer, root, error);
}

bool hf_delegation_has_identity_keys(const HfCertificate *vma)
{
    return hf_certificate_has_purpose(vma, HF_OID_PURPOSE_AK) &&
           hf_certificate_has_purpose(vma, HF_OID_PURPOSE_IDENTITY);
}
