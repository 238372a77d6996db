/*
 * authority_install.c - `holdfast-authority install-certificate`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "pki/certificate.h"
#include "pki/crl_set.h"
#include "pki/oid.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_files.h"
#include "tools/authority/authority_install.h"
#include "tools/common/blob_file.h"

/* All certificates of all files, in order. */
static GPtrArray *load_all(const char *const *files, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);

    for (; *files; files++) {
        g_autoptr(GPtrArray) some = hf_certificate_load_bundle(*files, error);

        if (!some) {
            return NULL;
        }
        for (unsigned i = 0; i < some->len; i++) {
            g_ptr_array_add(all, hf_certificate_ref(g_ptr_array_index(some, i)));
        }
    }
    return g_steal_pointer(&all);
}

/* The authority's public key, wherever the private one is. */
GBytes *hf_authority_own_spki(HfAuthorityDir *authority, GError **error)
{
    g_autoptr(HfPublicKey) key = NULL;
    HfSigner *signer;

    if (authority->manifest->host_tpm) {
        GBytes *area = authority->blob->public_area; /* of the key as it is now */
        HfPublic public;

        key = hf_public_parse(g_bytes_get_data(area, NULL), g_bytes_get_size(area), &public, error)
                  ? hf_public_key_of(&public, error)
                  : NULL;
        return key ? hf_public_key_spki(key) : NULL;
    }
    signer = hf_authority_signer(authority, error);
    return signer ? g_bytes_ref(signer->spki) : NULL;
}

/* What was delegated is what the key is for: neither more nor less. */
static bool check_mandate(const HfMandate *mandate, const HfAuthorityKey *key, GError **error)
{
    const char *model = key->device_model && strcmp(key->device_model, HF_KEY_MODEL_ANY) != 0
                            ? key->device_model
                            : NULL;

    if (!mandate) {
        return true;
    }
    if (strcmp(mandate->migration_policy, key->migration_policy) != 0) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "certificate: migration policy \"%s\" expected, found \"%s\"",
                            key->migration_policy, mandate->migration_policy);
    }
    return g_strcmp0(mandate->model_name, model) == 0 ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "certificate: device model \"%s\" expected, found \"%s\"",
                        model ? model : HF_KEY_MODEL_ANY,
                        mandate->model_name ? mandate->model_name : HF_KEY_MODEL_ANY);
}

/* Whether a host TPM is a virtual one is the CA's to say. */
static bool check_rooted(HfRooted rooted, bool host_tpm, GError **error)
{
    return host_tpm == (rooted != HF_ROOTED_SOFTWARE) ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "certificate: policy \"%s\" expected, found another",
                        hf_rooted_text(host_tpm ? HF_ROOTED_HARDWARE : HF_ROOTED_SOFTWARE));
}

static bool check_own(const HfCertificate *own, HfAuthorityDir *authority, GError **error)
{
    g_autoptr(GBytes) spki = hf_authority_own_spki(authority, error);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    HfRooted rooted = HF_ROOTED_SOFTWARE;

    if (!spki) {
        return false;
    }
    if (!g_bytes_equal(spki, own->spki)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "certificate: it is for another key than this authority's");
    }
    if (!own->is_ca || own->path_length != 0 ||
        !hf_certificate_has_purpose(own, HF_OID_PURPOSE_EK)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "certificate: no delegation certificate (CA with path length 0 for EK "
                            "certificates expected)");
    }
    if (now > own->not_after) {
        return hf_error_set(error, HF_ERROR_INVALID, "certificate: it has expired");
    }
    if (!check_mandate(own->mandate, authority->entry, error)) {
        return false;
    }
    return hf_certificate_rooted(own, &rooted)
               ? check_rooted(rooted, authority->manifest->host_tpm, error)
               : hf_error_set(error, HF_ERROR_INVALID,
                              "certificate: one of the policies of a virtual TPM expected");
}

/* Each is signed by the next; the last by itself. */
static bool check_chain(GPtrArray *all, GError **error)
{
    if (all->len < 2) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "certificate: the chain to the root is missing (give the root's "
                            "certificate too)");
    }
    for (unsigned i = 0; i < all->len; i++) {
        const HfCertificate *issuer = g_ptr_array_index(all, MIN(i + 1, all->len - 1));
        g_autofree char *label = g_strdup_printf("certificate %u of the chain", i + 1);

        if (!issuer->is_ca) {
            return hf_error_set(error, HF_ERROR_INVALID, "%s: its issuer is no CA", label);
        }
        if (!hf_certificate_signed_by(g_ptr_array_index(all, i), issuer, label, error)) {
            return false;
        }
    }
    return true;
}

