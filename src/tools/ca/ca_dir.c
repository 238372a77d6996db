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
#include "pki/delegation.h"
#include "pki/keyfile.h"
#include "tools/ca/ca_lines.h"
#include "tools/common/fields.h"

#define ROOT_KEY "root.key"
#define ROOT_CERTIFICATE "root.pem"
#define ISSUED "issued"
#define ISSUED_FORMAT "holdfast-ca-issued"
#define ISSUED_VERSION 3

void hf_ca_dir_free(HfCaDir *ca)
{
    if (!ca) {
        return;
    }
    hf_signer_free(ca->signer);
    g_clear_pointer(&ca->root, hf_certificate_unref);
    hf_fd_close(&ca->fd);
    g_free(ca->path);
    g_free(ca);
}

void hf_issued_free(HfIssued *entry)
{
    if (!entry) {
        return;
    }
    g_free(entry->time);
    g_free(entry->serial);
    g_free(entry->subject);
    g_free(entry->rooted);
    g_free(entry->key);
    g_free(entry->migration_policy);
    g_free(entry->device_model);
    g_free(entry->platform);
    g_free(entry->host_tpm);
    g_free(entry->host_ek);
    g_free(entry->ek_proof);
    g_free(entry->environment);
    g_free(entry);
}

void hf_ca_dir_put_issued(JsonBuilder *builder, const HfIssued *entry)
{
    hf_fields_put(builder, "time", entry->time);
    hf_fields_put(builder, "serial", entry->serial);
    hf_fields_put(builder, "subject", entry->subject);
    hf_fields_put(builder, "rooted", entry->rooted);
    hf_fields_put(builder, "key", entry->key);
    hf_fields_put(builder, "migration-policy", entry->migration_policy);
    hf_fields_put(builder, "device-model", entry->device_model);
    hf_fields_put(builder, "platform", entry->platform);
    hf_fields_put(builder, "host-tpm", entry->host_tpm);
    hf_fields_put(builder, "host-ek", entry->host_ek);
    hf_fields_put(builder, "ek-proof", entry->ek_proof);
    hf_fields_put(builder, "environment", entry->environment);
    hf_fields_put_number(builder, "not-after", entry->not_after);
}

/* The key is made new, never replaced; the certificate last: without it there is no CA. */
static bool create_root(int fd, const char *path, HfKeyfileKind kind, const HfRootInput *in,
                        GError **error)
{
    g_autofree char *key_path = g_build_filename(path, ROOT_KEY, NULL);
    g_autofree char *label = g_build_filename(path, ROOT_CERTIFICATE, NULL);
    g_autoptr(HfSigner) signer = NULL;
    g_autoptr(HfCertificate) root = NULL;
    g_autofree char *pem = NULL;

    if (!hf_keyfile_generate(key_path, kind, error)) {
        return false;
    }
    signer = hf_signer_file_new(key_path, error);
    root = signer ? hf_delegation_root(in, signer, error) : NULL;
    if (!root) {
        (void)unlinkat(fd, ROOT_KEY, 0);
        return false;
    }
    pem = hf_certificate_pem(root);
    return hf_file_create_at(fd, ROOT_CERTIFICATE, pem, strlen(pem), 0644, label, error);
}

bool hf_ca_dir_create(const char *path, const char *algorithm, const char *organization,
                      const char *common_name, unsigned days, GError **error)
{
    g_autofree char *nonces = g_build_filename(path, HF_CA_NONCES, NULL);
    const HfRootInput in = {
        .organization = organization,
        .common_name = common_name,
        .not_before = g_get_real_time() / G_USEC_PER_SEC,
        .days = days,
    };
    HfKeyfileKind kind;
    hf_autofd int fd = -1;
    hf_autofd int sub = -1;

    if (!hf_keyfile_kind_parse(algorithm, &kind, error)) {
        return false;
    }
    fd = hf_dir_make(path, 0700, error);
    if (fd < 0) {
        return false;
    }
    if (faccessat(fd, ROOT_CERTIFICATE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return hf_error_set(error, HF_ERROR_EXISTS, "%s: there is a CA already", path);
    }
    sub = hf_dir_make(nonces, 0700, error);
    return sub >= 0 && create_root(fd, path, kind, &in, error);
}

HfCaDir *hf_ca_dir_open(const char *path, GError **error)
{
    g_autofree char *key_path = g_build_filename(path, ROOT_KEY, NULL);
    g_autofree char *label = g_build_filename(path, ROOT_CERTIFICATE, NULL);
    g_autoptr(HfCaDir) ca = g_new0(HfCaDir, 1);
    g_autoptr(GPtrArray) root = NULL;
    g_autoptr(GBytes) pem = NULL;

    ca->path = g_strdup(path);
    ca->fd = hf_dir_open(path, error);
    if (ca->fd < 0) {
        g_prefix_error(error, "no CA here (run holdfast-ca init): ");
        return NULL;
    }
    pem = hf_file_read_at(ca->fd, ROOT_CERTIFICATE, HF_CERTIFICATE_FILE_MAX, label, error);
    if (!pem) {
        g_prefix_error(error, "no CA here (run holdfast-ca init): ");
        return NULL;
    }
    root = hf_certificate_parse_bundle(pem, label, error);
    ca->signer = root ? hf_signer_file_new(key_path, error) : NULL;
    if (!ca->signer) {
        return NULL;
    }
    ca->root = hf_certificate_ref(g_ptr_array_index(root, 0));
    if (!g_bytes_equal(ca->root->spki, ca->signer->spki)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: is not the certificate of %s", label, key_path);
        return NULL;
    }
    return g_steal_pointer(&ca);
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

static HfIssued *parse_entry(const char *line, const char *label, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(line, strlen(line));
    g_autoptr(HfFields) fields =
        hf_fields_parse(bytes, label, ISSUED_FORMAT, ISSUED_VERSION, error);
    g_autoptr(HfIssued) entry = g_new0(HfIssued, 1);

    if (!fields) {
        return NULL;
    }
    entry->time = hf_fields_text(fields, "time", true);
    entry->serial = hf_fields_text(fields, "serial", true);
    entry->subject = hf_fields_text(fields, "subject", true);
    entry->rooted = hf_fields_text(fields, "rooted", true);
    entry->key = hf_fields_text(fields, "key", true);
    entry->migration_policy = hf_fields_text(fields, "migration-policy", true);
    entry->device_model = hf_fields_text(fields, "device-model", false);
    entry->platform = hf_fields_text(fields, "platform", true);
    entry->host_tpm = hf_fields_text(fields, "host-tpm", false);
    entry->host_ek = hf_fields_text(fields, "host-ek", false);
    entry->ek_proof = hf_fields_text(fields, "ek-proof", false);
    entry->environment = hf_fields_text(fields, "environment", false);
    entry->not_after = hf_fields_number(fields, "not-after", 0, G_MAXINT64);
    return hf_fields_finish(fields, error) ? g_steal_pointer(&entry) : NULL;
}

GPtrArray *hf_ca_dir_issued(HfCaDir *ca, GError **error)
{
    return hf_ca_lines_read(ca, ISSUED, (HfCaLineParse)parse_entry, (GDestroyNotify)hf_issued_free,
                            error);
}

bool hf_ca_dir_record(HfCaDir *ca, const HfIssued *entry, GError **error)
{
    JsonBuilder *builder = hf_fields_begin(ISSUED_FORMAT, ISSUED_VERSION, 1);
    g_autofree char *line = NULL;

    hf_ca_dir_put_issued(builder, entry);
    line = hf_fields_end_line(builder);
    return hf_ca_lines_append(ca, ISSUED, line, error);
}
