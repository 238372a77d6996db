/*
 * ca_voucher.c - pinned vendors, pinned fleets and listed endorsement keys.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_voucher.h"

#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "pki/chain.h"
#include "pki/vendor.h"
#include "tools/ca/ca_ek_list.h"
#include "tools/ca/ca_revoked.h"

/* PEM of a virtual TPM's chain and its roots: both are kept in the file of a nonce. */
#define KEPT_MAX (48u * 1024)

struct HfCaVoucher {
    HfVendorRoots *roots;
    GHashTable *digests; /* lower-case hex */
    GPtrArray *fleets;   /* HfCertificate: roots of those whose virtual TPMs may be host TPMs */
    GPtrArray *vmas;     /* HfCertificate */
    HfCrlSet *crls;      /* of those fleets; NULL: none given */
};

void hf_ca_voucher_free(HfCaVoucher *voucher)
{
    if (voucher) {
        hf_vendor_roots_free(voucher->roots);
        g_hash_table_unref(voucher->digests);
        g_clear_pointer(&voucher->fleets, g_ptr_array_unref);
        g_clear_pointer(&voucher->vmas, g_ptr_array_unref);
        hf_crl_set_free(voucher->crls);
        g_free(voucher);
    }
}

static bool add_list(HfCaVoucher *voucher, const char *path, GError **error)
{
    g_autoptr(GBytes) file = hf_file_read(path, HF_CA_EK_LIST_MAX, error);

    return file && hf_ca_ek_list_parse(voucher->digests, file, path, error);
}

GPtrArray *hf_ca_voucher_load(const HfOptions *options, const char *option, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);

    for (const char *const *path = hf_options_list(options, option); *path; path++) {
        g_autoptr(GPtrArray) some = hf_certificate_load_bundle(*path, error);

        if (!some) {
            return NULL;
        }
        g_ptr_array_extend_and_steal(all, g_steal_pointer(&some));
    }
    return g_steal_pointer(&all);
}

bool hf_ca_voucher_load_crls(const HfOptions *options, HfCrlSet **ret_crls, GError **error)
{
    const char *const *path = hf_options_list(options, "crl");
    g_autoptr(HfCrlSet) crls = *path ? hf_crl_set_new() : NULL;

    for (; *path; path++) {
        if (!hf_crl_set_load(crls, *path, error)) {
            return false;
        }
    }
    *ret_crls = g_steal_pointer(&crls);
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
        if (!hf_ca_ek_list_add(voucher->digests, *text, "--ek-digest", error)) {
            return NULL;
        }
    }
    for (const char *const *path = hf_options_list(options, "ek-list"); *path; path++) {
        if (!add_list(voucher, *path, error)) {
            return NULL;
        }
    }
    voucher->fleets = hf_ca_voucher_load(options, "vma-root", error);
    voucher->vmas = voucher->fleets ? hf_ca_voucher_load(options, "vma", error) : NULL;
    return voucher->vmas && hf_ca_voucher_load_crls(options, &voucher->crls, error)
               ? g_steal_pointer(&voucher)
               : NULL;
}

static bool other_key(GError **error)
{
    return hf_error_set(error, HF_ERROR_POLICY,
                        "endorsement key: its certificate is for another key");
}

static bool verify_chain(const HfCaDir *ca, GPtrArray *chain, GPtrArray *fleets, HfCrlSet *crls,
                         HfChainProof *ret_proof, GError **error)
{
    const HfChainRules rules = {
        .kind = HF_LEAF_EK,
        .at = g_get_real_time() / G_USEC_PER_SEC,
        .nested = HF_NESTED_MAX - 1, /* the delegation to come is one level more */
        .crls = crls,
    };

    if (!hf_chain_verify(chain, fleets, &rules, ret_proof, error)) {
        g_prefix_error(error, "EK certificate: nested host: ");
        return false;
    }
    return hf_ca_revoked_chain(ca, ret_proof, error);
}

static void add_pem(GString *all, const HfCertificate *certificate, bool once)
{
    g_autofree char *pem = hf_certificate_pem(certificate);

    if (!once || !strstr(all->str, pem)) {
        g_string_append(all, pem);
    }
}

