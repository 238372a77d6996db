/*
 * ca_voucher.c - pinned vendors and listed endorsement keys.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_voucher.h"

#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "pki/vendor.h"

#define LIST_MAX (16 * 1024 * 1024)
#define DIGEST_SIZE 32

struct HfCaVoucher {
    HfVendorRoots *roots;
    GHashTable *digests; /* lower-case hex */
};

void hf_ca_voucher_free(HfCaVoucher *voucher)
{
    if (voucher) {
        hf_vendor_roots_free(voucher->roots);
        g_hash_table_unref(voucher->digests);
        g_free(voucher);
    }
}

static bool add_digest(HfCaVoucher *voucher, const char *text, const char *what, GError **error)
{
    g_autoptr(GBytes) digest = hf_hex_parse(text, what, error);

    if (!digest) {
        return false;
    }
    if (g_bytes_get_size(digest) != DIGEST_SIZE) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: SHA-256 (%d bytes) expected, found %zu",
                            what, DIGEST_SIZE, g_bytes_get_size(digest));
    }
    g_hash_table_add(voucher->digests, hf_hex(g_bytes_get_data(digest, NULL), DIGEST_SIZE));
    return true;
}

static bool add_list(HfCaVoucher *voucher, const char *path, GError **error)
{
    g_autoptr(GBytes) file = hf_file_read(path, LIST_MAX, error);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!file) {
        return false;
    }
    text = g_strndup(g_bytes_get_size(file) > 0 ? g_bytes_get_data(file, NULL) : "",
                     g_bytes_get_size(file));
    lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        g_autofree char *what = g_strdup_printf("%s: line %u", path, i + 1);

        g_strstrip(lines[i]);
        lines[i][strcspn(lines[i], " \t#")] = '\0';
        if (*lines[i] && !add_digest(voucher, lines[i], what, error)) {
            return false;
        }
    }
    return true;
}

HfCaVoucher *hf_ca_voucher_new(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaVoucher) voucher = g_new0(HfCaVoucher, 1);

    voucher->roots = hf_vendor_roots_new();
    voucher->digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (const char *const *path = hf_options_list(options, "ek-roots"); *path; path++) {
        if (!hf_vendor_roots_add(voucher->roots, *path, error)) {
            return NULL;
        }
    }
    for (const char *const *text = hf_options_list(options, "ek-digest"); *text; text++) {
        if (!add_digest(voucher, *text, "--ek-digest", error)) {
            return NULL;
        }
    }
    for (const char *const *path = hf_options_list(options, "ek-list"); *path; path++) {
        if (!add_list(voucher, *path, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&voucher);
}

char *hf_ca_voucher_ask(const HfCaVoucher *voucher, GBytes *spki, GBytes *certificate,
                        GBytes *above, GError **error)
{
    HfDigest digest =
        hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(spki, NULL), g_bytes_get_size(spki));
    g_autofree char *hex = hf_hex(digest.data, digest.size);
    g_autoptr(GBytes) certified = NULL;
    g_autofree char *root = NULL;

    if (g_hash_table_contains(voucher->digests, hex)) {
        return g_strdup("listed");
    }
    if (!certificate || hf_vendor_roots_count(voucher->roots) == 0) {
        hf_error_set(error, HF_ERROR_POLICY,
                     "endorsement key: nobody vouches for it: %s, and its SHA-256 is not listed "
                     "(--ek-digest): %s",
                     certificate ? "no vendor root is pinned (--ek-roots)"
                                 : "the host TPM has no certificate for it",
                     hex);
        return NULL;
    }
    certified = hf_vendor_key(certificate, error);
    if (!certified) {
        return NULL;
    }
    if (!g_bytes_equal(certified, spki)) {
        hf_error_set(error, HF_ERROR_POLICY, "endorsement key: its certificate is for another key");
        return NULL;
    }
    return hf_vendor_verify(voucher->roots, certificate, above, &root, error)
               ? g_strdup_printf("vendor %s", root)
               : NULL;
}
