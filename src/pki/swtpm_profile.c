/*
 * swtpm_profile.c - EK, platform, IAK and IDevID certificates as swtpm_cert writes them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/swtpm_profile.h"

#include "base/error.h"
#include "pki/builder.h"
#include "pki/extension.h"
#include "pki/issuer.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/spki.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define SERIAL_MAX 20
#define SUBJECT_MAX 2048

/* Platform attributes of TPM 1.2's time. */
#define OID_PLATFORM_MANUFACTURER_12 "2.23.133.2.4"
#define OID_PLATFORM_MODEL_12 "2.23.133.2.5"
#define OID_PLATFORM_VERSION_12 "2.23.133.2.6"

GBytes *hf_swtpm_profile_serial(const char *decimal, GError **error)
{
    uint8_t number[SERIAL_MAX] = { 0 };
    const char *p = decimal;
    unsigned overflow = 0;
    for (; g_ascii_isdigit(*p) && overflow == 0; p++) {
        unsigned carry = (unsigned)(*p - '0');
        for (size_t i = SERIAL_MAX; i-- > 0;) {
            unsigned value = number[i] * 10u + carry;
            number[i] = (uint8_t)value;
            carry = value >> 8;
        }
        overflow = carry;
    }
    size_t start = 0;
    while (start < SERIAL_MAX && number[start] == 0) {
        start++;
    }
    if (p == decimal || *p != '\0' || overflow || start == SERIAL_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, "Serial number is invalid.");
        return NULL;
    }
    return g_bytes_new(number + start, SERIAL_MAX - start);
}

/* DER Name of RFC 4514 text: the last of the text comes first, as the RFC has it. */
static GBytes *parse_subject(const char *text, GError **error)
{
    gnutls_x509_crt_t certificate = NULL;
    gnutls_datum_t name = { 0 };
    const char *fault = NULL;
    if (!text || *text == '\0') {
        return hf_name_empty();
    }
    if (strlen(text) > SUBJECT_MAX || !g_utf8_validate(text, -1, NULL)) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "Could not set DN on CRT: expected at most %d bytes of UTF-8", SUBJECT_MAX);
        return NULL;
    }
    int rc = gnutls_x509_crt_init(&certificate);
    if (rc == 0) {
        rc = gnutls_x509_crt_set_dn(certificate, text, &fault);
    }
    if (rc == 0) {
        rc = gnutls_x509_crt_get_raw_dn(certificate, &name);
    }
    gnutls_x509_crt_deinit(certificate);
    if (rc < 0) {
        hf_error_set(error, HF_ERROR_INVALID, "Could not set DN on CRT: %s (DN '%s')",
                     gnutls_strerror(rc), text);
        return NULL;
    }
    GBytes *der = g_bytes_new(name.data, name.size);
    gnutls_free(name.data);
    return der;
}

/* What swtpm took for an issuer was any certificate; it must be one that can be one. */
static bool check_issuer(const HfCertificate *issuer, gint64 at, GError **error)
{
    g_autofree char *name = hf_certificate_subject_text(issuer);
    if (!issuer->is_ca || (issuer->has_key_usage && !(issuer->key_usage & HF_USAGE_CERTIFICATES))) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the issuer \"%s\" is not a CA that may sign certificates", name);
    }
    if (*name == '\0') {
        return hf_error_set(error, HF_ERROR_INVALID, "the issuer's certificate has no subject");
    }
    if (at > issuer->not_after) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the certificate of the issuer \"%s\" has "
                            "expired",
                            name);
    }
    return true;
}

static bool is_identity(const HfSwtpmProfile *in)
{
    return in->kind == HF_SWTPM_IAK || in->kind == HF_SWTPM_IDEVID;
}

static bool check_names(const HfSwtpmProfile *in, GError **error)
{
    bool names_tpm = in->kind == HF_SWTPM_EK || (in->kind == HF_SWTPM_PLATFORM && !in->is_tpm2);
    if (names_tpm && (!hf_name_check_text(in->tpm_manufacturer, "TPM manufacturer", error) ||
                      !hf_name_check_text(in->tpm_model, "TPM model", error) ||
                      !hf_name_check_text(in->tpm_version, "TPM version", error))) {
        return false;
    }
    if (in->kind == HF_SWTPM_EK &&
        !hf_name_check_text(in->spec_family, "family of the TPM specification", error)) {
        return false;
    }
    if (is_identity(in)) {
        return hf_extension_check_serial(in->hardware_serial, error);
    }
    return in->kind != HF_SWTPM_PLATFORM ||
           (hf_name_check_text(in->platform_manufacturer, "platform manufacturer", error) &&
            hf_name_check_text(in->platform_model, "platform model", error) &&
            hf_name_check_text(in->platform_version, "platform version", error));
}

