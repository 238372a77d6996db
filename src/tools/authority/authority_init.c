/*
 * authority_init.c - `holdfast-authority init` and `approver-key`: keys, counter, directory.
 *
 * The manifest is written last: a directory without one is no authority, so an init that was
 * interrupted is simply run again.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "hwtpm/hwcounter.h"
#include "hwtpm/hwendorsement.h"
#include "hwtpm/hwquote.h"
#include "pki/keyfile.h"
#include "pki/pem.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_files.h"
#include "tools/authority/authority_key.h"
#include "tools/common/authority_parts.h"
#include "tools/common/blob_file.h"
#include "tools/common/host_connection.h"
#include "tpm2/approval.h"

typedef struct {
    const HfOptions *options;
    const char *dir;
    int fd;
    HfManifest *manifest;
    HfConnection *connection;
    GBytes *approver_pem;
    HfPublic approver;
    bool made_approver;
} HfInit;

/* What the host's firmware calls the machine, cut to what fits into a certificate. */
static char *platform_text(const HfOptions *options, const char *option, const char *dmi)
{
    const char *given = hf_options_string(options, option);
    g_autofree char *path = g_build_filename("/sys/class/dmi/id", dmi, NULL);
    g_autoptr(GBytes) bytes = given ? NULL : hf_file_read(path, 4096, NULL);
    g_autofree char *text = NULL;

    if (given) {
        return g_strdup(given);
    }
    if (bytes) {
        text = g_strndup(g_bytes_get_data(bytes, NULL), MIN(g_bytes_get_size(bytes), 64));
        for (char *p = text; *p; p++) {
            *p = g_ascii_isprint(*p) ? *p : ' ';
        }
        g_strstrip(text);
    }
    return text && *text ? g_steal_pointer(&text) : g_strdup("unknown");
}

static void common_facts(HfInit *init)
{
    HfManifest *manifest = init->manifest;

    manifest->migration_policy = g_strdup(
        hf_authority_migration_policy(hf_options_string(init->options, "migration-policy")));
    manifest->key_name = g_strdup(hf_options_string(init->options, "key"));
    manifest->device_model = g_strdup(hf_options_string(init->options, "device-model"));
    manifest->aia_url = g_strdup(hf_options_string(init->options, "aia-url"));
    manifest->platform_manufacturer =
        platform_text(init->options, "platform-manufacturer", "sys_vendor");
    manifest->platform_model = platform_text(init->options, "platform-model", "product_name");
    manifest->platform_version =
        platform_text(init->options, "platform-version", "product_version");
}

static bool host_options(HfInit *init, GError **error)
{
    const HfOptions *options = init->options;
    const char *tcti = hf_options_string(options, "tcti");
    HfManifest *manifest = init->manifest;

    manifest->tcti = g_strdup(tcti ? tcti : HF_TCTI_DEFAULT);
    manifest->algorithm = strcmp(hf_options_string(options, "key-algorithm"), "rsa-2048") == 0
                              ? HF_VMA_RSA_2048
                              : HF_VMA_ECC_P256;
    if (!hf_options_string(options, "approver-public") ==
        !hf_options_string(options, "make-approver")) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "one of --approver-public and --make-approver expected");
    }
    return hf_authority_number(options, "counter-index", 0x01800000, 0x01bfffff,
                               &manifest->counter_index, error) &&
           hf_authority_number(options, "srk-handle", 0x81000000, 0x817fffff, &manifest->srk_handle,
                               error) &&
           hf_pcr_selection_parse(hf_options_string(options, "pcrs"), &manifest->pcrs, error);
}

static bool connect_tpm(HfInit *init, GError **error)
{
    HfManifest *manifest = init->manifest;
    g_autoptr(HfPcrValues) values = NULL;
    HfHostTpmFacts facts;

    init->connection = hf_host_connection(manifest->tcti, error);
    if (!init->connection ||
        !hf_authority_auth(init->options, "owner-auth-file", init->connection, HF_HIERARCHY_OWNER,
                           error) ||
        !hf_authority_auth(init->options, "endorsement-auth-file", init->connection,
                           HF_HIERARCHY_ENDORSEMENT, error) ||
        !hf_storage_open(init->connection, manifest->srk_handle, NULL, &manifest->srk_name,
                         error) ||
        !hf_connection_facts(init->connection, &facts, error)) {
        return false;
    }
    g_strstrip(facts.manufacturer);
    manifest->host_tpm_text =
        g_strdup_printf("%s %s, firmware %u.%u", facts.manufacturer, facts.vendor,
                        facts.firmware[0] >> 16, facts.firmware[0] & 0xffff);
    values = hf_hwpcr_read(init->connection, &manifest->pcrs, error);
    return values != NULL;
}

