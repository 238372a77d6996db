/*
 * vendor.c - from a hardware TPM's EK certificate to a pinned root.
 *
 * The path is laid here, from the leaf upward, and GnuTLS judges it: so what the host sends beside
 * its certificate can only be used or left aside, never trusted.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/vendor.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/certificate.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/pem.h"

#define ROOTS_MAX 1024
#define PATH_MAX_CERTIFICATES 8
#define WHAT "EK certificate"
/* 112 bits: RSA-2048, SHA-224. Without it GnuTLS takes a key of any size for one that can sign. */
#define STRENGTH GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM)

struct HfVendorRoots {
    GPtrArray *anchors; /* gnutls_x509_crt_t */
};

static void crt_free(gpointer crt)
{
    gnutls_x509_crt_deinit(crt);
}

static GPtrArray *crt_array(void)
{
    return g_ptr_array_new_with_free_func(crt_free);
}

HfVendorRoots *hf_vendor_roots_new(void)
{
    HfVendorRoots *roots = g_new0(HfVendorRoots, 1);

    roots->anchors = crt_array();
    return roots;
}

void hf_vendor_roots_free(HfVendorRoots *roots)
{
    if (roots) {
        g_ptr_array_unref(roots->anchors);
        g_free(roots);
    }
}

unsigned hf_vendor_roots_count(const HfVendorRoots *roots)
{
    return roots->anchors->len;
}

static gnutls_x509_crt_t import(GBytes *der, const char *label, GError **error)
{
    gnutls_datum_t datum = { .size = (unsigned)g_bytes_get_size(der) };
    gnutls_x509_crt_t crt = NULL;
    int rc;

    /* GnuTLS takes it as const. */
    datum.data = (unsigned char *)(uintptr_t)g_bytes_get_data(der, NULL);
    rc = gnutls_x509_crt_init(&crt);
    if (rc >= 0) {
        rc = gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER);
    }
    if (rc < 0) {
        if (crt) {
            gnutls_x509_crt_deinit(crt);
        }
        hf_error_set(error, HF_ERROR_INVALID, "%s is not a valid certificate: %s", label,
                     gnutls_strerror(rc));
        return NULL;
    }
    return crt;
}

/* DER certificates one after the other. */
static bool import_all(GBytes *data, const char *label, GPtrArray *crts, GError **error)
{
    HfReader r = hf_reader_for(data);

    while (hf_reader_left(&r) > 0) {
        HfReader whole = hf_der_whole(&r, HF_DER_SEQUENCE);
        g_autoptr(GBytes) der = NULL;
        gnutls_x509_crt_t crt;

        if (whole.failed || crts->len >= ROOTS_MAX) {
            return hf_error_set(error, HF_ERROR_INVALID, "%s: %s", label,
                                whole.failed ? "not DER certificates one after the other"
                                             : "too many certificates");
        }
        der = hf_der_bytes(whole);
        crt = import(der, label, error);
        if (!crt) {
            return false;
        }
        g_ptr_array_add(crts, crt);
    }
    return true;
}

static bool add_file(HfVendorRoots *roots, const char *path, GError **error)
{
    g_autoptr(GBytes) data = hf_file_read_input(path, HF_CERTIFICATE_FILE_MAX, error);
    g_autoptr(GPtrArray) blocks = NULL;

    if (!data) {
        return false;
    }
    if (g_bytes_get_size(data) == 0) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: certificates expected, found nothing",
                            path);
    }
    if (!hf_pem_is_text(data)) {
        return import_all(data, path, roots->anchors, error);
    }
    blocks = hf_pem_read(data, "CERTIFICATE", HF_CERTIFICATE_BUNDLE_MAX, path, error);
    for (unsigned i = 0; blocks && i < blocks->len; i++) {
        if (!import_all(g_ptr_array_index(blocks, i), path, roots->anchors, error)) {
            return false;
        }
    }
    return blocks != NULL;
}

static bool add_directory(HfVendorRoots *roots, const char *path, GError **error)
{
    unsigned before = roots->anchors->len;
    GError *local = NULL;
    GDir *dir = g_dir_open(path, 0, &local);
    const char *name;
    bool good = true;

    if (!dir) {
        hf_error_set(error, HF_ERROR_IO, "%s: %s", path, local->message);
        g_error_free(local);
        return false;
    }
    while (good && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        good = name[0] == '.' || add_file(roots, file, error);
    }
    g_dir_close(dir);
    if (good && roots->anchors->len == before) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: certificates expected, found none", path);
    }
    return good;
}

