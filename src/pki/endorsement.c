/*
 * endorsement.c - EK, platform, AK, IAK and IDevID certificates.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/endorsement.h"

#include "base/error.h"
#include "pki/builder.h"
#include "pki/extension.h"
#include "pki/issuer.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/spki.h"

#include <string.h>

#define ID_PREFIX "id:"
#define ID_DIGITS 8
#define NO_VMID "unknown"

/* "id:" and eight hex digits, as the TCG writes 32-bit vendor numbers. */
static bool check_id(const char *text, const char *what, GError **error)
{
    size_t n = text && g_str_has_prefix(text, ID_PREFIX) ? strlen(text) - strlen(ID_PREFIX) : 0;
    size_t digits = n ? strspn(text + strlen(ID_PREFIX), "0123456789abcdefABCDEF") : 0;
    if (n != ID_DIGITS || digits != ID_DIGITS) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected \"id:\" and 8 hex digits, found \"%s\"", what,
                            text ? text : "");
    }
    return true;
}

static bool check_tpm(const HfEndorsement *in, GError **error)
{
    return check_id(in->tpm_manufacturer, "TPM manufacturer", error) &&
           hf_name_check_text(in->tpm_model, "TPM model", error) &&
           check_id(in->tpm_version, "TPM version", error);
}

static bool check_platform(const HfEndorsement *in, GError **error)
{
    return hf_name_check_text(in->platform_manufacturer, "platform manufacturer", error) &&
           hf_name_check_text(in->platform_model, "platform model", error) &&
           hf_name_check_text(in->platform_version, "platform version", error);
}

/* What the certificate will claim must be backed by what the issuer was certified for. */
static bool check_rooted(const HfEndorsement *in, HfRooted rooted, const HfCertificate *issuer,
                         GError **error)
{
    if (!hf_certificate_has_policy(issuer, hf_rooted_policy(rooted))) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the issuer's certificate lacks the policy %s (%s)",
                            hf_rooted_policy(rooted), hf_rooted_text(rooted));
    }
    if (!in->holding) {
        return hf_error_set(error, HF_ERROR_INVALID, "nothing is known of the TPM's holding");
    }
    bool is_host = rooted != HF_ROOTED_SOFTWARE;
    if (is_host && (!in->holding->host_ek || !in->holding->tcb_policy)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "a %s TPM needs the digests of the host TPM's EK and of the TCB policy",
                            hf_rooted_text(rooted));
    }
    if (!is_host && in->holding->host_ek) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "a software-rooted TPM has no host TPM, but an EK digest was given");
    }
    g_autoptr(GBytes) digest = hf_spki_digest(in->spki);
    if (is_host && g_bytes_equal(digest, in->holding->host_ek)) {
        return hf_error_set(error, HF_ERROR_POLICY, "the TPM's key is the host TPM's own");
    }
    if (issuer->mandate && !hf_mandate_allows(issuer->mandate, in->holding, error)) {
        g_prefix_error(error, "outside of what was delegated to the issuer: ");
        return false;
    }
    return true;
}

static bool find_usage(const HfEndorsement *in, uint16_t *ret_usage, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_spki_key(in->spki, "the TPM's key", error);
    if (!key) {
        return false;
    }
    unsigned use = in->use ? in->use : HF_ENDORSEMENT_DECRYPT;
    uint16_t usage = 0;
    if (use & HF_ENDORSEMENT_SIGN) {
        usage |= HF_USAGE_SIGNATURE;
    }
    if (use & HF_ENDORSEMENT_DECRYPT) {
        usage |= hf_public_key_kind(key) == HF_KEY_RSA ? HF_USAGE_KEY_ENCIPHERMENT
                                                       : HF_USAGE_KEY_AGREEMENT;
    }
    *ret_usage = usage;
    return true;
}

/* Everything that is checked before a builder is made. */
static bool check_input(const HfEndorsement *in, const char *purpose, const HfCertificate *issuer,
                        GError **error)
{
    gint64 end = in->not_after == -1 ? HF_DER_TIME_NEVER : in->not_after;
    return hf_issuer_check_validity(in->not_before, end, error) &&
           hf_issuer_check(issuer, purpose, in->not_before, error) &&
           (!in->ca_issuers_url ||
            hf_extension_check_url(in->ca_issuers_url, "URL of the issuer's certificate", error));
}