/* The endorsement key names the host; the attestation key is made once to see that it can be. */
static bool read_identity(HfInit *init, GError **error)
{
    g_autoptr(HfHostKey) ak = NULL;
    g_autoptr(GBytes) certificate = NULL;
    HfPublic ek;

    if (!hf_endorsement_read(init->connection, &ek, &certificate, error)) {
        return false;
    }
    init->manifest->host_ek = hf_endorsement_digest(&ek, error);
    if (!init->manifest->host_ek) {
        return false;
    }
    ak = hf_key_attestation(init->connection, error);
    return ak != NULL;
}

static bool approver(HfInit *init, GError **error)
{
    const char *public_path = hf_options_string(init->options, "approver-public");
    const char *make = hf_options_string(init->options, "make-approver");
    HfTpmName name;

    if (public_path) {
        init->approver_pem = hf_file_read(public_path, 65536, error);
    } else if (hf_keyfile_generate(make, HF_KEYFILE_P256, error)) {
        init->made_approver = true;
        init->approver_pem = hf_authority_public_pem(make, error);
    }
    if (!init->approver_pem ||
        !hf_authority_approver_parse(init->approver_pem, public_path ? public_path : make,
                                     &init->approver, error)) {
        return false;
    }
    name = hf_public_name(&init->approver);
    init->manifest->approver_name = g_bytes_new(name.data, name.size);
    return true;
}

static bool make_host_key(HfInit *init, GError **error)
{
    g_autofree char *blob_label = g_build_filename(init->dir, HF_BLOB_FILE, NULL);
    g_autofree char *approver_label = g_build_filename(init->dir, HF_AUTHORITY_APPROVER, NULL);
    g_autoptr(GBytes) outside = g_bytes_new(NULL, 0);
    g_autoptr(HfKeyBlob) blob = NULL;
    g_autoptr(HfHostKey) loaded = NULL;
    HfDigest policy;

    if (!approver(init, error) ||
        !hf_counter_define(init->connection, init->manifest->counter_index, &init->approver,
                           error)) {
        return false;
    }
    policy = hf_approval_auth_policy(&init->approver, HF_APPROVAL_SIGN);
    blob = hf_key_create(init->connection, init->manifest->algorithm, &policy, outside, error);
    if (!blob) {
        return false;
    }
    loaded = hf_key_load(init->connection, blob, "signing key", error);
    return loaded && hf_vma_check(hf_host_key_public(loaded), &policy, error) &&
           hf_file_replace_at(init->fd, HF_AUTHORITY_APPROVER,
                              g_bytes_get_data(init->approver_pem, NULL),
                              g_bytes_get_size(init->approver_pem), 0600, approver_label, error) &&
           hf_blob_save(blob, init->fd, HF_BLOB_FILE, blob_label, error);
}

/* A host TPM without TPM2_HMAC does without; holdfast-setup says so when it matters. */
static bool make_derivation_key(HfInit *init, GError **error)
{
    g_autofree char *label = g_build_filename(init->dir, HF_BLOB_DERIVATION, NULL);
    g_autoptr(GError) local = NULL;
    g_autoptr(HfKeyBlob) blob =
        hf_authority_derivation_new(init->connection, &init->approver, &local);

    if (hf_error_is(local, HF_ERROR_UNSUPPORTED)) {
        printf("%s: %s; no reproducible endorsement keys here\n", init->dir, local->message);
        return true;
    }
    if (!blob) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    /* One that is there is of an init that was interrupted: nothing was derived with it. */
    return hf_blob_save(blob, init->fd, HF_BLOB_DERIVATION, label, error);
}

static bool init_host(HfInit *init, GError **error)
{
    init->manifest->host_tpm = true;
    return host_options(init, error) && connect_tpm(init, error) && read_identity(init, error) &&
           make_host_key(init, error) && make_derivation_key(init, error);
}

