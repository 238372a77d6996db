/*
 * extension.c - certificate extensions, written (RFC 5280; TCG EK Credential Profile).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/extension.h"

#include "base/error.h"
#include "pki/oid.h"

#include <string.h>

#define URL_MAX 512

/* GeneralName alternatives. */
enum {
    NAME_OTHER = 0,
    NAME_EMAIL = 1,
    NAME_DNS = 2,
    NAME_DIRECTORY = 4,
    NAME_URI = 6,
    NAME_IP = 7
};

GByteArray *hf_extension_basic_constraints(bool is_ca, int path_length)
{
    GByteArray *w = g_byte_array_new();
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    if (is_ca) { /* FALSE is the default and not encoded */
        hf_der_put_bool(w, true);
    }
    if (is_ca && path_length >= 0) {
        hf_der_put_uint(w, (uint64_t)path_length);
    }
    hf_der_end(w, sequence);
    return w;
}

GByteArray *hf_extension_key_usage(uint16_t usage)
{
    g_assert(usage != 0);
    unsigned unused = 0;
    while (!(usage >> unused & 1)) {
        unused++;
    }
    uint8_t value[3] = { (uint8_t)(unused % 8), (uint8_t)(usage >> 8), (uint8_t)usage };
    GByteArray *w = g_byte_array_new();
    hf_der_put(w, HF_DER_BITS, value, unused >= 8 ? 2 : 3);
    return w;
}

GByteArray *hf_extension_purposes(const char *const *oids)
{
    GByteArray *w = g_byte_array_new();
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    for (size_t i = 0; oids[i]; i++) {
        hf_der_put_oid(w, oids[i]);
    }
    hf_der_end(w, sequence);
    return w;
}

GByteArray *hf_extension_policies(const char *const *oids)
{
    GByteArray *w = g_byte_array_new();
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    for (size_t i = 0; oids[i]; i++) {
        size_t information = hf_der_begin(w, HF_DER_SEQUENCE);
        hf_der_put_oid(w, oids[i]);
        hf_der_end(w, information);
    }
    hf_der_end(w, sequence);
    return w;
}

GByteArray *hf_extension_key_id(GBytes *key_id)
{
    size_t n = 0;
    const void *data = g_bytes_get_data(key_id, &n);
    GByteArray *w = g_byte_array_new();
    hf_der_put(w, HF_DER_OCTETS, data, n);
    return w;
}

GByteArray *hf_extension_authority_id(GBytes *key_id)
{
    size_t n = 0;
    const void *data = g_bytes_get_data(key_id, &n);
    GByteArray *w = g_byte_array_new();
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put(w, HF_DER_CONTEXT(0), data, n);
    hf_der_end(w, sequence);
    return w;
}

GByteArray *hf_extension_directory_name(const char *const pairs[][2])
{
    GByteArray *w = g_byte_array_new();
    size_t names = hf_der_begin(w, HF_DER_SEQUENCE);
    size_t directory = hf_der_begin(w, HF_DER_CONTEXT_OF(NAME_DIRECTORY));
    size_t rdns = hf_der_begin(w, HF_DER_SEQUENCE);
    for (size_t i = 0; pairs[i][0]; i++) {
        size_t rdn = hf_der_begin(w, HF_DER_SET);
        size_t pair = hf_der_begin(w, HF_DER_SEQUENCE);
        hf_der_put_oid(w, pairs[i][0]);
        hf_der_put_text(w, HF_DER_UTF8, pairs[i][1]);
        hf_der_end(w, pair);
        hf_der_end(w, rdn);
    }
    hf_der_end(w, rdns);
    hf_der_end(w, directory);
    hf_der_end(w, names);
    return w;
}

GByteArray *hf_extension_specification(const char *family, uint32_t level, uint32_t revision)
{
    GByteArray *w = g_byte_array_new();
    size_t attributes = hf_der_begin(w, HF_DER_SEQUENCE);
    size_t attribute = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_oid(w, HF_OID_TPM_SPECIFICATION);
    size_t values = hf_der_begin(w, HF_DER_SET);
    size_t specification = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_text(w, HF_DER_UTF8, family);
    hf_der_put_uint(w, level);
    hf_der_put_uint(w, revision);
    hf_der_end(w, specification);
    hf_der_end(w, values);
    hf_der_end(w, attribute);
    hf_der_end(w, attributes);
    return w;
}