/* What all kinds have in common. */
static HfBuilder *begin(const HfEndorsement *in, GBytes *subject, const char *purpose,
                        uint16_t usage, const HfCertificate *issuer)
{
    const char *purposes[] = { purpose, NULL };
    gint64 end = in->not_after == -1 ? HF_DER_TIME_NEVER : in->not_after;
    HfBuilder *b = hf_builder_new(subject, in->spki, in->not_before, end);
    hf_builder_add(b, HF_OID_BASIC_CONSTRAINTS, true, hf_extension_basic_constraints(false, -1));
    hf_builder_add(b, HF_OID_KEY_USAGE, true, hf_extension_key_usage(usage));
    hf_builder_add(b, HF_OID_PURPOSES, false, hf_extension_purposes(purposes));
    hf_builder_add(b, HF_OID_AUTHORITY_KEY_ID, false, hf_extension_authority_id(issuer->key_id));
    if (in->ca_issuers_url) {
        hf_builder_add(b, HF_OID_AUTHORITY_INFO, false,
                       hf_extension_ca_issuers(in->ca_issuers_url));
    }
    return b;
}

static void add_tpm_name(HfBuilder *b, const HfEndorsement *in, bool critical)
{
    const char *const pairs[][2] = {
        { HF_OID_TPM_MANUFACTURER, in->tpm_manufacturer },
        { HF_OID_TPM_MODEL, in->tpm_model },
        { HF_OID_TPM_VERSION, in->tpm_version },
        { NULL, NULL },
    };
    hf_builder_add(b, HF_OID_SUBJECT_ALT_NAME, critical, hf_extension_directory_name(pairs));
}

static bool add_specification(HfBuilder *b, const HfEndorsement *in, GError **error)
{
    if (!hf_name_check_text(in->spec_family, "family of the TPM specification", error)) {
        return false;
    }
    hf_builder_add(b, HF_OID_SUBJECT_DIRECTORY, false,
                   hf_extension_specification(in->spec_family, in->spec_level, in->spec_revision));
    return true;
}

/* Policy and own extension. */
static bool add_holding(HfBuilder *b, const HfEndorsement *in, HfRooted rooted, GError **error)
{
    const char *policies[] = { hf_rooted_policy(rooted), NULL };
    g_autoptr(GByteArray) value = g_byte_array_new();
    if (!hf_holding_write(in->holding, value, error)) {
        return false;
    }
    hf_builder_add(b, HF_OID_POLICIES, false, hf_extension_policies(policies));
    hf_builder_add(b, HF_OID_HOLDING, false, g_steal_pointer(&value));
    return true;
}

HfCertificate *hf_endorsement_ek(const HfEndorsement *in, HfSigner *signer,
                                 const HfCertificate *issuer, GError **error)
{
    uint16_t usage = 0;
    if (!check_input(in, HF_OID_PURPOSE_EK, issuer, error) || !check_tpm(in, error) ||
        !check_rooted(in, signer->rooted, issuer, error) || !find_usage(in, &usage, error)) {
        return NULL;
    }
    g_autoptr(GBytes) subject = hf_name_empty();
    g_autoptr(HfBuilder) b = begin(in, subject, HF_OID_PURPOSE_EK, usage, issuer);
    add_tpm_name(b, in, true); /* critical: the subject is empty */
    if (!add_specification(b, in, error) || !add_holding(b, in, signer->rooted, error)) {
        return NULL;
    }
    return hf_builder_sign(b, signer, issuer, error);
}

HfCertificate *hf_endorsement_platform(const HfEndorsement *in, HfSigner *signer,
                                       const HfCertificate *issuer, GError **error)
{
    const char *const pairs[][2] = {
        { HF_OID_PLATFORM_MANUFACTURER, in->platform_manufacturer },
        { HF_OID_PLATFORM_MODEL, in->platform_model },
        { HF_OID_PLATFORM_VERSION, in->platform_version },
        { NULL, NULL },
    };
    uint16_t usage = 0;
    if (!check_input(in, HF_OID_PURPOSE_PLATFORM, issuer, error) || !check_platform(in, error) ||
        !check_rooted(in, signer->rooted, issuer, error) || !find_usage(in, &usage, error)) {
        return NULL;
    }
    g_autofree char *name = hf_name_fit(in->vmid ? in->vmid : NO_VMID);
    g_autoptr(GBytes) subject = hf_name_new(NULL, name, error);
    if (!subject) {
        return NULL;
    }
    g_autoptr(HfBuilder) b = begin(in, subject, HF_OID_PURPOSE_PLATFORM, usage, issuer);
    hf_builder_add(b, HF_OID_SUBJECT_ALT_NAME, false, hf_extension_directory_name(pairs));
    if (!add_holding(b, in, signer->rooted, error)) {
        return NULL;
    }
    return hf_builder_sign(b, signer, issuer, error);
}

