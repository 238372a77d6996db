/*
 * authority_dir.c - opening an authority's directory, and its signer.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/authority_dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "hwtpm/hwcounter.h"
#include "hwtpm/hwderive.h"
#include "hwtpm/hwendorsement.h"
#include "hwtpm/hwquote.h"
#include "hwtpm/hwsigner.h"
#include "pki/pem.h"
#include "tools/common/authority_parts.h"
#include "tools/common/blob_file.h"
#include "tools/common/host_connection.h"
#include "tpm2/approval.h"

char *hf_authority_label(const HfAuthorityDir *authority, const char *name)
{
    return g_build_filename(authority->path, name, NULL);
}

char *hf_authority_key_label(const HfAuthorityDir *authority, const char *name)
{
    return g_build_filename(authority->key_path, name, NULL);
}

void hf_authority_free(HfAuthorityDir *authority)
{
    if (!authority) {
        return;
    }
    hf_signer_free(authority->signer);
    hf_counter_free(authority->shared_counter);
    hf_connection_free(authority->connection);
    hf_key_blob_free(authority->blob);
    hf_key_blob_free(authority->derivation);
    hf_approval_free(authority->approval);
    hf_approval_free(authority->next);
    g_clear_error(&authority->next_error);
    g_clear_error(&authority->derivation_error);
    g_clear_error(&authority->approval_error);
    g_clear_pointer(&authority->certificate, hf_certificate_unref);
    g_clear_error(&authority->certificate_error);
    g_clear_pointer(&authority->above, g_ptr_array_unref);
    g_clear_pointer(&authority->chain, g_ptr_array_unref);
    g_clear_pointer(&authority->facts.tcb_digest, g_bytes_unref);
    hf_manifest_free(authority->manifest);
    hf_fd_close(&authority->fd);
    hf_fd_close(&authority->key_fd);
    hf_authority_key_free(authority->entry);
    g_free(authority->key_path);
    g_free(authority->tcti);
    g_free(authority->path);
    g_free(authority);
}

static bool open_directory(HfAuthorityDir *authority, GError **error)
{
    struct stat st;

    authority->fd = hf_dir_open(authority->path, error);
    if (authority->fd < 0) {
        return false;
    }
    if (fstat(authority->fd, &st) != 0) {
        return hf_error_errno(error, errno, "%s", authority->path);
    }
    if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        return hf_error_set(error, HF_ERROR_ACCESS,
                            "%s: mode 0700 expected, found %04o: others can write it",
                            authority->path, (unsigned)(st.st_mode & 07777));
    }
    return true;
}

bool hf_authority_approver_parse(GBytes *pem, const char *label, HfPublic *ret_approver,
                                 GError **error)
{
    g_autoptr(GPtrArray) blocks = hf_pem_read(pem, "PUBLIC KEY", 1, label, error);
    g_autoptr(HfPublicKey) key = NULL;
    GBytes *der;

    if (!blocks) {
        return false;
    }
    der = g_ptr_array_index(blocks, 0);
    key = hf_public_key_from_spki(g_bytes_get_data(der, NULL), g_bytes_get_size(der), error);
    if (!key || !hf_approver_public(key, ret_approver, error)) {
        g_prefix_error(error, "%s: ", label);
        return false;
    }
    return true;
}

static bool load_approver(HfAuthorityDir *authority, GError **error)
{
    g_autofree char *label = hf_authority_label(authority, HF_AUTHORITY_APPROVER);
    g_autoptr(GBytes) pem =
        hf_file_read_at(authority->fd, HF_AUTHORITY_APPROVER, 65536, label, error);
    HfTpmName name;

    if (!pem || !hf_authority_approver_parse(pem, label, &authority->approver, error)) {
        return false;
    }
    name = hf_public_name(&authority->approver);
    if (g_bytes_get_size(authority->manifest->approver_name) != name.size ||
        memcmp(g_bytes_get_data(authority->manifest->approver_name, NULL), name.data, name.size) !=
            0) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: another key than the one the manifest names", label);
    }
    authority->counter =
        hf_counter_expected_name(authority->manifest->counter_index, &authority->approver);
    return true;
}

static bool load_key(HfAuthorityDir *authority, const char *name, GError **error)
{
    g_autofree char *label = hf_authority_key_label(authority, name);
    HfDigest policy = hf_approval_auth_policy(&authority->approver, HF_APPROVAL_SIGN);
    GBytes *area;

    g_autoptr(HfKeyBlob) blob = hf_blob_load(authority->key_fd, name, label, error);
    HfPublic key;

    if (!blob) {
        return false;
    }
    area = blob->public_area;
    if (!hf_public_parse(g_bytes_get_data(area, NULL), g_bytes_get_size(area), &key, error) ||
        !hf_vma_check(&key, &policy, error)) {
        g_prefix_error(error, "%s: ", label);
        return false;
    }
    hf_key_blob_free(authority->blob);
    authority->blob = g_steal_pointer(&blob);
    authority->key = key;
    return true;
}

static bool is_certified(const HfAuthorityDir *authority)
{
    g_autoptr(HfPublicKey) key = hf_public_key_of(&authority->key, NULL);
    g_autoptr(GBytes) spki = key ? hf_public_key_spki(key) : NULL;

    return spki && g_bytes_equal(spki, authority->certificate->spki);
}

/* The certificate is what makes an enrolment count. If all ended before the key that it is for had
 * its final name, that key is used under the one it has. */