/* For hf_ca_voucher_again. Each root once: most chains have one on all levels. */
static bool keep(GPtrArray *chain, const HfChainProof *proof, HfCaVouched *vouched, GError **error)
{
    g_autoptr(GString) own = g_string_new(NULL);
    g_autoptr(GString) roots = g_string_new(NULL);

    for (unsigned i = 0; i < chain->len; i++) {
        add_pem(own, g_ptr_array_index(chain, i), false);
    }
    add_pem(roots, proof->root, true);
    for (unsigned i = 0; i < proof->nested; i++) {
        add_pem(roots, proof->hosts[i].root, true);
    }
    if (own->len + roots->len > KEPT_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "EK certificate: nested host: its chain and roots have at most %u "
                            "bytes (PEM), found %zu",
                            KEPT_MAX, own->len + roots->len);
    }
    vouched->chain = g_string_free(g_steal_pointer(&own), FALSE);
    vouched->roots = g_string_free(g_steal_pointer(&roots), FALSE);
    return true;
}

static GPtrArray *kept(const char *pem, const char *label, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(pem, strlen(pem));

    return hf_certificate_parse_bundle(bytes, label, error);
}

bool hf_ca_voucher_again(const HfCaDir *ca, HfCrlSet *crls, const char *chain, const char *roots,
                         GError **error)
{
    g_autoptr(GPtrArray) all = kept(chain, "nonce: chain", error);
    g_autoptr(GPtrArray) fleets = all ? kept(roots, "nonce: roots", error) : NULL;
    HfChainProof proof;

    return fleets && verify_chain(ca, all, fleets, crls, &proof, error);
}

/* The virtual TPM of a host that is itself a guest. */
static bool ask_fleet(const HfCaVoucher *voucher, const HfCaDir *ca, GBytes *spki,
                      HfCertificate *certificate, GBytes *above, HfCaVouched *ret_vouched,
                      GError **error)
{
    g_autoptr(GPtrArray) given = NULL;
    g_autoptr(GPtrArray) chain = NULL;
    g_autofree char *root = NULL;
    HfChainProof proof;

    if (voucher->fleets->len == 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "EK certificate: it is one of a virtual TPM, which is no host TPM "
                            "unless its fleet is pinned for that (--vma-root)");
    }
    if (!g_bytes_equal(certificate->spki, spki)) {
        return other_key(error);
    }
    given = above
                ? hf_certificate_parse_bundle(above, "certificates above the EK certificate", error)
                : g_ptr_array_new();
    if (!given) {
        return false;
    }
    chain = hf_chain_arrange(certificate, voucher->vmas, given);
    if (!verify_chain(ca, chain, voucher->fleets, voucher->crls, &proof, error) ||
        !keep(chain, &proof, ret_vouched, error)) {
        return false;
    }
    root = hf_certificate_subject_text(proof.root);
    ret_vouched->nested = proof.nested + 1;
    ret_vouched->on_software = proof.base == HF_ROOTED_SOFTWARE;
    ret_vouched->words = g_strdup_printf("fleet %s (a virtual TPM, nested %u level%s, %s)", root,
                                         ret_vouched->nested, ret_vouched->nested == 1 ? "" : "s",
                                         hf_rooted_text(proof.base));
    return true;
}

static bool ask_vendor(const HfCaVoucher *voucher, GBytes *spki, GBytes *certificate, GBytes *above,
                       char **ret_words, GError **error)
{
    g_autoptr(GBytes) certified = hf_vendor_key(certificate, error);
    g_autofree char *root = NULL;

    if (!certified) {
        return false;
    }
    if (!g_bytes_equal(certified, spki)) {
        return other_key(error);
    }
    if (!hf_vendor_verify(voucher->roots, certificate, above, &root, error)) {
        return false;
    }
    *ret_words = g_strdup_printf("vendor %s", root);
    return true;
}

bool hf_ca_voucher_ask(const HfCaVoucher *voucher, const HfCaDir *ca, GBytes *spki,
                       GBytes *certificate, GBytes *above, HfCaVouched *ret_vouched, GError **error)
{
    HfDigest digest =
        hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(spki, NULL), g_bytes_get_size(spki));
    g_autofree char *hex = hf_hex(digest.data, digest.size);
    g_autoptr(HfCertificate) ours =
        certificate ? hf_certificate_new(certificate, "EK certificate", NULL) : NULL;

    *ret_vouched = (HfCaVouched){ 0 };
    if (ours && hf_certificate_is_virtual(ours)) {
        return ask_fleet(voucher, ca, spki, ours, above, ret_vouched, error);
    }
    if (g_hash_table_contains(voucher->digests, hex)) {
        ret_vouched->words = g_strdup("listed");
        return true;
    }
    if (!certificate || hf_vendor_roots_count(voucher->roots) == 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "endorsement key: nobody vouches for it: %s, and its SHA-256 is not "
                            "listed (--ek-digest): %s",
                            certificate ? "no vendor root is pinned (--ek-roots)"
                                        : "the host TPM has no certificate for it",
                            hex);
    }
    return ask_vendor(voucher, spki, certificate, above, &ret_vouched->words, error);
}