/* A key without a manifest is of an init that did not get to its end. It is taken, never thrown
 * away; `from`: the file it is to be a copy of, or NULL. */
static bool adopt_key(const char *from, const char *path, GError **error)
{
    g_autoptr(HfSecret) found = hf_keyfile_read(path, error);
    g_autoptr(HfSecret) wanted = found && from ? hf_keyfile_read(from, error) : NULL;
    g_autoptr(GBytes) usable = NULL;

    if (!found || (from && !wanted)) {
        return false;
    }
    if (wanted &&
        (wanted->size != found->size || !hf_secret_equal(wanted->data, found->data, found->size))) {
        return hf_error_set(error, HF_ERROR_EXISTS,
                            "%s: there is another key already, of an init that was interrupted",
                            path);
    }
    usable = hf_authority_public_pem(path, error);
    return usable != NULL;
}

static bool init_file(HfInit *init, GError **error)
{
    g_autofree char *path = g_build_filename(init->dir, HF_AUTHORITY_KEY, NULL);
    const char *from = hf_options_string(init->options, "key-file");

    if (faccessat(init->fd, HF_AUTHORITY_KEY, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return adopt_key(from, path, error);
    }
    return hf_authority_key_file(from, init->fd, path, error);
}

static bool open_directory(HfInit *init, GError **error)
{
    g_autofree char *label = g_build_filename(init->dir, HF_MANIFEST_FILE, NULL);

    init->fd = hf_dir_make(init->dir, 0700, error);
    if (init->fd < 0) {
        return false;
    }
    if (faccessat(init->fd, HF_MANIFEST_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return hf_error_set(error, HF_ERROR_EXISTS,
                            "%s: there is an authority already (--key NAME makes a further signing "
                            "key)",
                            label);
    }
    return true;
}

static bool make_all(HfInit *init, GError **error)
{
    g_autofree char *label = g_build_filename(init->dir, HF_MANIFEST_FILE, NULL);
    bool software =
        hf_options_flag(init->options, "software") || hf_options_string(init->options, "key-file");

    common_facts(init);
    return open_directory(init, error) &&
           (software ? init_file(init, error) : init_host(init, error)) &&
           hf_manifest_create(init->manifest, init->fd, label, error);
}

/* With a name for a key, where there is an authority, that is one key more. */
static bool is_further_key(const HfOptions *options)
{
    g_autofree char *path =
        g_build_filename(hf_options_string(options, "dir"), HF_MANIFEST_FILE, NULL);

    return hf_options_has(options, "key") &&
           faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool make_authority(const HfOptions *options, GError **error)
{
    HfInit init = {
        .options = options,
        .dir = hf_options_string(options, "dir"),
        .fd = -1,
        .manifest = g_new0(HfManifest, 1),
    };
    bool done = make_all(&init, error);

    if (done) {
        printf("%s: authority made, %s\n", init.dir,
               init.manifest->host_tpm ? init.manifest->host_tpm_text
                                       : "software-rooted (its key is a file)");
    } else if (init.made_approver) {
        /* Made by this run and good for nothing now. */
        (void)unlink(hf_options_string(options, "make-approver"));
    }
    hf_connection_free(init.connection);
    hf_manifest_free(init.manifest);
    g_clear_pointer(&init.approver_pem, g_bytes_unref);
    hf_fd_close(&init.fd);
    return done;
}

bool hf_authority_command_init(const HfOptions *options, GError **error)
{
    const char *name = hf_options_string(options, "key");

    return (!name || hf_authority_key_check_name(name, error)) &&
           (is_further_key(options) ? hf_authority_add_key(options, error)
                                    : make_authority(options, error));
}

bool hf_authority_command_approver_key(const HfOptions *options, GError **error)
{
    const char *path = hf_options_operands(options)[0];
    g_autofree char *public_path = g_strconcat(path, ".pub", NULL);
    g_autoptr(GBytes) pem = NULL;

    if (!hf_keyfile_generate(path, HF_KEYFILE_P256, error)) {
        return false;
    }
    pem = hf_authority_public_pem(path, error);
    return pem && hf_file_replace(public_path, g_bytes_get_data(pem, NULL), g_bytes_get_size(pem),
                                  0644, error);
}