static bool save(HfAuthorityDir *authority, GPtrArray *all, GError **error)
{
    g_autofree char *chain_label = hf_authority_key_label(authority, HF_AUTHORITY_CHAIN);
    g_autofree char *own_label = hf_authority_key_label(authority, HF_AUTHORITY_CERTIFICATE);
    g_autofree char *own = hf_certificate_pem(g_ptr_array_index(all, 0));
    g_autoptr(GString) chain = g_string_new(NULL);

    for (unsigned i = 1; i < all->len; i++) {
        g_autofree char *pem = hf_certificate_pem(g_ptr_array_index(all, i));

        g_string_append(chain, pem);
    }
    /* The authority's own last: it is what makes the installation count. */
    return hf_file_replace_at(authority->key_fd, HF_AUTHORITY_CHAIN, chain->str, chain->len, 0600,
                              chain_label, error) &&
           hf_file_replace_at(authority->key_fd, HF_AUTHORITY_CERTIFICATE, own, strlen(own), 0600,
                              own_label, error);
}

bool hf_authority_settle(HfAuthorityDir *authority, GError **error)
{
    if (!authority->is_next) {
        return true;
    }
    if (renameat(authority->key_fd, HF_BLOB_NEXT, authority->key_fd, HF_BLOB_FILE) != 0 ||
        fsync(authority->key_fd) != 0) {
        return hf_error_errno(error, errno, "%s/%s", authority->key_path, HF_BLOB_NEXT);
    }
    authority->is_next = false;
    return true;
}

/* What was issued names the issuer as it was called then. */
static bool check_subject(const HfAuthorityDir *authority, const HfCertificate *own, GError **error)
{
    const HfCertificate *before = authority->certificate;
    g_autofree char *wanted = NULL;
    g_autofree char *found = NULL;

    if (!before || !g_bytes_equal(before->spki, own->spki) ||
        g_bytes_equal(before->subject, own->subject)) {
        return true;
    }
    wanted = hf_certificate_subject_text(before);
    found = hf_certificate_subject_text(own);
    return hf_error_set(error, HF_ERROR_POLICY,
                        "certificate: subject \"%s\" expected, as in the one that is installed for "
                        "this key, found \"%s\": certificates issued until now would lose their "
                        "issuer",
                        wanted, found);
}

/* The key of several that the certificate is for. */
static HfAuthorityDir *find_key(const char *dir, GPtrArray *keys, const HfCertificate *own,
                                GError **error)
{
    for (unsigned i = 0; i < keys->len; i++) {
        const HfAuthorityKey *key = g_ptr_array_index(keys, i);
        const HfKeyWish wish = { .name = key->name };
        g_autoptr(HfAuthorityDir) authority = hf_authority_open_key(dir, NULL, &wish, error);
        g_autoptr(GBytes) spki = authority ? hf_authority_own_spki(authority, error) : NULL;

        if (!spki) {
            return NULL;
        }
        if (g_bytes_equal(spki, own->spki)) {
            return g_steal_pointer(&authority);
        }
    }
    hf_error_set(error, HF_ERROR_INVALID,
                 "certificate: it is for another key than the %u of this authority", keys->len);
    return NULL;
}

static bool check_root(GPtrArray *all, const HfCertificate *root, GError **error)
{
    const HfCertificate *found = g_ptr_array_index(all, all->len - 1);

    return !root || g_bytes_equal(root->der, found->der) ||
           hf_error_set(error, HF_ERROR_POLICY,
                        "certificate: its chain leads to another root than the one expected");
}

/* Where lists are given there must be a good one of each issuer. */
static bool check_revoked(GPtrArray *all, const char *const *lists, GError **error)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(HfCrlSet) set = hf_crl_set_new();
    bool wanted = *lists != NULL;

    for (; *lists; lists++) {
        if (!hf_crl_set_load(set, *lists, error)) {
            return false;
        }
    }
    for (unsigned i = 0; wanted && i + 1 < all->len; i++) {
        if (!hf_crl_set_check(set, g_ptr_array_index(all, i),
                              i == 0 ? "certificate" : "certificate of the CA above",
                              g_ptr_array_index(all, i + 1), "its issuer's certificate", now, NULL,
                              error)) {
            return false;
        }
    }
    return true;
}

bool hf_authority_install(HfAuthorityDir *authority, GPtrArray *all, const HfCertificate *root,
                          const char *const *lists, GError **error)
{
    return check_own(g_ptr_array_index(all, 0), authority, error) && check_chain(all, error) &&
           check_root(all, root, error) &&
           check_subject(authority, g_ptr_array_index(all, 0), error) &&
           check_revoked(all, lists, error) && save(authority, all, error) &&
           hf_authority_settle(authority, error);
}

bool hf_authority_command_install(const HfOptions *options, GError **error)
{
    const HfKeyWish wish = hf_authority_wish(options);
    const char *dir = hf_options_string(options, "dir");
    g_autoptr(GPtrArray) keys = hf_authority_keys(dir, error);
    g_autoptr(GPtrArray) all = keys ? load_all(hf_options_operands(options), error) : NULL;
    g_autoptr(HfAuthorityDir) authority = NULL;

    if (!all) {
        return false;
    }
    authority = wish.name || wish.migration_policy || wish.device_model || keys->len == 1
                    ? hf_authority_open_key(dir, NULL, &wish, error)
                    : find_key(dir, keys, g_ptr_array_index(all, 0), error);
    if (!authority ||
        !hf_authority_install(authority, all, NULL, hf_options_list(options, "crl"), error)) {
        return false;
    }
    printf("%s: certificate installed\n", authority->key_path);
    return true;
}
