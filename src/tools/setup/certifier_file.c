/*
 * certifier_file.c - certificates that somebody has issued already, from a file.
 *
 * A CA that issues for a whole fleet (holdfast-ca issue) is not where the TPM is: what it hands out
 * is put in later. Nothing is believed of the file but what can be checked here: that the
 * certificates are of a TPM's keys, valid now, and signed by whoever the file has above them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/certifier.h"

#include "base/error.h"
#include "pki/chain.h"
#include "pki/oid.h"

typedef struct {
    HfCertifier base;
    char *path;
    GPtrArray *leaves; /* HfOutline, of endorsement and identity keys, each of another one */
    GArray *kinds;     /* HfLeafKind of each */
    GPtrArray *above;  /* HfCertificate, of CAs, without self-signed ones */
} File;

static void file_free(HfCertifier *base)
{
    File *file = (File *)base;
    g_free(file->path);
    g_ptr_array_unref(file->leaves);
    g_array_unref(file->kinds);
    g_ptr_array_unref(file->above);
    g_free(file);
}

static const HfOutline *find(const File *file, GBytes *spki, HfLeafKind *ret_kind)
{
    for (unsigned i = 0; i < file->leaves->len; i++) {
        if (hf_certifies(file->leaves->pdata[i], spki)) {
            *ret_kind = g_array_index(file->kinds, HfLeafKind, i);
            return file->leaves->pdata[i];
        }
    }
    return NULL;
}

static const HfOutline *find_of(const File *file, HfCertKind kind, GBytes *spki)
{
    static const HfLeafKind leaves[] = { [HF_CERT_EK] = HF_LEAF_EK,
                                         [HF_CERT_PLATFORM] = HF_LEAF_PLATFORM,
                                         [HF_CERT_IAK] = HF_LEAF_IAK,
                                         [HF_CERT_IDEVID] = HF_LEAF_IDEVID };
    HfLeafKind found = HF_LEAF_PLATFORM;
    const HfOutline *leaf = find(file, spki, &found);
    return leaf && found == leaves[kind] ? leaf : NULL;
}

static GBytes *file_issue(HfCertifier *base, const HfCertRequest *request, GError **error)
{
    g_autoptr(GBytes) spki = hf_public_key_spki(request->key);
    const HfOutline *leaf = find_of((File *)base, request->kind, spki);
    if (!leaf) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "%s has none for this key", base->description);
        return NULL;
    }
    return g_bytes_ref(leaf->der);
}

static GBytes *file_chain(HfCertifier *base, GError **error)
{
    const File *file = (File *)base;
    GByteArray *all = g_byte_array_new();
    (void)error; /* whatever can be wrong was found before */
    for (unsigned i = 0; i < file->above->len; i++) {
        const HfCertificate *one = file->above->pdata[i];
        hf_put_gbytes(all, one->der);
    }
    return g_byte_array_free_to_bytes(all);
}

/* The file has whoever signed it, or nothing can be said. */
static bool check_signature(HfCertificate *leaf, GPtrArray *all, const char *label, GError **error)
{
    g_autoptr(GPtrArray) chain = hf_chain_arrange(leaf, all, NULL);
    return chain->len < 2 || hf_certificate_signed_by(leaf, chain->pdata[1], label, error);
}

static bool add_leaf(File *file, HfCertificate *leaf, GPtrArray *all, const char *label,
                     GError **error)
{
    HfLeafKind kind = HF_LEAF_EK;
    HfLeafKind before;
    if (!hf_certificate_has_purpose(leaf, HF_OID_PURPOSE_EK) &&
        (!hf_chain_leaf_kind(leaf, &kind) || kind == HF_LEAF_PLATFORM)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s is not that of an endorsement key: expected the extended key "
                            "usage " HF_OID_PURPOSE_EK ", or that of an IAK or IDevID",
                            label);
    }
    HfOutline *outline = hf_outline_new(leaf->der, label, error);
    if (!outline) {
        return false;
    }
    bool twice = find(file, leaf->spki, &before) != NULL;
    g_ptr_array_add(file->leaves, outline);
    g_array_append_val(file->kinds, kind);
    if (twice) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s is for the same key as one before it: expected one for each key",
                            label);
    }
    return check_signature(leaf, all, label, error);
}

/* The first certificate of a CA counts: of the file's, then of those that are there. */
static bool has_ca(const File *file, const HfCertificate *ca)
{
    for (unsigned i = 0; i < file->above->len; i++) {
        const HfCertificate *one = file->above->pdata[i];
        if (g_bytes_equal(one->subject, ca->subject) && g_bytes_equal(one->spki, ca->spki)) {
            return true;
        }
    }
    return false;
}

static bool sort_out(File *file, GPtrArray *all, GError **error)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    for (unsigned i = 0; i < all->len; i++) {
        HfCertificate *one = all->pdata[i];
        g_autofree char *label = g_strdup_printf("%s: certificate %u", file->path, i + 1);
        if (now < one->not_before || now > one->not_after) {
            return hf_error_set(error, HF_ERROR_POLICY, "%s %s", label,
                                now < one->not_before ? "is not valid yet" : "has expired");
        }
        if (!one->is_ca && !add_leaf(file, one, all, label, error)) {
            return false;
        }
        if (one->is_ca && !g_bytes_equal(one->subject, one->issuer) && !has_ca(file, one)) {
            g_ptr_array_add(file->above, hf_certificate_ref(one));
        }
    }
    return file->leaves->len > 0 ||
           hf_error_set(
               error, HF_ERROR_INVALID,
               "%s: expected the certificate of an endorsement key, found those of CAs only",
               file->path);
}

static const HfCertifierClass file_class = { file_issue, file_chain, file_free };

HfCertifier *hf_certifier_file_open(const char *path, GError **error)
{
    File *file = g_new0(File, 1);
    g_autoptr(HfCertifier) base = &file->base;
    file->base.class = &file_class;
    file->path = g_strdup(path);
    file->base.description = file->path;
    file->leaves = g_ptr_array_new_with_free_func((GDestroyNotify)hf_outline_free);
    file->kinds = g_array_new(FALSE, FALSE, sizeof(HfLeafKind));
    file->above = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    g_autoptr(GPtrArray) all = hf_certificate_load_bundle(path, error);
    return all && sort_out(file, all, error) ? g_steal_pointer(&base) : NULL;
}

bool hf_certifier_file_has(HfCertifier *base, HfCertKind kind, GBytes *spki)
{
    return find_of((File *)base, kind, spki) != NULL;
}

unsigned hf_certifier_file_count(HfCertifier *base)
{
    return ((File *)base)->leaves->len;
}

bool hf_certifier_file_keep(HfCertifier *base, GBytes *present, GError **error)
{
    File *file = (File *)base;
    g_autoptr(GPtrArray) old = g_bytes_get_size(present) > 0
                                   ? hf_certificate_parse_bundle(present, "chain in NV", error)
                                   : g_ptr_array_new();
    for (unsigned i = 0; old && i < old->len; i++) {
        if (!has_ca(file, old->pdata[i])) {
            g_ptr_array_add(file->above, hf_certificate_ref(old->pdata[i]));
        }
    }
    return old != NULL;
}
