/*
 * pem.c - text armour around DER; the base 64 is GnuTLS'.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/pem.h"

#include "base/error.h"
#include "pki/der.h"

#include <gnutls/gnutls.h>
#include <string.h>

bool hf_pem_is_text(GBytes *data)
{
    size_t n = 0;
    const uint8_t *p = g_bytes_get_data(data, &n);
    return n == 0 || p[0] != 0x30;
}

/* Decodes the block in [start, end); NULL when it is damaged. */
static GBytes *decode(const char *start, const char *end, const char *type)
{
    size_t n = (size_t)(end - start);
    g_autofree char *copy = g_strndup(start, n);
    const gnutls_datum_t text = { .data = (unsigned char *)copy, .size = (unsigned)n };
    gnutls_datum_t der = { 0 };
    if (gnutls_pem_base64_decode2(type, &text, &der) < 0) {
        return NULL;
    }
    GBytes *bytes = g_bytes_new(der.data, der.size);
    gnutls_free(der.data);
    return bytes;
}

GPtrArray *hf_pem_read(GBytes *data, const char *type, unsigned max, const char *label,
                       GError **error)
{
    size_t n = 0;
    const char *p = g_bytes_get_data(data, &n);
    /* Ends at the first NUL: no block goes over one. There is no p when there are no bytes. */
    g_autofree char *text = g_strndup(p ? p : "", n);
    g_autofree char *begin = g_strdup_printf("-----BEGIN %s-----", type);
    g_autofree char *end = g_strdup_printf("-----END %s-----", type);
    g_autoptr(GPtrArray) blocks = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    const char *start = text;
    while ((start = strstr(start, begin))) {
        const char *stop = strstr(start, end);
        stop = stop ? stop + strlen(end) : NULL;
        GBytes *block = stop && blocks->len < max ? decode(start, stop, type) : NULL;
        if (!block) {
            hf_error_set(error, HF_ERROR_INVALID,
                         blocks->len < max ? "%s: block %u of %s in PEM is damaged"
                                           : "%s: has more than %u blocks of %s",
                         label, blocks->len < max ? blocks->len + 1 : max, type);
            return NULL;
        }
        g_ptr_array_add(blocks, block);
        start = stop;
    }
    if (blocks->len == 0) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected DER or \"%s\" in PEM, found neither",
                     label, begin);
        return NULL;
    }
    return g_steal_pointer(&blocks);
}

static GPtrArray *split_der(GBytes *data, const char *what, unsigned max, const char *label,
                            GError **error)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    HfReader r = hf_reader_for(data);
    while (hf_reader_left(&r) > 0) {
        HfReader whole = hf_der_whole(&r, HF_DER_SEQUENCE);
        if (whole.failed || parts->len == max) {
            hf_error_set(error, HF_ERROR_INVALID,
                         whole.failed ? "%s: not a complete DER %s after the first %u"
                                      : "%s: there is more of a %s than %u times",
                         label, what, parts->len);
            return NULL;
        }
        g_ptr_array_add(parts, hf_der_bytes(whole));
    }
    return g_steal_pointer(&parts);
}

GPtrArray *hf_pem_bundle(GBytes *data, const char *type, const char *what, unsigned max,
                         const char *label, GError **error)
{
    return hf_pem_is_text(data) ? hf_pem_read(data, type, max, label, error)
                                : split_der(data, what, max, label, error);
}

char *hf_pem_write(GBytes *der, const char *type)
{
    size_t n = 0;
    const guchar *data = g_bytes_get_data(der, &n);
    g_autofree char *base64 = g_base64_encode(data, n);
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "-----BEGIN %s-----\n", type);
    for (size_t i = 0; base64[i]; i++) {
        g_string_append_c(text, base64[i]);
        if (i % 64 == 63 && base64[i + 1]) {
            g_string_append_c(text, '\n');
        }
    }
    g_string_append_printf(text, "\n-----END %s-----\n", type);
    return g_string_free(text, FALSE);
}
