/*
 * certificate.c - certificates parsed, counted, loaded.
 *
 * The whole structure is walked here with the strict reader of der.h; GnuTLS only shows names and
 * takes the armour off PEM.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/certificate.h"

#include "base/error.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "pki/extension.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/pem.h"
#include "pki/sealed.h"
#include "pki/spki.h"

#include <string.h>

#define EXTENSIONS_MAX 64
#define PEM_TYPE "CERTIFICATE"

static const struct {
    const char *text;
    const char *policy;
} rooted_kinds[] = {
    [HF_ROOTED_HARDWARE] = { "hardware-rooted", HF_OID_POLICY_HARDWARE },
    [HF_ROOTED_SOFTWARE] = { "software-rooted", HF_OID_POLICY_SOFTWARE },
    [HF_ROOTED_NESTED] = { "nested", HF_OID_POLICY_NESTED },
};

const char *hf_rooted_text(HfRooted rooted)
{
    g_assert((size_t)rooted < G_N_ELEMENTS(rooted_kinds));
    return rooted_kinds[rooted].text;
}

const char *hf_rooted_policy(HfRooted rooted)
{
    g_assert((size_t)rooted < G_N_ELEMENTS(rooted_kinds));
    return rooted_kinds[rooted].policy;
}

HfCertificate *hf_certificate_ref(HfCertificate *certificate)
{
    return g_atomic_rc_box_acquire(certificate);
}

static void clear(gpointer data)
{
    HfCertificate *c = data;
    GBytes **bytes[] = { &c->der,     &c->tbs,  &c->signature, &c->serial,       &c->issuer,
                         &c->subject, &c->spki, &c->key_id,    &c->authority_id, &c->bond };
    char **texts[] = { &c->tpm_manufacturer,      &c->tpm_model,      &c->tpm_version,
                       &c->platform_manufacturer, &c->platform_model, &c->platform_version,
                       &c->spec_family,           &c->ca_issuers_url, &c->crl_url,
                       &c->unknown_critical,      &c->tpm_serial };
    for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++) {
        g_clear_pointer(bytes[i], g_bytes_unref);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_clear_pointer(texts[i], g_free);
    }
    g_clear_pointer(&c->purposes, g_strfreev);
    g_clear_pointer(&c->policies, g_strfreev);
    g_clear_pointer(&c->holding, hf_holding_free);
    g_clear_pointer(&c->mandate, hf_mandate_free);
}

void hf_certificate_unref(HfCertificate *certificate)
{
    if (certificate) {
        g_atomic_rc_box_release_full(certificate, clear);
    }
}

/* Returns what is wrong, or NULL. */
static const char *read_extensions(HfCertificate *c, HfReader *tbs)
{
    HfReader tagged = hf_der_get(tbs, HF_DER_CONTEXT_OF(3));
    HfReader r = hf_der_get(&tagged, HF_DER_SEQUENCE);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    while (!r.failed && hf_reader_left(&r) > 0) {
        char *oid = NULL;
        bool critical = false;
        HfReader value;
        if (!hf_der_extension(&r, &oid, &critical, &value)) {
            return "an extension is malformed";
        }
        if (!g_hash_table_add(seen, oid)) {
            return "an extension is there twice";
        }
        if (g_hash_table_size(seen) > EXTENSIONS_MAX) {
            return "there are too many extensions";
        }
        if (!hf_extension_read(c, oid, critical, value)) {
            return "the content of an extension is malformed";
        }
    }
    return hf_reader_done(&r) && hf_reader_done(&tagged) ? NULL : "the extensions are malformed";
}

static const char *read_serial(HfCertificate *c, HfReader *tbs)
{
    HfReader serial = hf_der_number(tbs, HF_DER_SERIAL_MAX);
    if (serial.failed) {
        return "the serial number is not a positive number of at most 20 octets";
    }
    c->serial = hf_der_bytes(serial);
    return NULL;
}

static const char *read_validity(HfCertificate *c, HfReader *tbs)
{
    HfReader validity = hf_der_get(tbs, HF_DER_SEQUENCE);
    c->not_before = hf_der_time(&validity);
    c->not_after = hf_der_time(&validity);
    return hf_reader_done(&validity) ? NULL : "the validity is malformed";
}

static const char *read_tbs(HfCertificate *c, const HfSealed *sealed)
{
    HfReader whole = sealed->part;
    HfReader tbs = hf_der_get(&whole, HF_DER_SEQUENCE);
    HfReader version = hf_der_get(&tbs, HF_DER_CONTEXT_OF(0));
    if (hf_der_uint(&version) != 2 || !hf_reader_done(&version)) {
        return "it is not of X.509 version 3";
    }
    const char *wrong = read_serial(c, &tbs);
    if (wrong) {
        return wrong;
    }
    if (!hf_sealed_same_algorithm(sealed, &tbs)) {
        return "the signature algorithms inside and outside of the signed part differ";
    }
    c->algorithm_known = hf_sealed_algorithm(sealed->algorithm, &c->algorithm);
    c->issuer = hf_name_read(&tbs);
    wrong = read_validity(c, &tbs);
    c->subject = hf_name_read(&tbs);
    if (!c->issuer || !c->subject) {
        return "the issuer's or subject's name is malformed";
    }
    if (wrong) {
        return wrong;
    }
    c->spki = hf_der_bytes(hf_der_whole(&tbs, HF_DER_SEQUENCE));
    g_autoptr(GBytes) key_id = hf_spki_key_id(c->spki);
    if (!key_id) {
        return "the public key is malformed";
    }
    if (hf_reader_left(&tbs) > 0) {
        wrong = read_extensions(c, &tbs);
    }
    return wrong || hf_reader_done(&tbs) ? wrong : "there is something after the extensions";
}

