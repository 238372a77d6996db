/*
 * guest.c - opening the guest's TPM and the directory of its attestation key.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/attest/guest.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/vendor.h"
#include "tools/common/blob_file.h"
#include "tools/common/fields.h"
#include "tools/common/host_connection.h"

#define MANIFEST "ak.json"
#define BLOB "ak.blob"
#define FORMAT "holdfast-ak"
#define FORMAT_VERSION 1
#define AUTH_MAX 256

static const char *const ek_names[] = { "rsa2048", "p256", "p384", "rsa3072", NULL };
static const HfTemplate ek_templates[] = { HF_TEMPLATE_EK_RSA2048, HF_TEMPLATE_EK_P256,
                                           HF_TEMPLATE_EK_P384, HF_TEMPLATE_EK_RSA3072 };

char *hf_guest_label(const HfGuest *guest, const char *name)
{
    return g_build_filename(guest->path, name, NULL);
}

void hf_guest_free(HfGuest *guest)
{
    if (guest) {
        hf_host_key_free(guest->ak);
        hf_key_blob_free(guest->unsaved);
        hf_connection_free(guest->connection);
        g_clear_pointer(&guest->srk_name, g_bytes_unref);
        g_clear_pointer(&guest->ek_certificate, g_bytes_unref);
        hf_fd_close(&guest->fd);
        g_free(guest->tcti);
        g_free(guest->path);
        g_free(guest);
    }
}

/* What was pinned. *ret_found is false when there is no manifest. */
static bool load_manifest(HfGuest *guest, bool *ret_found, GError **error)
{
    g_autofree char *label = hf_guest_label(guest, MANIFEST);
    g_autoptr(GBytes) file = NULL;
    g_autoptr(HfFields) fields = NULL;

    if (!hf_file_read_if_at(guest->fd, MANIFEST, HF_FIELDS_FILE_MAX, label, &file, error)) {
        return false;
    }
    *ret_found = file != NULL;
    if (!file) {
        return true;
    }
    fields = hf_fields_parse(file, label, FORMAT, FORMAT_VERSION, error);
    if (!fields) {
        return false;
    }
    guest->tcti = hf_fields_text(fields, "tcti", true);
    guest->ek_template = ek_templates[hf_fields_choice(fields, "ek", ek_names)];
    guest->srk_name = hf_fields_hex(fields, "srk-name", true, 2, 2 + HF_HASH_MAX);
    return hf_fields_finish(fields, error);
}

static bool save_manifest(const HfGuest *guest, GError **error)
{
    g_autofree char *label = hf_guest_label(guest, MANIFEST);
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, FORMAT_VERSION);
    g_autofree char *text = NULL;

    hf_fields_put(builder, "tcti", guest->tcti);
    for (unsigned i = 0; ek_names[i]; i++) {
        if (ek_templates[i] == guest->ek_template) {
            hf_fields_put(builder, "ek", ek_names[i]);
        }
    }
    hf_fields_put_bytes(builder, "srk-name", guest->srk_name);
    text = hf_fields_end(builder);
    return hf_file_replace_at(guest->fd, MANIFEST, text, strlen(text), 0600, label, error);
}

static bool set_auth(const HfOptions *options, HfConnection *connection, GError **error)
{
    const char *path = hf_options_string(options, "endorsement-auth-file");
    g_autoptr(HfSecret) secret = NULL;

    if (!path) {
        return true;
    }
    secret = hf_file_read_secret(path, AUTH_MAX, error);
    if (!secret) {
        return false;
    }
    if (secret->size > 0 && secret->data[secret->size - 1] == '\n') {
        hf_secret_truncate(secret, secret->size - 1);
    }
    return hf_connection_set_auth(connection, HF_HIERARCHY_ENDORSEMENT, secret, error);
}

static bool connect_tpm(HfGuest *guest, const HfOptions *options, GError **error)
{
    const char *tcti = hf_options_string(options, "tcti");
    g_autoptr(GBytes) name = NULL;

    if (tcti || !guest->tcti) {
        g_free(guest->tcti);
        guest->tcti = g_strdup(tcti ? tcti : HF_TCTI_DEFAULT);
    }
    guest->connection = hf_own_connection(guest->tcti, error);
    if (!guest->connection || !set_auth(options, guest->connection, error) ||
        !hf_storage_open(guest->connection, HF_SRK_HANDLE, guest->srk_name, &name, error)) {
        return false;
    }
    g_clear_pointer(&guest->srk_name, g_bytes_unref);
    guest->srk_name = g_steal_pointer(&name);
    return true;
}

/* Which of the templates the key is of that was found. */
static bool find_template(HfGuest *guest, GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ek_templates); i++) {
        HfPublic template;

        hf_template_public(ek_templates[i], &template);
        if (template.type == guest->ek.type && template.curve == guest->ek.curve &&
            template.rsa_bits == guest->ek.rsa_bits) {
            guest->ek_template = ek_templates[i];
            return true;
        }
    }
    return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "endorsement key: of no template that is known");
}

