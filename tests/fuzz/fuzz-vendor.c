/*
 * fuzz-vendor.c - what a CA reads of hardware TPMs: vendors' roots from a file, an EK certificate and those
 * above it as a host sends them, and a list of endorsement keys.
 *
 * The input: u16 and so many bytes of the roots' file, u16 and so many bytes of the certificate, then
 * those above. As a whole it is also a list.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "pki/der.h"
#include "pki/vendor.h"
#include "tools/ca/ca_ek_list.h"

static void list(GBytes *input)
{
    g_autoptr(GHashTable) digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GError *error = NULL;
    GHashTableIter each;
    gpointer digest;

    fuzz_told(hf_ca_ek_list_parse(digests, input, "input", &error), &error);
    g_hash_table_iter_init(&each, digests);
    while (g_hash_table_iter_next(&each, &digest, NULL)) {
        g_assert_cmpuint(strlen(digest), ==, 64);
    }
}

static HfVendorRoots *read_roots(HfReader file)
{
    g_autoptr(HfVendorRoots) roots = hf_vendor_roots_new();
    GError *error = NULL;
    bool read = hf_vendor_roots_add(roots, fuzz_file(file.data, hf_reader_left(&file)), &error);

    g_assert_true(!read || hf_vendor_roots_count(roots) > 0);
    fuzz_told(read, &error);
    return g_steal_pointer(&roots);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) input = g_bytes_new(data, size);
    HfReader r = hf_reader(data, size);
    HfReader file = hf_reader_tpm2b(&r, UINT16_MAX);
    HfReader leaf = hf_reader_tpm2b(&r, UINT16_MAX);
    GError *error = NULL;

    list(input);
    if (r.failed) {
        return 0;
    }
    g_autoptr(HfVendorRoots) roots = read_roots(file);
    g_autoptr(GBytes) certificate = g_bytes_new(leaf.data, hf_reader_left(&leaf));
    g_autoptr(GBytes) above = hf_der_bytes(hf_reader_rest(&r));
    g_autoptr(GBytes) key = hf_vendor_key(certificate, &error);
    g_autofree char *name = NULL;
    fuzz_told(key != NULL, &error);
    bool good = hf_vendor_verify(roots, certificate, g_bytes_get_size(above) > 0 ? above : NULL,
                                 &name, &error);
    g_assert_true(good == (name != NULL));
    /* Whoever has no root of a vendor convinces nobody. */
    g_assert_true(!good || hf_vendor_roots_count(roots) > 0);
    fuzz_told(good, &error);
    return 0;
}
