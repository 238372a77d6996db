/*
 * name.c - distinguished names.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/name.h"

#include "base/error.h"
#include "crypto/hash.h"
#include "pki/oid.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define FIT_HEX 16

bool hf_name_check_text(const char *text, const char *what, GError **error)
{
    if (!text || !g_utf8_validate(text, -1, NULL)) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: expected UTF-8 text, found %s", what,
                            text ? "other bytes" : "nothing");
    }
    glong n = g_utf8_strlen(text, -1);
    if (n < 1 || n > HF_NAME_TEXT_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: expected 1 to %d characters, found %ld",
                            what, HF_NAME_TEXT_MAX, n);
    }
    for (const char *p = text; *p; p = g_utf8_find_next_char(p, NULL)) {
        if (g_unichar_iscntrl(g_utf8_get_char(p))) {
            return hf_error_set(error, HF_ERROR_INVALID, "%s: has a control character", what);
        }
    }
    return true;
}

static void put_attribute_as(GByteArray *w, const char *oid, uint8_t tag, const char *text)
{
    size_t set = hf_der_begin(w, HF_DER_SET);
    size_t pair = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_oid(w, oid);
    hf_der_put_text(w, tag, text);
    hf_der_end(w, pair);
    hf_der_end(w, set);
}

static void put_attribute(GByteArray *w, const char *oid, const char *text)
{
    put_attribute_as(w, oid, HF_DER_UTF8, text);
}

GBytes *hf_name_new_units(const char *organization, const char *const *units,
                          const char *common_name, GError **error)
{
    if ((organization && !hf_name_check_text(organization, "organization", error)) ||
        !hf_name_check_text(common_name, "common name", error)) {
        return NULL;
    }
    for (const char *const *unit = units; unit && *unit; unit++) {
        if (!hf_name_check_text(*unit, "organizational unit", error)) {
            return NULL;
        }
    }
    GByteArray *w = g_byte_array_new();
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    if (organization) {
        put_attribute(w, HF_OID_ORGANIZATION, organization);
    }
    for (const char *const *unit = units; unit && *unit; unit++) {
        put_attribute(w, HF_OID_UNIT, *unit);
    }
    put_attribute(w, HF_OID_COMMON_NAME, common_name);
    hf_der_end(w, sequence);
    return g_byte_array_free_to_bytes(w);
}

GBytes *hf_name_new(const char *organization, const char *common_name, GError **error)
{
    return hf_name_new_units(organization, NULL, common_name, error);
}

/* What an X.520 serial number may be made of. */
static char *fit_serial(const char *text)
{
    static const char marks[] = " '()+,-./:=?";
    size_t size = strlen(text);
    bool good = size > 0 && size <= HF_NAME_TEXT_MAX;
    GString *fit = g_string_new(NULL);
    for (const char *p = text; *p; p++) {
        bool may = g_ascii_isalnum(*p) || strchr(marks, *p);
        g_string_append_c(fit, may ? *p : '-');
        good = good && may;
    }
    if (!good) {
        HfDigest digest = hf_digest_of(HF_HASH_SHA256, text, size);
        g_autofree char *hex = hf_hex(digest.data, FIT_HEX / 2);
        g_string_truncate(fit, MIN(fit->len, HF_NAME_TEXT_MAX - FIT_HEX - 1));
        g_string_append_printf(fit, "-%s", hex);
    }
    return g_string_free(fit, FALSE);
}

GBytes *hf_name_new_serial(const char *text)
{
    g_autofree char *fit = fit_serial(text);
    GByteArray *w = g_byte_array_new();
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    put_attribute_as(w, HF_OID_SERIAL_NUMBER, HF_DER_PRINTABLE, fit);
    hf_der_end(w, sequence);
    return g_byte_array_free_to_bytes(w);
}

GBytes *hf_name_empty(void)
{
    static const uint8_t empty[] = { HF_DER_SEQUENCE, 0 };
    return g_bytes_new_static(empty, sizeof empty);
}

GBytes *hf_name_read(HfReader *r)
{
    HfReader whole = hf_der_whole(r, HF_DER_SEQUENCE);
    HfReader copy = whole;
    HfReader rdns = hf_der_get(&copy, HF_DER_SEQUENCE);
    while (!rdns.failed && hf_reader_left(&rdns) > 0) {
        HfReader rdn = hf_der_get(&rdns, HF_DER_SET);
        do {
            HfReader pair = hf_der_get(&rdn, HF_DER_SEQUENCE);
            g_autofree char *oid = hf_der_oid(&pair);
            (void)hf_der_whole(&pair, 0);
            if (!oid || !hf_reader_done(&pair)) {
                return NULL;
            }
        } while (hf_reader_left(&rdn) > 0);
    }
    return whole.failed || rdns.failed ? NULL : hf_der_bytes(whole);
}

char *hf_name_fit(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL) || g_utf8_strlen(text, -1) <= HF_NAME_TEXT_MAX) {
        return g_strdup(text);
    }
    HfDigest digest = hf_digest_of(HF_HASH_SHA256, text, strlen(text));
    g_autofree char *hex = hf_hex(digest.data, FIT_HEX / 2);
    g_autofree char *head = g_utf8_substring(text, 0, HF_NAME_TEXT_MAX - FIT_HEX - 1);
    return g_strconcat(head, "~", hex, NULL);
}

/* Control characters of any kind become \uXXXX; bytes that are no UTF-8 make the text "?". */
static char *printable(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL)) {
        return g_strdup("?");
    }
    GString *safe = g_string_new(NULL);
    for (const char *p = text; *p; p = g_utf8_find_next_char(p, NULL)) {
        gunichar c = g_utf8_get_char(p);
        if (g_unichar_isprint(c)) {
            g_string_append_unichar(safe, c);
        } else {
            g_string_append_printf(safe, "\\u%04x", c);
        }
    }
    return g_string_free(safe, FALSE);
}

char *hf_name_text(GBytes *name)
{
    size_t n = 0;
    const void *der = g_bytes_get_data(name, &n);
    g_autofree uint8_t *copy = g_memdup2(der, n); /* GnuTLS' datum is not const */
    const gnutls_datum_t datum = { .data = copy, .size = (unsigned)n };
    gnutls_datum_t text = { 0 };
    if (n == 2 && copy[0] == HF_DER_SEQUENCE && copy[1] == 0) {
        return g_strdup("");
    }
    if (gnutls_x509_rdn_get2(&datum, &text, 0) < 0) {
        return g_strdup("?");
    }
    g_autofree char *terminated = g_strndup((const char *)text.data, text.size);
    gnutls_free(text.data);
    return printable(terminated);
}
