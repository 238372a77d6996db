/*
 * ca_dir.c - the directory of the fleet's CA.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/chain.h"
#include "tools/ca/ca_act.h"
#include "tools/ca/ca_key.h"
#include "tools/ca/ca_lines.h"
#include "tools/common/secret_source.h"

#define ROOT_CERTIFICATE "root.pem"

void hf_ca_dir_free(HfCaDir *ca)
{
    if (!ca) {
        return;
    }
    hf_signer_free(ca->signer);
    hf_secret_free(ca->pin);
    g_clear_pointer(&ca->root, hf_certificate_unref);
    hf_fd_close(&ca->fd);
    g_free(ca->path);
    g_free(ca->requester);
    g_free(ca);
}

static HfCaDir *new_dir(const char *path)
{
    HfCaDir *ca = g_new0(HfCaDir, 1);

    ca->path = g_strdup(path);
    ca->fd = -1;
    ca->requester = g_strdup_printf("user %u", (unsigned)getuid());
    return ca;
}

void hf_ca_dir_set_requester(HfCaDir *ca, const char *requester)
{
    g_free(ca->requester);
    ca->requester = g_strdup(requester);
}

static bool record_init(HfCaDir *ca, GError **error)
{
    g_autoptr(HfAuditEntry) entry = hf_audit_entry_new(HF_AUDIT_INIT);

    entry->digest = hf_audit_digest_text(ca->root->der);
    entry->facts->subject = hf_certificate_subject_text(ca->root);
    return hf_ca_act_first(ca, entry, error);
}

/* A certificate that was there before: is it this key's, and one of a root? */
static HfCertificate *load_root(const char *path, const HfSigner *signer, GError **error)
{
    g_autoptr(HfCertificate) root = hf_certificate_load(path, error);

    if (!root) {
        return NULL;
    }
    if (!g_bytes_equal(root->spki, signer->spki)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: it is the certificate of another key", path);
        return NULL;
    }
    return hf_chain_check_root(root, g_get_real_time() / G_USEC_PER_SEC, error)
               ? g_steal_pointer(&root)
               : NULL;
}

/* The key is made new, never replaced; the certificate last: without it there is no CA. */
static bool create_root(HfCaDir *ca, const HfCaInit *in, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, ROOT_CERTIFICATE, NULL);
    g_autofree char *pem = NULL;

    ca->signer = hf_ca_key_make(ca->fd, ca->path, in->key, in->algorithm, ca->pin, error);
    if (!ca->signer) {
        return false;
    }
    ca->root = in->certificate ? load_root(in->certificate, ca->signer, error)
                               : hf_delegation_root(&in->root, ca->signer, error);
    if (!ca->root || !record_init(ca, error)) {
        hf_ca_key_remove(ca->fd);
        return false;
    }
    pem = hf_certificate_pem(ca->root);
    return hf_file_create_at(ca->fd, ROOT_CERTIFICATE, pem, strlen(pem), 0644, label, error);
}

bool hf_ca_dir_create(const char *path, const HfCaInit *in, HfSecret *pin, GError **error)
{
    g_autofree char *nonces = g_build_filename(path, HF_CA_NONCES, NULL);
    g_autoptr(HfCaDir) ca = new_dir(path);
    hf_autofd int sub = -1;

    ca->pin = pin;
    ca->fd = hf_dir_make(path, 0700, error);
    if (ca->fd < 0) {
        return false;
    }
    if (faccessat(ca->fd, ROOT_CERTIFICATE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return hf_error_set(error, HF_ERROR_EXISTS, "%s: there is a CA already", path);
    }
    sub = hf_dir_make(nonces, 0700, error);
    return sub >= 0 && create_root(ca, in, error);
}

HfCaDir *hf_ca_dir_open_records(const char *path, GError **error)
{
    g_autofree char *label = g_build_filename(path, ROOT_CERTIFICATE, NULL);
    g_autoptr(HfCaDir) ca = new_dir(path);
    g_autoptr(GPtrArray) root = NULL;
    g_autoptr(GBytes) pem = NULL;

    ca->fd = hf_dir_open(path, error);
    pem = ca->fd >= 0
              ? hf_file_read_at(ca->fd, ROOT_CERTIFICATE, HF_CERTIFICATE_FILE_MAX, label, error)
              : NULL;
    if (!pem) {
        g_prefix_error(error, "no CA here (run holdfast-ca init): ");
        return NULL;
    }
    root = hf_certificate_parse_bundle(pem, label, error);
    if (!root) {
        return NULL;
    }
    ca->root = hf_certificate_ref(g_ptr_array_index(root, 0));
    return g_steal_pointer(&ca);
}

HfCaDir *hf_ca_dir_open(const char *path, HfSecret *pin, GError **error)
{
    g_autoptr(HfSecret) owned = pin;
    g_autoptr(HfCaDir) ca = hf_ca_dir_open_records(path, error);

    if (!ca) {
        return NULL;
    }
    ca->pin = g_steal_pointer(&owned);
    ca->signer = hf_ca_key_open(ca->fd, path, ca->pin, error);
    if (!ca->signer) {
        return NULL;
    }
    if (!g_bytes_equal(ca->root->spki, ca->signer->spki)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s/%s: is not the certificate of the CA's key (%s)",
                     path, ROOT_CERTIFICATE, ca->signer->class->name);
        return NULL;
    }
    return g_steal_pointer(&ca);
}

bool hf_ca_pin(const HfOptions *options, HfSecret **ret_pin, GError **error)
{
    const char *how = hf_options_string(options, "pin");

    *ret_pin = how ? hf_secret_source_read(how, "--pin", error) : NULL;
    return *ret_pin || !how;
}

HfCaDir *hf_ca_open(const HfOptions *options, GError **error)
{
    HfSecret *pin = NULL;

    return hf_ca_pin(options, &pin, error)
               ? hf_ca_dir_open(hf_options_string(options, "dir"), pin, error)
               : NULL;
}

/* A lock belongs to an open file, so each holder opens the directory anew: two threads of a process
 * exclude each other too. */
int hf_ca_dir_lock(const HfCaDir *ca, GError **error)
{
    hf_autofd int fd = hf_dir_open_at(ca->fd, ".", error);

    if (fd < 0) {
        return -1;
    }
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            hf_error_errno(error, errno, "%s: lock", ca->path);
            return -1;
        }
    }
    return hf_fd_steal(&fd);
}

GPtrArray *hf_ca_dir_issued(HfCaDir *ca, GError **error)
{
    return hf_ca_lines_read(ca, HF_CA_ISSUED, (HfCaLineParse)hf_issued_read,
                            (GDestroyNotify)hf_issued_free, error);
}

bool hf_ca_dir_record(HfCaDir *ca, const HfIssued *entry, GError **error)
{
    g_autofree char *line = hf_issued_write(entry);

    return hf_ca_lines_append_once(ca, HF_CA_ISSUED, line, error);
}
