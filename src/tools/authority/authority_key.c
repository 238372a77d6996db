/*
 * authority_key.c - `holdfast-authority init --key` where there is an authority: one key more.
 *
 * The new key has the approver, the approval and the counter of the others, so nothing has to be
 * approved anew; the fleet's CA delegates to it as to the first. key.json is written last.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/authority/authority_key.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/holding.h"
#include "pki/keyfile.h"
#include "tools/authority/authority_files.h"
#include "tools/common/blob_file.h"
#include "tpm2/approval.h"

const char *hf_authority_migration_policy(const char *given)
{
    return given ? given : HF_HOLDING_NOT_MIGRATABLE;
}

/* What belongs to the authority as a whole, and was settled when it was made. */
static bool check_options(const HfOptions *options, bool host_tpm, GError **error)
{
    static const char *const settled[] = {
        "approver-public",       "make-approver",  "pcrs",
        "counter-index",         "srk-handle",     "aia-url",
        "platform-manufacturer", "platform-model", "platform-version",
    };
    bool software = hf_options_flag(options, "software") || hf_options_has(options, "key-file");

    for (size_t i = 0; i < G_N_ELEMENTS(settled); i++) {
        if (hf_options_has(options, settled[i])) {
            return hf_error_set(error, HF_ERROR_USAGE,
                                "--%s: the authority is there already, and this is settled",
                                settled[i]);
        }
    }
    if (software && host_tpm) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--software, --key-file: the keys of this authority are in a host TPM");
    }
    return !(hf_options_has(options, "key-algorithm") && !host_tpm) ||
           hf_error_set(error, HF_ERROR_USAGE, "--key-algorithm: only for keys in a host TPM");
}

static bool check_new(const HfAuthorityKey *key, GPtrArray *keys, const char *dir, GError **error)
{
    if (keys->len >= HF_KEYS_MAX) {
        return hf_error_set(error, HF_ERROR_NO_SPACE, "%s: there are %u keys already", dir,
                            keys->len);
    }
    for (unsigned i = 0; i < keys->len; i++) {
        const HfAuthorityKey *other = g_ptr_array_index(keys, i);
        g_autofree char *text = hf_authority_key_text(other);
        const char *model = other->device_model ? other->device_model : HF_KEY_MODEL_ANY;

        if (strcmp(other->name, key->name) == 0) {
            return hf_error_set(error, HF_ERROR_EXISTS, "%s: there is a key of this name: %s", dir,
                                text);
        }
        if (strcmp(other->migration_policy, key->migration_policy) == 0 &&
            strcmp(model, key->device_model) == 0) {
            return hf_error_set(error, HF_ERROR_EXISTS, "%s: there is a key for this already: %s",
                                dir, text);
        }
    }
    return true;
}

static bool make_in_tpm(const HfOptions *options, HfAuthorityDir *authority,
                        const HfAuthorityKey *key, int fd, const char *path, GError **error)
{
    g_autofree char *label = g_build_filename(path, HF_BLOB_FILE, NULL);
    HfDigest policy = hf_approval_auth_policy(&authority->approver, HF_APPROVAL_SIGN);
    HfConnection *connection = hf_authority_connection(authority, error);
    g_autoptr(GBytes) outside = g_bytes_new(NULL, 0);
    g_autoptr(HfKeyBlob) blob = NULL;
    g_autoptr(HfHostKey) loaded = NULL;

    if (!connection ||
        !hf_authority_auth(options, "owner-auth-file", connection, HF_HIERARCHY_OWNER, error)) {
        return false;
    }
    blob = hf_key_create(connection, key->algorithm, &policy, outside, error);
    loaded = blob ? hf_key_load(connection, blob, "signing key", error) : NULL;
    return loaded && hf_vma_check(hf_host_key_public(loaded), &policy, error) &&
           hf_blob_save(blob, fd, HF_BLOB_FILE, label, error);
}

static bool make_in_file(const HfOptions *options, int fd, const char *path, GError **error)
{
    const char *from = hf_options_string(options, "key-file");
    g_autofree char *label = g_build_filename(path, HF_AUTHORITY_KEY, NULL);

    (void)unlinkat(fd, HF_AUTHORITY_KEY, 0); /* of a run that was interrupted */
    return hf_authority_key_file(from, fd, label, error);
}

static HfAuthorityKey *wanted_key(const HfOptions *options)
{
    const char *model = hf_options_string(options, "device-model");
    HfAuthorityKey *key = g_new0(HfAuthorityKey, 1);

    key->name = g_strdup(hf_options_string(options, "key"));
    key->migration_policy =
        g_strdup(hf_authority_migration_policy(hf_options_string(options, "migration-policy")));
    key->device_model = g_strdup(model ? model : HF_KEY_MODEL_ANY);
    key->algorithm = strcmp(hf_options_string(options, "key-algorithm"), "rsa-2048") == 0
                         ? HF_VMA_RSA_2048
                         : HF_VMA_ECC_P256;
    return key;
}

bool hf_authority_add_key(const HfOptions *options, GError **error)
{
    const char *dir = hf_options_string(options, "dir");
    g_autoptr(GPtrArray) keys = hf_authority_keys(dir, error);
    g_autoptr(HfAuthorityDir) authority =
        keys ? hf_authority_open_parts(dir, hf_options_string(options, "tcti"), error) : NULL;
    g_autoptr(HfAuthorityKey) key = wanted_key(options);
    g_autofree char *path = g_build_filename(dir, HF_KEYS_DIRECTORY, key->name, NULL);
    g_autofree char *label = g_build_filename(path, "key.json", NULL);
    g_autofree char *text = hf_authority_key_text(key);
    hf_autofd int fd = -1;
    bool host_tpm;

    if (!authority) {
        return false;
    }
    host_tpm = authority->manifest->host_tpm;
    if (!check_options(options, host_tpm, error) || !hf_authority_key_check(key, error) ||
        !check_new(key, keys, dir, error)) {
        return false;
    }
    fd = hf_authority_key_open(authority->fd, dir, key, true, error);
    if (fd < 0 ||
        !(host_tpm ? make_in_tpm(options, authority, key, fd, path, error)
                   : make_in_file(options, fd, path, error)) ||
        !hf_authority_key_create(key, host_tpm, fd, label, error)) {
        return false;
    }
    printf("%s: key %s made\n", dir, text);
    return true;
}
