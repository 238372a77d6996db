/*
 * outline.c - the frame of a certificate (RFC 5280, 4.1), its extensions only passed through.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "pki/outline.h"

#include <string.h>

#include "base/error.h"
#include "pki/der.h"

#define OID_AUTHORITY_ID "2.5.29.35"
#define VERSION_3 2u
#define ATTRIBUTE_VERSION_2 1u

void hf_outline_free(HfOutline *outline)
{
    if (outline) {
        g_clear_pointer(&outline->der, g_bytes_unref);
        g_clear_pointer(&outline->spki, g_bytes_unref);
        g_clear_pointer(&outline->serial, g_bytes_unref);
        g_clear_pointer(&outline->authority_id, g_bytes_unref);
        g_free(outline);
    }
}

/* The key identifier in Extensions, if there is one and it is in order. */
static GBytes *find_authority_id(HfReader list)
{
    while (hf_reader_left(&list) > 0 && !list.failed) {
        HfReader extension = hf_der_get(&list, HF_DER_SEQUENCE);
        g_autofree char *oid = hf_der_oid(&extension);
        if (hf_der_peek(&extension) == HF_DER_BOOLEAN) {
            hf_der_bool(&extension);
        }
        HfReader octets = hf_der_get(&extension, HF_DER_OCTETS);
        if (!oid || strcmp(oid, OID_AUTHORITY_ID) != 0) {
            continue;
        }
        HfReader content = hf_der_get(&octets, HF_DER_SEQUENCE);
        HfReader id = hf_der_get(&content, HF_DER_CONTEXT(0));
        return id.failed ? NULL : hf_der_bytes(id);
    }
    return NULL;
}

static void skip(HfReader *r, uint8_t tag)
{
    hf_der_whole(r, tag);
}

HfOutline *hf_outline_new(GBytes *der, const char *label, GError **error)
{
    HfReader file = hf_reader_for(der);
    HfReader certificate = hf_der_get(&file, HF_DER_SEQUENCE);
    HfReader tbs = hf_der_get(&certificate, HF_DER_SEQUENCE);
    HfReader version = hf_der_get(&tbs, HF_DER_CONTEXT_OF(0));
    bool is_v3 = hf_der_uint(&version) == VERSION_3;
    HfReader serial = hf_der_get(&tbs, HF_DER_INTEGER);
    skip(&tbs, HF_DER_SEQUENCE); /* algorithm */
    skip(&tbs, HF_DER_SEQUENCE); /* issuer */
    skip(&tbs, HF_DER_SEQUENCE); /* validity */
    skip(&tbs, HF_DER_SEQUENCE); /* subject */
    HfReader spki = hf_der_whole(&tbs, HF_DER_SEQUENCE);
    HfReader wrapper = hf_der_get(&tbs, HF_DER_CONTEXT_OF(3));
    HfReader extensions = hf_der_get(&wrapper, HF_DER_SEQUENCE);
    skip(&certificate, HF_DER_SEQUENCE); /* algorithm */
    skip(&certificate, HF_DER_BITS);     /* signature */
    if (!hf_reader_done(&file) || !hf_reader_done(&certificate) || !hf_reader_done(&tbs) ||
        !hf_reader_done(&wrapper) || !hf_reader_done(&version) || !is_v3) {
        hf_error_set(
            error, HF_ERROR_INVALID,
            "%s: expected one X.509 certificate (version 3, DER), found %zu bytes that are "
            "none",
            label, g_bytes_get_size(der));
        return NULL;
    }
    HfOutline *outline = g_new0(HfOutline, 1);
    outline->der = g_bytes_ref(der);
    outline->spki = hf_der_bytes(spki);
    outline->serial = hf_der_bytes(serial);
    outline->authority_id = find_authority_id(extensions);
    return outline;
}

/* AttributeCertificate, version 2, and nothing after it; its serial number. */
static GBytes *attribute_certificate(GBytes *der)
{
    HfReader file = hf_reader_for(der);
    HfReader certificate = hf_der_get(&file, HF_DER_SEQUENCE);
    HfReader info = hf_der_get(&certificate, HF_DER_SEQUENCE);
    bool is_v2 = hf_der_uint(&info) == ATTRIBUTE_VERSION_2;
    skip(&info, HF_DER_SEQUENCE);      /* holder */
    skip(&info, HF_DER_CONTEXT_OF(0)); /* issuer */
    skip(&info, HF_DER_SEQUENCE);      /* algorithm */
    HfReader serial = hf_der_get(&info, HF_DER_INTEGER);
    skip(&info, HF_DER_SEQUENCE);        /* validity */
    skip(&info, HF_DER_SEQUENCE);        /* attributes */
    skip(&certificate, HF_DER_SEQUENCE); /* algorithm */
    skip(&certificate, HF_DER_BITS);     /* signature */
    bool whole = hf_reader_done(&file) && hf_reader_done(&certificate) && !info.failed && is_v2;
    return whole ? hf_der_bytes(serial) : NULL;
}

HfOutline *hf_outline_new_platform(GBytes *der, const char *label, GError **error)
{
    g_autoptr(GBytes) serial = attribute_certificate(der);
    if (!serial) {
        return hf_outline_new(der, label, error);
    }
    HfOutline *outline = g_new0(HfOutline, 1);
    outline->der = g_bytes_ref(der);
    outline->serial = g_steal_pointer(&serial);
    return outline;
}