/* What the CA says of an attestation key and its TPM. */
static bool add_ak_claims(HfBuilder *b, const HfEndorsement *in, GError **error)
{
    g_autoptr(GByteArray) value = g_byte_array_new();
    if (in->tpm_manufacturer) {
        add_tpm_name(b, in, false);
    }
    if (in->spec_family && !add_specification(b, in, error)) {
        return false;
    }
    if (in->ak_policies) {
        hf_builder_add(b, HF_OID_POLICIES, false, hf_extension_policies(in->ak_policies));
    }
    if (in->crl_url) {
        hf_builder_add(b, HF_OID_CRL_POINTS, false, hf_extension_crl_point(in->crl_url));
    }
    if (in->ak_endorsement && in->holding) {
        if (!hf_holding_write(in->holding, value, error)) {
            return false;
        }
        hf_builder_add(b, HF_OID_HOLDING, false, g_steal_pointer(&value));
    }
    if (in->ak_endorsement) {
        hf_builder_add(b, HF_OID_BOND, false, hf_extension_bond(in->ak_endorsement));
    }
    return true;
}

static bool check_ak(const HfEndorsement *in, GError **error)
{
    if (in->not_after == -1) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the certificate of an attestation key needs an end of its validity");
    }
    return (!in->tpm_manufacturer || check_tpm(in, error)) &&
           (!in->crl_url ||
            hf_extension_check_url(in->crl_url, "URL of the revocation list", error));
}

HfCertificate *hf_endorsement_ak(const HfEndorsement *in, HfSigner *signer,
                                 const HfCertificate *issuer, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_spki_key(in->spki, "the attestation key", error);
    if (!key || !check_input(in, HF_OID_PURPOSE_AK, issuer, error) || !check_ak(in, error)) {
        return NULL;
    }
    g_autofree char *name = hf_name_fit(in->vmid ? in->vmid : NO_VMID);
    g_autoptr(GBytes) subject = hf_name_new(NULL, name, error);
    if (!subject) {
        return NULL;
    }
    g_autoptr(HfBuilder) b = begin(in, subject, HF_OID_PURPOSE_AK, HF_USAGE_SIGNATURE, issuer);
    return add_ak_claims(b, in, error) ? hf_builder_sign(b, signer, issuer, error) : NULL;
}

static bool check_identity(const HfEndorsement *in, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_spki_key(in->spki, "the TPM's key", error);
    g_autoptr(GBytes) digest = key ? hf_spki_digest(in->spki) : NULL;
    if (!digest) {
        return false;
    }
    if (!in->ak_endorsement) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "nothing is known of the endorsement key of the key's TPM");
    }
    if (g_bytes_equal(digest, in->ak_endorsement)) {
        return hf_error_set(error, HF_ERROR_POLICY, "the key is the TPM's endorsement key itself");
    }
    return hf_extension_check_serial(in->tpm_serial, error);
}

static HfCertificate *identity(const HfEndorsement *in, const char *purpose, HfSigner *signer,
                               const HfCertificate *issuer, GError **error)
{
    if (!check_input(in, purpose, issuer, error) || !check_identity(in, error) ||
        !check_rooted(in, signer->rooted, issuer, error)) {
        return NULL;
    }
    g_autoptr(GBytes) subject = in->subject
                                    ? g_bytes_ref(in->subject)
                                    : hf_name_new_serial(in->vmid ? in->vmid : in->tpm_serial);
    g_autoptr(HfBuilder) b = begin(in, subject, purpose, HF_USAGE_SIGNATURE, issuer);
    hf_builder_add(b, HF_OID_SUBJECT_ALT_NAME, false, hf_extension_hardware_module(in->tpm_serial));
    if (!add_holding(b, in, signer->rooted, error)) {
        return NULL;
    }
    hf_builder_add(b, HF_OID_BOND, false, hf_extension_bond(in->ak_endorsement));
    return hf_builder_sign(b, signer, issuer, error);
}

HfCertificate *hf_endorsement_iak(const HfEndorsement *in, HfSigner *signer,
                                  const HfCertificate *issuer, GError **error)
{
    return identity(in, HF_OID_PURPOSE_AK, signer, issuer, error);
}

HfCertificate *hf_endorsement_idevid(const HfEndorsement *in, HfSigner *signer,
                                     const HfCertificate *issuer, GError **error)
{
    return identity(in, HF_OID_PURPOSE_IDENTITY, signer, issuer, error);
}
