/*
 * fuzz-der.c - DER and what is read with it alone (names, keys, our extension), and PEM around it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "crypto/pubkey.h"
#include "fuzz.h"
#include "pki/der.h"
#include "pki/holding.h"
#include "pki/name.h"
#include "pki/pem.h"
#include "pki/spki.h"

/* Every value by the getter of its tag; a value that is constructed, again. */
static void walk(HfReader r, unsigned depth)
{
    while (hf_reader_left(&r) > 0 && !r.failed && depth < 16) {
        HfReader same = r;
        g_autofree char *text = NULL;
        size_t before = r.offset;
        uint8_t tag = hf_der_peek(&r);
        switch (tag) {
        case HF_DER_OID: text = hf_der_oid(&same); break;
        case HF_DER_BOOLEAN: (void)hf_der_bool(&same); break;
        case HF_DER_INTEGER: (void)hf_der_uint(&same); break;
        case HF_DER_UTF8:
        case HF_DER_PRINTABLE:
        case HF_DER_IA5: text = hf_der_text(&same); break;
        case HF_DER_UTC_TIME:
        case HF_DER_TIME: (void)hf_der_time(&same); break;
        default: break;
        }
        g_assert_true(!text || g_utf8_validate(text, -1, NULL));
        HfReader content = hf_der_get(&r, tag);
        g_assert_true(r.failed || r.offset > before);
        g_assert_cmpuint(r.offset, <=, r.size);
        if ((tag & 0x20) != 0 && !content.failed) {
            walk(content, depth + 1);
        }
    }
}

static void key(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(HfPublicKey) public = hf_public_key_from_spki(data, size, &error);
    fuzz_told(public != NULL, &error);
    if (public) {
        g_autofree char *text = hf_public_key_describe(public);
        g_autoptr(GBytes) spki = hf_public_key_spki(public);
        gsize n = 0;
        const uint8_t *der = g_bytes_get_data(spki, &n);
        g_autoptr(HfPublicKey) again = hf_public_key_from_spki(der, n, &error);
        g_assert_no_error(error);
        g_assert_true(hf_public_key_equal(public, again));
    }
}

static void holding(const uint8_t *data, size_t size)
{
    g_autoptr(HfHolding) read = hf_holding_read(hf_reader(data, size));
    if (read) {
        GError *error = NULL;
        g_autoptr(GByteArray) out = g_byte_array_new();
        g_assert_true(hf_holding_write(read, out, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(out->data, out->len, data, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfSignAlgorithm algorithm;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    walk(hf_reader(data, size), 0);
    key(data, size);
    holding(data, size);
    g_autofree char *name = hf_name_text(bytes);
    g_assert_true(g_utf8_validate(name, -1, NULL));
    g_autoptr(GBytes) id = hf_spki_key_id(bytes);
    fuzz_told(hf_spki_algorithm(bytes, "input", &algorithm, &error), &error);
    (void)hf_pem_is_text(bytes);
    g_autoptr(GPtrArray) blocks = hf_pem_read(bytes, "CERTIFICATE", 8, "input", &error);
    g_assert_true(!blocks || (blocks->len > 0 && blocks->len <= 8));
    fuzz_told(blocks != NULL, &error);
    return 0;
}