static void find_certified_key(HfAuthorityDir *authority)
{
    HfKeyBlob *before = authority->blob;
    HfPublic key = authority->key;

    if (!authority->manifest->host_tpm || !authority->certificate || is_certified(authority)) {
        return;
    }
    authority->blob = NULL;
    authority->is_next = load_key(authority, HF_BLOB_NEXT, NULL) && is_certified(authority);
    if (authority->is_next) {
        hf_key_blob_free(before);
        return;
    }
    hf_key_blob_free(authority->blob);
    authority->blob = before;
    authority->key = key;
}

/* Not every authority has one; what is wrong with it is said when it is wanted. */
static void load_derivation(HfAuthorityDir *authority)
{
    g_autofree char *label = hf_authority_label(authority, HF_BLOB_DERIVATION);
    HfDigest policy = hf_approval_auth_policy(&authority->approver, HF_APPROVAL_DERIVE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfKeyBlob) blob = hf_blob_load(authority->fd, HF_BLOB_DERIVATION, label, &error);
    HfPublic area;

    if (!blob && hf_error_is(error, HF_ERROR_NOT_FOUND)) {
        return;
    }
    if (blob &&
        hf_public_parse(g_bytes_get_data(blob->public_area, NULL),
                        g_bytes_get_size(blob->public_area), &area, &error) &&
        hf_derivation_check(&area, &policy, &error)) {
        authority->derivation = g_steal_pointer(&blob);
        return;
    }
    if (blob) {
        g_prefix_error(&error, "%s: ", label);
    }
    authority->derivation_error = g_steal_pointer(&error);
}

HfApprovalSubject hf_authority_subject(const HfAuthorityDir *authority)
{
    return (HfApprovalSubject){ .approver = &authority->approver, .counter = authority->counter };
}

static HfApproval *load_one(HfAuthorityDir *authority, const char *name, GError **error)
{
    g_autofree char *label = hf_authority_label(authority, name);
    HfApprovalSubject subject = hf_authority_subject(authority);
    bool found = false;

    return hf_approval_load(&subject, authority->fd, name, label, &found, error);
}

static void load_approval(HfAuthorityDir *authority)
{
    authority->approval = load_one(authority, HF_APPROVAL_FILE, &authority->approval_error);
    authority->next = load_one(authority, HF_APPROVAL_NEXT, &authority->next_error);
}

static void set_tcb(HfAuthorityDir *authority, const HfApproval *approval)
{
    const HfDigest *policy = &approval->policy[HF_USE_SIGN];

    g_clear_pointer(&authority->facts.tcb_digest, g_bytes_unref);
    authority->facts.tcb_digest = g_bytes_new(policy->data, policy->size);
}

static GPtrArray *load_bundle(HfAuthorityDir *authority, const char *name, GError **error)
{
    g_autofree char *label = hf_authority_key_label(authority, name);
    g_autoptr(GBytes) data =
        hf_file_read_at(authority->key_fd, name, HF_CERTIFICATE_FILE_MAX, label, error);

    return data ? hf_certificate_parse_bundle(data, label, error) : NULL;
}

static void load_certificates(HfAuthorityDir *authority)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) own = load_bundle(authority, HF_AUTHORITY_CERTIFICATE, &error);

    if (!own) {
        if (!hf_error_is(error, HF_ERROR_NOT_FOUND)) {
            authority->certificate_error = g_steal_pointer(&error);
        }
        return;
    }
    if (own->len != 1) {
        hf_error_set(&authority->certificate_error, HF_ERROR_INVALID,
                     "%s/%s: one certificate expected, found %u", authority->key_path,
                     HF_AUTHORITY_CERTIFICATE, own->len);
        return;
    }
    authority->above = load_bundle(authority, HF_AUTHORITY_CHAIN, &authority->certificate_error);
    if (authority->above) {
        authority->certificate = hf_certificate_ref(g_ptr_array_index(own, 0));
    }
}