GByteArray *hf_extension_ca_issuers(const char *url)
{
    GByteArray *w = g_byte_array_new();
    size_t descriptions = hf_der_begin(w, HF_DER_SEQUENCE);
    size_t description = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_oid(w, HF_OID_CA_ISSUERS);
    hf_der_put_text(w, HF_DER_CONTEXT(NAME_URI), url);
    hf_der_end(w, description);
    hf_der_end(w, descriptions);
    return w;
}

GByteArray *hf_extension_crl_point(const char *url)
{
    GByteArray *w = g_byte_array_new();
    size_t points = hf_der_begin(w, HF_DER_SEQUENCE);
    size_t point = hf_der_begin(w, HF_DER_SEQUENCE);
    size_t name = hf_der_begin(w, HF_DER_CONTEXT_OF(0)); /* distributionPoint */
    size_t full = hf_der_begin(w, HF_DER_CONTEXT_OF(0)); /* fullName */
    hf_der_put_text(w, HF_DER_CONTEXT(NAME_URI), url);
    hf_der_end(w, full);
    hf_der_end(w, name);
    hf_der_end(w, point);
    hf_der_end(w, points);
    return w;
}

static void put_subtree(GByteArray *w, uint8_t name, const void *data, size_t n)
{
    size_t subtree = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put(w, (uint8_t)HF_DER_CONTEXT(name), data, n);
    hf_der_end(w, subtree);
}

GByteArray *hf_extension_name_constraints(void)
{
    static const char domain[] = "vtpm.invalid";
    static const uint8_t every_ip4[4 + 4] = { 0 }; /* address and mask */
    static const uint8_t every_ip6[16 + 16] = { 0 };
    GByteArray *w = g_byte_array_new();
    size_t constraints = hf_der_begin(w, HF_DER_SEQUENCE);
    size_t permitted = hf_der_begin(w, HF_DER_CONTEXT_OF(0));
    put_subtree(w, NAME_DNS, domain, strlen(domain));
    put_subtree(w, NAME_EMAIL, domain, strlen(domain));
    hf_der_end(w, permitted);
    size_t excluded = hf_der_begin(w, HF_DER_CONTEXT_OF(1));
    put_subtree(w, NAME_IP, every_ip4, sizeof every_ip4);
    put_subtree(w, NAME_IP, every_ip6, sizeof every_ip6);
    hf_der_end(w, excluded);
    hf_der_end(w, constraints);
    return w;
}

GByteArray *hf_extension_hardware_module(const char *serial)
{
    GByteArray *w = g_byte_array_new();
    size_t names = hf_der_begin(w, HF_DER_SEQUENCE);
    size_t other = hf_der_begin(w, HF_DER_CONTEXT_OF(NAME_OTHER));
    hf_der_put_oid(w, HF_OID_HARDWARE_MODULE_NAME);
    size_t value = hf_der_begin(w, HF_DER_CONTEXT_OF(0));
    size_t module = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_oid(w, HF_OID_TPM_HARDWARE_TYPE);
    hf_der_put_text(w, HF_DER_OCTETS, serial);
    hf_der_end(w, module);
    hf_der_end(w, value);
    hf_der_end(w, other);
    hf_der_end(w, names);
    return w;
}

bool hf_extension_check_serial(const char *serial, GError **error)
{
    size_t size = serial ? strlen(serial) : 0;
    for (size_t i = 0; i < size; i++) {
        if (!g_ascii_isgraph(serial[i])) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "serial number of the TPM: expected letters, digits and marks");
        }
    }
    return (size > 0 && size <= HF_HARDWARE_SERIAL_MAX) ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "serial number of the TPM: expected 1 to %u characters, found %zu",
                        HF_HARDWARE_SERIAL_MAX, size);
}

bool hf_extension_check_url(const char *url, const char *what, GError **error)
{
    bool known = g_str_has_prefix(url, "http://") || g_str_has_prefix(url, "https://") ||
                 g_str_has_prefix(url, "ldap://");
    bool plain = strlen(url) <= URL_MAX;
    for (const char *p = url; *p && plain; p++) {
        plain = g_ascii_isgraph(*p);
    }
    if (!known || !plain) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected an http, https or ldap URL of at most %d ASCII "
                            "characters without blanks",
                            what, URL_MAX);
    }
    return true;
}

GByteArray *hf_extension_bond(GBytes *endorsement_key)
{
    size_t n = 0;
    const void *data = g_bytes_get_data(endorsement_key, &n);
    GByteArray *w = g_byte_array_new();
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_uint(w, HF_EXTENSION_BOND_VERSION);
    hf_der_put(w, HF_DER_OCTETS, data, n);
    hf_der_end(w, sequence);
    return w;
}