static bool find_usage(const HfSwtpmProfile *in, uint16_t *ret_usage, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_spki_key(in->spki, "the TPM's key", error);
    if (!key) {
        return false;
    }
    uint16_t usage = in->may_sign || is_identity(in) ? HF_USAGE_SIGNATURE : 0;
    if (usage == 0 || (in->may_decrypt && !is_identity(in))) {
        usage |= hf_public_key_kind(key) == HF_KEY_RSA ? HF_USAGE_KEY_ENCIPHERMENT
                                                       : HF_USAGE_KEY_AGREEMENT;
    }
    *ret_usage = usage;
    return true;
}

static GByteArray *alt_name(const HfSwtpmProfile *in)
{
    const char *const tpm[][2] = {
        { HF_OID_TPM_MANUFACTURER, in->tpm_manufacturer },
        { HF_OID_TPM_MODEL, in->tpm_model },
        { HF_OID_TPM_VERSION, in->tpm_version },
        { NULL, NULL },
    };
    const char *const platform[][2] = {
        { HF_OID_PLATFORM_MANUFACTURER, in->platform_manufacturer },
        { HF_OID_PLATFORM_MODEL, in->platform_model },
        { HF_OID_PLATFORM_VERSION, in->platform_version },
        { NULL, NULL },
    };
    const char *const both[][2] = {
        { HF_OID_TPM_MANUFACTURER, in->tpm_manufacturer },
        { HF_OID_TPM_MODEL, in->tpm_model },
        { HF_OID_TPM_VERSION, in->tpm_version },
        { OID_PLATFORM_MANUFACTURER_12, in->platform_manufacturer },
        { OID_PLATFORM_MODEL_12, in->platform_model },
        { OID_PLATFORM_VERSION_12, in->platform_version },
        { NULL, NULL },
    };
    if (is_identity(in)) {
        return hf_extension_hardware_module(in->hardware_serial);
    }
    if (in->kind == HF_SWTPM_EK) {
        return hf_extension_directory_name(tpm);
    }
    return hf_extension_directory_name(in->is_tpm2 ? platform : both);
}

static void add_extensions(HfBuilder *b, const HfSwtpmProfile *in, uint16_t usage,
                           const HfSigner *signer, const HfCertificate *issuer)
{
    const char *policies[] = { hf_rooted_policy(signer->rooted), NULL };
    const char *purposes[] = { in->kind == HF_SWTPM_EK ? HF_OID_PURPOSE_EK
                                                       : HF_OID_PURPOSE_PLATFORM,
                               NULL };
    hf_builder_add(b, HF_OID_SUBJECT_ALT_NAME, !is_identity(in), alt_name(in));
    hf_builder_add(b, HF_OID_BASIC_CONSTRAINTS, true, hf_extension_basic_constraints(false, -1));
    if (in->kind == HF_SWTPM_EK) {
        hf_builder_add(
            b, HF_OID_SUBJECT_DIRECTORY, false,
            hf_extension_specification(in->spec_family, in->spec_level, in->spec_revision));
    }
    if (issuer->key_id) {
        hf_builder_add(b, HF_OID_AUTHORITY_KEY_ID, false,
                       hf_extension_authority_id(issuer->key_id));
    }
    hf_builder_add(b, HF_OID_KEY_USAGE, true, hf_extension_key_usage(usage));
    if (!is_identity(in)) {
        hf_builder_add(b, HF_OID_PURPOSES, false, hf_extension_purposes(purposes));
    }
    hf_builder_add(b, HF_OID_POLICIES, false, hf_extension_policies(policies));
}

HfCertificate *hf_swtpm_profile_issue(const HfSwtpmProfile *in, HfSigner *signer,
                                      const HfCertificate *issuer, GError **error)
{
    uint16_t usage = 0;
    if (!hf_issuer_check_validity(in->not_before, in->not_after, error) ||
        !check_issuer(issuer, in->not_before, error) || !check_names(in, error) ||
        !find_usage(in, &usage, error)) {
        return NULL;
    }
    g_autoptr(GBytes) subject = parse_subject(in->is_tpm2 ? in->subject : NULL, error);
    if (!subject) {
        return NULL;
    }
    g_autoptr(HfBuilder) b = hf_builder_new(subject, in->spki, in->not_before, in->not_after);
    b->serial = in->serial ? g_bytes_ref(in->serial) : NULL;
    add_extensions(b, in, usage, signer, issuer);
    return hf_builder_sign(b, signer, issuer, error);
}