/* Whether the host TPM is a virtual one the CA knows, and has said in its certificate. */
static HfRooted rooted_in(const HfAuthorityDir *authority)
{
    HfRooted rooted = HF_ROOTED_HARDWARE;

    if (!authority->manifest->host_tpm) {
        return HF_ROOTED_SOFTWARE;
    }
    return authority->certificate && hf_certificate_rooted(authority->certificate, &rooted) &&
                   rooted == HF_ROOTED_NESTED
               ? HF_ROOTED_NESTED
               : HF_ROOTED_HARDWARE;
}

static void fill_facts(HfAuthorityDir *authority)
{
    const HfManifest *manifest = authority->manifest;
    HfAuthorityFacts *facts = &authority->facts;

    facts->rooted = rooted_in(authority);
    facts->host_ek_digest = manifest->host_ek;
    if (authority->approval) {
        set_tcb(authority, authority->approval);
    }
    facts->key = authority->entry->name;
    facts->migration_policy = authority->entry->migration_policy;
    facts->device_model = authority->entry->device_model;
    facts->aia_url = manifest->aia_url;
    facts->platform_manufacturer = manifest->platform_manufacturer;
    facts->platform_model = manifest->platform_model;
    facts->platform_version = manifest->platform_version;
    facts->host_tpm = manifest->host_tpm_text;
}

/* Directory and manifest; nothing of a key. */
static HfAuthorityDir *open_manifest(const char *dir, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = g_new0(HfAuthorityDir, 1);
    g_autofree char *label = NULL;
    g_autoptr(GError) local = NULL;

    authority->fd = authority->key_fd = -1;
    authority->path = g_strdup(dir);
    if (!open_directory(authority, error)) {
        return NULL;
    }
    label = hf_authority_label(authority, HF_MANIFEST_FILE);
    authority->manifest = hf_manifest_load(authority->fd, label, &local);
    if (hf_error_is(local, HF_ERROR_NOT_FOUND)) {
        hf_error_set(error, HF_ERROR_NOT_FOUND,
                     "%s: no authority here (run holdfast-authority init)", dir);
        return NULL;
    }
    if (!authority->manifest) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    return g_steal_pointer(&authority);
}

GPtrArray *hf_authority_keys(const char *dir, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = open_manifest(dir, error);

    return authority ? hf_authority_keys_load(authority->fd, dir, authority->manifest, error)
                     : NULL;
}

/* Which key it is, and where its files are. */
static bool choose_key(HfAuthorityDir *authority, const HfKeyWish *wish, GError **error)
{
    g_autoptr(GPtrArray) keys =
        hf_authority_keys_load(authority->fd, authority->path, authority->manifest, error);
    const HfAuthorityKey *found =
        keys ? hf_authority_keys_find(keys, wish, authority->path, error) : NULL;
    unsigned at = 0;

    if (!found) {
        return false;
    }
    (void)g_ptr_array_find(keys, found, &at);
    authority->entry = g_ptr_array_steal_index(keys, at);
    authority->key_path =
        authority->entry->first
            ? g_strdup(authority->path)
            : g_build_filename(authority->path, HF_KEYS_DIRECTORY, authority->entry->name, NULL);
    authority->key_fd =
        hf_authority_key_open(authority->fd, authority->path, authority->entry, false, error);
    return authority->key_fd >= 0;
}

HfAuthorityDir *hf_authority_open_key(const char *dir, const char *tcti, const HfKeyWish *wish,
                                      GError **error)
{
    g_autoptr(HfAuthorityDir) authority = open_manifest(dir, error);

    if (!authority || !choose_key(authority, wish, error)) {
        return NULL;
    }
    if (authority->manifest->host_tpm) {
        authority->tcti = g_strdup(tcti ? tcti : authority->manifest->tcti);
        if (!load_approver(authority, error) || !load_key(authority, HF_BLOB_FILE, error)) {
            return NULL;
        }
        load_derivation(authority);
        load_approval(authority);
    }
    load_certificates(authority);
    find_certified_key(authority);
    fill_facts(authority);
    return g_steal_pointer(&authority);
}

HfAuthorityDir *hf_authority_open_parts(const char *dir, const char *tcti, GError **error)
{
    return hf_authority_open_key(dir, tcti, NULL, error);
}