bool hf_vendor_roots_add(HfVendorRoots *roots, const char *path, GError **error)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? add_directory(roots, path, error)
                                                       : add_file(roots, path, error);
}

GBytes *hf_vendor_key(GBytes *certificate, GError **error)
{
    gnutls_x509_crt_t crt = import(certificate, WHAT, error);
    gnutls_datum_t out = { 0 };
    gnutls_pubkey_t key = NULL;
    GBytes *spki = NULL;
    int rc;

    if (!crt) {
        return NULL;
    }
    rc = gnutls_pubkey_init(&key);
    rc = rc < 0 ? rc : gnutls_pubkey_import_x509(key, crt, 0);
    rc = rc < 0 ? rc : gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &out);
    if (rc < 0) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED, WHAT ": its key cannot be read: %s",
                     gnutls_strerror(rc));
    } else {
        spki = g_bytes_new(out.data, out.size);
        gnutls_free(out.data);
    }
    if (key) {
        gnutls_pubkey_deinit(key);
    }
    gnutls_x509_crt_deinit(crt);
    return spki;
}

/* Meant for an EK, where it says what it is meant for; no CA; not ours. */
static bool check_leaf(gnutls_x509_crt_t leaf, GError **error)
{
    char oid[64];
    bool any = false, meant = false;
    unsigned usage = 0;

    for (unsigned i = 0;; i++) {
        size_t size = sizeof(oid);

        if (gnutls_x509_crt_get_key_purpose_oid(leaf, i, oid, &size, NULL) < 0) {
            break;
        }
        any = true;
        meant = meant || strcmp(oid, HF_OID_PURPOSE_EK) == 0;
    }
    if (any && !meant) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            WHAT ": its extended key usage %s expected, found others",
                            HF_OID_PURPOSE_EK);
    }
    if (gnutls_x509_crt_get_ca_status(leaf, NULL) > 0 ||
        (gnutls_x509_crt_get_key_usage(leaf, &usage, NULL) >= 0 &&
         (usage & (GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN)))) {
        return hf_error_set(error, HF_ERROR_POLICY, WHAT ": it is one of a CA");
    }
    for (unsigned i = 0;; i++) {
        gnutls_x509_policy_st policy;
        bool ours;

        if (gnutls_x509_crt_get_policy(leaf, i, &policy, NULL) < 0) {
            return true;
        }
        ours = g_str_has_prefix(policy.oid, HF_OID_ARC ".");
        gnutls_x509_policy_release(&policy);
        if (ours) {
            return hf_error_set(error, HF_ERROR_POLICY,
                                WHAT ": it is one of a virtual TPM, which is no host TPM");
        }
    }
}

static gnutls_x509_crt_t issuer_among(GPtrArray *crts, gnutls_x509_crt_t of)
{
    for (unsigned i = 0; i < crts->len; i++) {
        gnutls_x509_crt_t crt = g_ptr_array_index(crts, i);

        if (crt != of && gnutls_x509_crt_check_issuer(of, crt)) {
            return crt;
        }
    }
    return NULL;
}

static char *name_text(gnutls_x509_crt_t crt)
{
    gnutls_datum_t raw = { 0 };
    g_autoptr(GBytes) der = NULL;

    if (gnutls_x509_crt_get_raw_dn(crt, &raw) < 0) {
        return g_strdup("?");
    }
    der = g_bytes_new(raw.data, raw.size);
    gnutls_free(raw.data);
    return hf_name_text(der);
}

/* GnuTLS checks constraints on host names, addresses and the like; a TPM has none of these, but a
 * name of the directory, which GnuTLS lets pass. */