static bool read_ek(HfGuest *guest, GError **error)
{
    g_autoptr(GBytes) certified = NULL;
    g_autoptr(GBytes) spki = NULL;
    g_autoptr(HfPublicKey) key = NULL;

    if (guest->ek_template != HF_TEMPLATE_COUNT) {
        hf_endorsement_use(guest->connection, guest->ek_template);
    }
    if (!hf_endorsement_read(guest->connection, &guest->ek, &guest->ek_certificate, error) ||
        !(key = hf_public_key_of(&guest->ek, error))) {
        return false;
    }
    if (guest->ek_certificate) {
        spki = hf_public_key_spki(key);
        certified = hf_vendor_key(guest->ek_certificate, error);
        if (!certified) {
            return false;
        }
        if (!g_bytes_equal(certified, spki)) {
            return hf_error_set(error, HF_ERROR_STATE,
                                "the EK certificate in the TPM is for another key than its "
                                "endorsement key of the standard template: the TPM was given new "
                                "seeds since, or its endorsement key is of another template");
        }
    }
    if (!find_template(guest, error)) {
        return false;
    }
    hf_endorsement_use(guest->connection, guest->ek_template);
    return true;
}

static HfAkAlgorithm algorithm_of(const HfOptions *options)
{
    const char *text = hf_options_string(options, "key-algorithm");

    return strcmp(text, "p384") == 0      ? HF_AK_ECC_P384
           : strcmp(text, "rsa2048") == 0 ? HF_AK_RSA_2048
                                          : HF_AK_ECC_P256;
}

/* The AK of the directory, or a new one. */
static bool open_ak(HfGuest *guest, const HfOptions *options, bool make, bool fresh, GError **error)
{
    g_autofree char *label = hf_guest_label(guest, BLOB);
    g_autoptr(GError) local = NULL;
    g_autoptr(HfKeyBlob) blob = fresh ? NULL : hf_blob_load(guest->fd, BLOB, label, &local);
    HfPublic template;

    if (!blob && !fresh && (!make || !hf_error_is(local, HF_ERROR_NOT_FOUND))) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    if (!blob) {
        hf_guest_ak_template(algorithm_of(options), &template);
        guest->unsaved = hf_endorsement_create(guest->connection, &template, error);
        if (!guest->unsaved) {
            return false;
        }
    }
    guest->ak = hf_endorsement_load(guest->connection, blob ? blob : guest->unsaved, error);
    return guest->ak != NULL;
}

static bool forget(const HfGuest *guest, const char *name, GError **error)
{
    return unlinkat(guest->fd, name, 0) == 0 || errno == ENOENT ||
           hf_error_errno(error, errno, "%s/%s", guest->path, name);
}

/* Without manifest there is no AK: it goes first and comes last. */
bool hf_guest_save(HfGuest *guest, GError **error)
{
    g_autofree char *label = hf_guest_label(guest, BLOB);

    if (!guest->unsaved) {
        return true;
    }
    if (!forget(guest, MANIFEST, error) || !forget(guest, HF_GUEST_REQUEST, error) ||
        !forget(guest, HF_GUEST_CERTIFICATE, error)) {
        return false;
    }
    if (fsync(guest->fd) != 0) {
        return hf_error_errno(error, errno, "%s", guest->path);
    }
    if (!hf_blob_save(guest->unsaved, guest->fd, BLOB, label, error) ||
        !save_manifest(guest, error)) {
        return false;
    }
    g_clear_pointer(&guest->unsaved, hf_key_blob_free);
    return true;
}

static bool lock_directory(const HfGuest *guest, GError **error)
{
    if (flock(guest->fd, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    return errno == EWOULDBLOCK
               ? hf_error_set(error, HF_ERROR_BUSY, "%s: somebody else works on it just now",
                              guest->path)
               : hf_error_errno(error, errno, "%s", guest->path);
}

/* --ek, where nothing was pinned yet. */
static void choose_ek(HfGuest *guest, const HfOptions *options)
{
    const char *ek = hf_options_string(options, "ek");

    for (unsigned i = 0; ek && ek_names[i]; i++) {
        if (strcmp(ek, ek_names[i]) == 0) {
            guest->ek_template = ek_templates[i];
        }
    }
}

HfGuest *hf_guest_open(const HfOptions *options, bool make, GError **error)
{
    g_autoptr(HfGuest) guest = g_new0(HfGuest, 1);
    bool fresh = make && hf_options_flag(options, "new-key");
    bool found = false;

    guest->path = g_strdup(hf_options_string(options, "dir"));
    guest->ek_template = HF_TEMPLATE_COUNT;
    guest->fd = make ? hf_dir_make(guest->path, 0700, error) : hf_dir_open(guest->path, error);
    if (guest->fd < 0 || (make && !lock_directory(guest, error)) ||
        (!fresh && !load_manifest(guest, &found, error))) {
        return NULL;
    }
    if (!found && !make) {
        hf_error_set(error, HF_ERROR_NOT_FOUND,
                     "%s: there is no attestation key (run holdfast-attest enroll)", guest->path);
        return NULL;
    }
    if (!found) {
        choose_ek(guest, options);
    }
    return connect_tpm(guest, options, error) && read_ek(guest, error) &&
                   open_ak(guest, options, make, fresh || !found, error)
               ? g_steal_pointer(&guest)
               : NULL;
}