HfAuthorityDir *hf_authority_open(const char *dir, const char *tcti, const HfKeyWish *wish,
                                  GError **error)
{
    g_autoptr(HfAuthorityDir) authority = hf_authority_open_key(dir, tcti, wish, error);

    if (!authority) {
        return NULL;
    }
    if (authority->approval_error) {
        g_propagate_error(error, g_error_copy(authority->approval_error));
        return NULL;
    }
    if (authority->certificate_error) {
        g_propagate_error(error, g_error_copy(authority->certificate_error));
        return NULL;
    }
    return g_steal_pointer(&authority);
}

const HfAuthorityFacts *hf_authority_facts(const HfAuthorityDir *authority)
{
    return &authority->facts;
}

const HfCertificate *hf_authority_certificate(HfAuthorityDir *authority, GError **error)
{
    HfCertificate *certificate = authority->certificate;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    if (!certificate) {
        hf_error_set(error, HF_ERROR_STATE,
                     "%s: no certificate installed: run holdfast-ca delegate and "
                     "holdfast-authority install-certificate",
                     authority->key_path);
        return NULL;
    }
    if (now > certificate->not_after || now < certificate->not_before) {
        g_autoptr(GDateTime) at = g_date_time_new_from_unix_utc(
            now > certificate->not_after ? certificate->not_after : certificate->not_before);
        g_autofree char *when = g_date_time_format_iso8601(at);

        hf_error_set(error, HF_ERROR_STATE, "%s/%s: the certificate %s %s", authority->key_path,
                     HF_AUTHORITY_CERTIFICATE,
                     now > certificate->not_after ? "expired at" : "is not valid before", when);
        return NULL;
    }
    return certificate;
}

GPtrArray *hf_authority_chain(HfAuthorityDir *authority, GError **error)
{
    const HfCertificate *certificate = hf_authority_certificate(authority, error);

    if (!certificate) {
        return NULL;
    }
    if (!authority->chain) {
        authority->chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
        g_ptr_array_add(authority->chain, g_bytes_ref(certificate->der));
        for (unsigned i = 0; i < authority->above->len; i++) {
            const HfCertificate *above = g_ptr_array_index(authority->above, i);

            g_ptr_array_add(authority->chain, g_bytes_ref(above->der));
        }
    }
    return authority->chain;
}

HfConnection *hf_authority_connection(HfAuthorityDir *authority, GError **error)
{
    g_autoptr(HfConnection) connection = NULL;

    if (authority->connection) {
        return authority->connection;
    }
    if (!authority->manifest->host_tpm) {
        hf_error_set(error, HF_ERROR_STATE, "%s: this authority's key is in a file, not in a TPM",
                     authority->path);
        return NULL;
    }
    connection = hf_host_connection(authority->tcti, error);
    if (!connection || !hf_storage_open(connection, authority->manifest->srk_handle,
                                        authority->manifest->srk_name, NULL, error)) {
        return NULL;
    }
    authority->connection = g_steal_pointer(&connection);
    return authority->connection;
}

HfCounter *hf_authority_counter(HfAuthorityDir *authority, GError **error)
{
    HfConnection *connection = hf_authority_connection(authority, error);

    if (connection && !authority->shared_counter) {
        authority->shared_counter = hf_counter_open(connection, authority->manifest->counter_index,
                                                    &authority->approver, error);
    }
    return connection ? authority->shared_counter : NULL;
}

/* Another key is another TPM, or somebody on the way to it who makes it look as if it could not make
 * that key. */
bool hf_authority_endorsement(HfAuthorityDir *authority, HfPublic *ret_ek, GBytes **ret_certificate,
                              GError **error)
{
    HfConnection *connection = hf_authority_connection(authority, error);
    g_autoptr(GBytes) certificate = NULL;
    g_autoptr(GBytes) digest = NULL;

    if (!connection || !hf_endorsement_read(connection, ret_ek, &certificate, error)) {
        return false;
    }
    digest = hf_endorsement_digest(ret_ek, error);
    if (!digest) {
        return false;
    }
    if (!g_bytes_equal(digest, authority->manifest->host_ek)) {
        g_autofree char *wanted = hf_hex(g_bytes_get_data(authority->manifest->host_ek, NULL),
                                         g_bytes_get_size(authority->manifest->host_ek));
        g_autofree char *found = hf_hex(g_bytes_get_data(digest, NULL), g_bytes_get_size(digest));

        return hf_error_set(error, HF_ERROR_STATE,
                            "endorsement key of the host TPM: SHA-256 %s expected, found %s; TPM "
                            "replaced, or something on the way to it answers in its place",
                            wanted, found);
    }
    *ret_certificate = g_steal_pointer(&certificate);
    return true;
}