static bool constrains_tpms(gnutls_x509_crt_t ca)
{
    static int (*const getters[])(gnutls_x509_name_constraints_t, unsigned, unsigned *,
                                  gnutls_datum_t *) = {
        gnutls_x509_name_constraints_get_permitted,
        gnutls_x509_name_constraints_get_excluded,
    };
    gnutls_x509_name_constraints_t constraints = NULL;
    unsigned critical = 0, type = 0;
    gnutls_datum_t name;
    bool found = false;
    int rc = gnutls_x509_name_constraints_init(&constraints);

    rc = rc < 0 ? rc : gnutls_x509_crt_get_name_constraints(ca, constraints, 0, &critical);
    for (size_t i = 0; rc >= 0 && i < G_N_ELEMENTS(getters); i++) {
        for (unsigned n = 0; getters[i](constraints, n, &type, &name) >= 0; n++) {
            found |= type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_RFC822NAME &&
                     type != GNUTLS_SAN_IPADDRESS && type != GNUTLS_SAN_URI;
        }
    }
    if (constraints) {
        gnutls_x509_name_constraints_deinit(constraints);
    }
    return found || (rc < 0 && rc != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
}

static bool check_constraints(gnutls_x509_crt_t *path, unsigned count, gnutls_x509_crt_t anchor,
                              GError **error)
{
    for (unsigned i = 1; i <= count; i++) {
        gnutls_x509_crt_t ca = i < count ? path[i] : anchor;

        if (constrains_tpms(ca)) {
            g_autofree char *name = name_text(ca);

            return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                                WHAT ": \"%s\" above it constrains names of a kind that is not "
                                     "understood here",
                                name);
        }
    }
    return true;
}

static bool judge(gnutls_x509_crt_t *path, unsigned count, gnutls_x509_crt_t anchor, GError **error)
{
    gnutls_x509_trust_list_t trust = NULL;
    unsigned status = 0;
    bool known;

    if (gnutls_x509_trust_list_init(&trust, 1) < 0 ||
        gnutls_x509_trust_list_add_cas(trust, &anchor, 1, 0) != 1 ||
        gnutls_x509_trust_list_verify_crt2(trust, path, count, NULL, 0, STRENGTH, &status, NULL) <
            0) {
        status = GNUTLS_CERT_INVALID;
    }
    if (trust) {
        gnutls_x509_trust_list_deinit(trust, 0);
    }
    if (status == 0) {
        return true;
    }
    known = !(status & ~(GNUTLS_CERT_INVALID | GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED));
    if (known && (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED))) {
        return hf_error_set(error, HF_ERROR_POLICY, WHAT ": it or one above it %s",
                            status & GNUTLS_CERT_EXPIRED ? "has expired" : "is not valid yet");
    }
    return hf_error_set(
        error, HF_ERROR_AUTH, WHAT ": %s",
        status & GNUTLS_CERT_INSECURE_ALGORITHM
            ? "it or one above it is signed with an algorithm or key that is not safe"
            : "the chain to the pinned root does not verify");
}

static bool verify(const HfVendorRoots *roots, gnutls_x509_crt_t leaf, GPtrArray *between,
                   char **ret_root, GError **error)
{
    gnutls_x509_crt_t path[PATH_MAX_CERTIFICATES] = { leaf };
    gnutls_x509_crt_t anchor;
    unsigned count = 1;

    while (!(anchor = issuer_among(roots->anchors, path[count - 1]))) {
        gnutls_x509_crt_t next = issuer_among(between, path[count - 1]);

        if (!next || count == PATH_MAX_CERTIFICATES) {
            g_autofree char *name = name_text(path[count - 1]);

            return hf_error_set(error, HF_ERROR_AUTH,
                                WHAT ": no pinned vendor root stands above it; the last "
                                     "certificate of its chain is \"%s\"",
                                name);
        }
        path[count++] = next;
    }
    if (!judge(path, count, anchor, error) || !check_constraints(path, count, anchor, error)) {
        return false;
    }
    if (ret_root) {
        *ret_root = name_text(anchor);
    }
    return true;
}

bool hf_vendor_verify(const HfVendorRoots *roots, GBytes *certificate, GBytes *above,
                      char **ret_root, GError **error)
{
    g_autoptr(GPtrArray) between = crt_array();
    gnutls_x509_crt_t leaf = import(certificate, WHAT, error);
    bool good;

    if (!leaf) {
        return false;
    }
    good = (!above || import_all(above, "certificates above the " WHAT, between, error)) &&
           check_leaf(leaf, error) && verify(roots, leaf, between, ret_root, error);
    gnutls_x509_crt_deinit(leaf);
    return good;
}