static const char *read_certificate(HfCertificate *c)
{
    HfSealed sealed;
    const char *wrong = hf_sealed_open(c->der, &sealed);
    if (wrong) {
        return wrong;
    }
    c->tbs = hf_der_bytes(sealed.part);
    c->signature = hf_der_bytes(sealed.signature);
    return read_tbs(c, &sealed);
}

HfCertificate *hf_certificate_new(GBytes *der, const char *label, GError **error)
{
    g_autoptr(HfCertificate) certificate = g_atomic_rc_box_new0(HfCertificate);
    certificate->path_length = -1;
    certificate->der = g_bytes_ref(der);
    const char *wrong = g_bytes_get_size(der) > HF_CERTIFICATE_FILE_MAX
                            ? "it is larger than 64 KiB"
                            : read_certificate(certificate);
    if (wrong) {
        hf_error_set(error, HF_ERROR_INVALID, "%s is not a valid certificate: %s", label, wrong);
        return NULL;
    }
    return g_steal_pointer(&certificate);
}

GPtrArray *hf_certificate_parse_bundle(GBytes *data, const char *label, GError **error)
{
    g_autoptr(GPtrArray) parts =
        hf_pem_bundle(data, PEM_TYPE, "certificate", HF_CERTIFICATE_BUNDLE_MAX, label, error);
    if (!parts) {
        return NULL;
    }
    g_autoptr(GPtrArray) certificates =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    for (unsigned i = 0; i < parts->len; i++) {
        g_autofree char *name =
            parts->len > 1 ? g_strdup_printf("%s, certificate %u,", label, i + 1) : g_strdup(label);
        HfCertificate *certificate = hf_certificate_new(parts->pdata[i], name, error);
        if (!certificate) {
            return NULL;
        }
        g_ptr_array_add(certificates, certificate);
    }
    return g_steal_pointer(&certificates);
}

GPtrArray *hf_certificate_load_bundle(const char *path, GError **error)
{
    g_autoptr(GBytes) data = hf_file_read_input(path, HF_CERTIFICATE_FILE_MAX, error);
    return data ? hf_certificate_parse_bundle(data, path, error) : NULL;
}

HfCertificate *hf_certificate_load(const char *path, GError **error)
{
    g_autoptr(GPtrArray) bundle = hf_certificate_load_bundle(path, error);
    if (!bundle) {
        return NULL;
    }
    if (bundle->len != 1) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected one certificate, found %u", path,
                     bundle->len);
        return NULL;
    }
    return hf_certificate_ref(bundle->pdata[0]);
}

char *hf_certificate_pem(const HfCertificate *certificate)
{
    return hf_pem_write(certificate->der, PEM_TYPE);
}

char *hf_certificate_subject_text(const HfCertificate *certificate)
{
    return hf_name_text(certificate->subject);
}

char *hf_certificate_issuer_text(const HfCertificate *certificate)
{
    return hf_name_text(certificate->issuer);
}

char *hf_certificate_fingerprint(const HfCertificate *certificate)
{
    HfDigest digest = hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(certificate->der, NULL),
                                   g_bytes_get_size(certificate->der));
    return hf_hex(digest.data, digest.size);
}

static bool has(char *const *list, const char *oid)
{
    for (size_t i = 0; list && list[i]; i++) {
        if (strcmp(list[i], oid) == 0) {
            return true;
        }
    }
    return false;
}

bool hf_certificate_has_policy(const HfCertificate *certificate, const char *oid)
{
    return has(certificate->policies, oid);
}

bool hf_certificate_has_purpose(const HfCertificate *certificate, const char *oid)
{
    return has(certificate->purposes, oid);
}

bool hf_certificate_check_usable(const HfCertificate *certificate, const char *name, gint64 at,
                                 GError **error)
{
    if (certificate->unknown_critical) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the %s has a critical extension that is not known: %s", name,
                            certificate->unknown_critical);
    }
    if (certificate->name_constraints_foreign) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "the %s constrains names of other kinds than DNS, e-mail and IP", name);
    }
    if (at < certificate->not_before || at > certificate->not_after) {
        return hf_error_set(error, HF_ERROR_POLICY, "the %s %s", name,
                            at < certificate->not_before ? "is not valid yet" : "has expired");
    }
    return true;
}

bool hf_certificate_is_virtual(const HfCertificate *certificate)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rooted_kinds); i++) {
        if (hf_certificate_has_policy(certificate, rooted_kinds[i].policy)) {
            return true;
        }
    }
    return false;
}

bool hf_certificate_rooted(const HfCertificate *certificate, HfRooted *ret_rooted)
{
    unsigned found = 0;
    HfRooted rooted = HF_ROOTED_SOFTWARE;
    for (size_t i = 0; i < G_N_ELEMENTS(rooted_kinds); i++) {
        if (has(certificate->policies, rooted_kinds[i].policy)) {
            rooted = (HfRooted)i;
            found++;
        }
    }
    if (found == 1) {
        *ret_rooted = rooted;
    }
    return found == 1;
}

bool hf_certificate_signed_by(const HfCertificate *certificate, const HfCertificate *issuer,
                              const char *label, GError **error)
{
    if (!certificate->algorithm_known) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: signed with an algorithm that is not accepted (RSA or ECDSA with "
                            "SHA-256 or SHA-384 is)",
                            label);
    }
    return hf_spki_verify(issuer->spki, certificate->algorithm, certificate->tbs,
                          certificate->signature, label, error);
}
