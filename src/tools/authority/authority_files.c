/*
 * authority_files.c - passwords and keys in files.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/authority/authority_files.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/keyfile.h"
#include "pki/pem.h"
#include "tools/authority/approver_offline.h"
#include "tools/common/firmware_log.h"

bool hf_authority_auth(const HfOptions *options, const char *option, HfConnection *connection,
                       HfHierarchy hierarchy, GError **error)
{
    const char *path = hf_options_string(options, option);
    g_autoptr(HfSecret) secret = NULL;

    if (!path) {
        return true;
    }
    secret = hf_file_read_secret(path, 256, error);
    if (!secret) {
        return false;
    }
    if (secret->size > 0 && secret->data[secret->size - 1] == '\n') {
        hf_secret_truncate(secret, secret->size - 1);
    }
    return hf_connection_set_auth(connection, hierarchy, secret, error);
}

HfKeyWish hf_authority_wish(const HfOptions *options)
{
    return (HfKeyWish){
        .name = hf_options_string(options, "key"),
        .migration_policy = hf_options_string(options, "migration-policy"),
        .device_model = hf_options_string(options, "device-model"),
    };
}

HfAuthorityDir *hf_authority_open_connected(const HfOptions *options, GError **error)
{
    const HfKeyWish wish = hf_authority_wish(options);
    g_autoptr(HfAuthorityDir) authority = hf_authority_open_key(
        hf_options_string(options, "dir"), hf_options_string(options, "tcti"), &wish, error);

    if (authority && authority->manifest->host_tpm) {
        HfConnection *connection = hf_authority_connection(authority, error);

        if (!connection || !hf_authority_auth(options, "endorsement-auth-file", connection,
                                              HF_HIERARCHY_ENDORSEMENT, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&authority);
}

bool hf_authority_event_log(const HfOptions *options, const HfAuthorityDir *authority,
                            GBytes **ret_log, GError **error)
{
    *ret_log = NULL;
    return !authority->manifest->host_tpm ||
           hf_firmware_log(hf_options_string(options, "event-log"), authority->tcti, ret_log,
                           error);
}

bool hf_authority_key_file(const char *from, int dir, const char *path, GError **error)
{
    return from ? hf_keyfile_copy_at(from, dir, HF_AUTHORITY_KEY, path, error)
                : hf_keyfile_generate_at(dir, HF_AUTHORITY_KEY, HF_KEYFILE_P256, NULL, 0600, path,
                                         error);
}

bool hf_authority_number(const HfOptions *options, const char *name, uint32_t min, uint32_t max,
                         uint32_t *ret_value, GError **error)
{
    const char *text = hf_options_string(options, name);
    char *end = NULL;
    guint64 value = g_ascii_strtoull(text, &end, 0);

    if (!g_ascii_isdigit(*text) || *end || value < min || value > max) {
        return hf_error_set(error, HF_ERROR_USAGE, "--%s: 0x%08x to 0x%08x expected, found \"%s\"",
                            name, min, max, text);
    }
    *ret_value = (uint32_t)value;
    return true;
}

GBytes *hf_authority_public_pem(const char *key_path, GError **error)
{
    g_autoptr(HfSigner) signer = hf_signer_file_new(key_path, error);
    char *pem;

    if (!signer) {
        return NULL;
    }
    pem = hf_pem_write(signer->spki, "PUBLIC KEY");
    return g_bytes_new_take(pem, strlen(pem));
}

HfSigner *hf_authority_key_signer(const HfOptions *options, GError **error)
{
    const char *key = hf_options_string(options, "approver-key");

    if (!key) {
        hf_error_set(error, HF_ERROR_USAGE, "--approver-key expected");
        return NULL;
    }
    return hf_signer_is_pkcs11(key) ? hf_signer_pkcs11_new(key, NULL, error)
                                    : hf_signer_file_new(key, error);
}

HfSigner *hf_authority_approver_signer(const HfOptions *options, const HfAuthorityDir *authority,
                                       GError **error)
{
    const char *path = hf_options_string(options, "approver-key");
    const char *offline = hf_options_string(options, "offline");
    g_autoptr(HfSigner) signer = NULL;
    g_autoptr(HfPublicKey) key = NULL;
    g_autoptr(GBytes) spki = NULL;

    if (!authority->manifest->host_tpm) {
        hf_error_set(error, HF_ERROR_STATE,
                     "%s: this authority is software-rooted: there is nothing to approve",
                     authority->path);
        return NULL;
    }
    if (offline) {
        return hf_approver_offline_new(offline, &authority->approver, error);
    }
    signer = hf_authority_key_signer(options, error);
    key = signer ? hf_public_key_of(&authority->approver, error) : NULL;
    if (!key) {
        return NULL;
    }
    spki = hf_public_key_spki(key);
    if (!g_bytes_equal(spki, signer->spki)) {
        hf_error_set(error, HF_ERROR_POLICY, "%s: not the key of this authority's approver (%s/%s)",
                     path, authority->path, HF_AUTHORITY_APPROVER);
        return NULL;
    }
    return g_steal_pointer(&signer);
}