GBytes *hf_authority_host_chain(HfAuthorityDir *authority, GError **error)
{
    GByteArray *all = NULL;
    g_autoptr(GBytes) certificate = NULL;
    g_autoptr(GBytes) above = NULL;
    HfPublic ek;

    if (!hf_authority_endorsement(authority, &ek, &certificate, error)) {
        return NULL;
    }
    if (!certificate) {
        hf_error_set(error, HF_ERROR_STATE,
                     "host TPM: it is a virtual one and has no EK certificate any more, so nobody "
                     "could follow a chain to what it stands on");
        return NULL;
    }
    above = hf_endorsement_above(authority->connection);
    all = g_byte_array_new();
    hf_put_gbytes(all, certificate);
    if (above) {
        hf_put_gbytes(all, above);
    }
    return g_byte_array_free_to_bytes(all);
}

const HfApproval *hf_authority_in_force(HfAuthorityDir *authority, GError **error)
{
    const HfApproval *next = authority->next;
    const HfApproval *approval = authority->approval;
    g_autoptr(HfPcrValues) now = NULL;

    if (!approval) {
        hf_error_set(error, HF_ERROR_STATE,
                     "%s: nothing approved yet: run holdfast-authority approve", authority->path);
        return NULL;
    }
    if (authority->in_force) {
        return authority->in_force;
    }
    if (next) {
        if (!hf_authority_connection(authority, error)) {
            return NULL;
        }
        now = hf_hwpcr_read(authority->connection, &next->selection, error);
        if (!now) {
            return NULL;
        }
        if (hf_approval_fits(next, now) &&
            (next->generation >= approval->generation || !hf_approval_fits(approval, now))) {
            approval = next;
        }
    }
    set_tcb(authority, approval);
    authority->in_force = approval;
    return approval;
}

/* Everything that stands before the use of a key but the key; connects to the host TPM. */
static bool approved_input(HfAuthorityDir *authority, HfUse use, const HfKeyBlob *blob,
                           HfApprovedInput *ret_input, GError **error)
{
    const HfApproval *approval;
    HfCounter *counter;

    if (authority->approval_error) {
        g_propagate_error(error, g_error_copy(authority->approval_error));
        return false;
    }
    approval = hf_authority_in_force(authority, error);
    if (!approval) {
        return false;
    }
    if (!approval->signature[use]) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "%s: the approval is older than the %s and does not cover it: run "
                            "holdfast-authority approve",
                            authority->path, hf_use_info(use)->key);
    }
    counter = hf_authority_counter(authority, error);
    if (!counter) {
        return false;
    }
    *ret_input = (HfApprovedInput){
        .use = use,
        .blob = blob,
        .approver = &authority->approver,
        .counter = counter,
        .environment = { .selection = approval->selection,
                         .pcr_digest = approval->pcr_digest,
                         .generation = approval->generation },
        .signature = approval->signature[use],
    };
    return true;
}

static HfSigner *host_signer(HfAuthorityDir *authority, GError **error)
{
    HfApprovedInput in;
    HfSigner *signer = approved_input(authority, HF_USE_SIGN, authority->blob, &in, error)
                           ? hf_signer_host_new(authority->connection, &in, error)
                           : NULL;

    if (signer) {
        signer->rooted = authority->facts.rooted;
    }
    return signer;
}

HfSecret *hf_authority_derive(HfAuthorityDir *authority, const void *data, size_t size,
                              GError **error)
{
    HfApprovedInput in;

    if (!authority->manifest->host_tpm) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "%s: this authority is software-rooted: only a host TPM has a derivation key",
                     authority->path);
        return NULL;
    }
    if (authority->derivation_error) {
        g_propagate_error(error, g_error_copy(authority->derivation_error));
        return NULL;
    }
    if (!authority->derivation) {
        hf_error_set(error, HF_ERROR_STATE,
                     "%s: there is no derivation key: run holdfast-authority derivation-key",
                     authority->path);
        return NULL;
    }
    return approved_input(authority, HF_USE_DERIVE, authority->derivation, &in, error)
               ? hf_derivation_run(authority->connection, &in, data, size, error)
               : NULL;
}

static HfSigner *file_signer(HfAuthorityDir *authority, GError **error)
{
    g_autofree char *path = hf_authority_key_label(authority, HF_AUTHORITY_KEY);
    HfSigner *signer = hf_signer_file_new(path, error);

    if (signer) {
        signer->rooted = HF_ROOTED_SOFTWARE;
    }
    return signer;
}

HfSigner *hf_authority_signer(HfAuthorityDir *authority, GError **error)
{
    if (!authority->signer) {
        authority->signer = authority->manifest->host_tpm ? host_signer(authority, error)
                                                          : file_signer(authority, error);
    }
    return authority->signer;
}
