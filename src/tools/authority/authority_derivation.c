/*
 * authority_derivation.c - the derivation key, and `holdfast-authority derivation-key`, which makes
 * one for an authority that is older than such keys.
 *
 * What was derived with a key is gone with it, so one that is there is never replaced.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/file.h"
#include "hwtpm/hwderive.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_files.h"
#include "tools/common/blob_file.h"
#include "tpm2/approval.h"

HfKeyBlob *hf_authority_derivation_new(HfConnection *connection, const HfPublic *approver,
                                       GError **error)
{
    HfDigest policy = hf_approval_auth_policy(approver, HF_APPROVAL_DERIVE);
    g_autoptr(HfKeyBlob) blob = NULL;
    g_autoptr(HfHostKey) loaded = NULL;

    if (!hf_derivation_possible(connection, error)) {
        return NULL;
    }
    blob = hf_key_create_derivation(connection, &policy, error);
    loaded = blob ? hf_key_load(connection, blob, "derivation key", error) : NULL;
    return loaded && hf_derivation_check(hf_host_key_public(loaded), &policy, error)
               ? g_steal_pointer(&blob)
               : NULL;
}

bool hf_authority_command_derivation(const HfOptions *options, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = hf_authority_open_parts(
        hf_options_string(options, "dir"), hf_options_string(options, "tcti"), error);
    g_autofree char *label = NULL;
    g_autoptr(HfKeyBlob) blob = NULL;
    HfConnection *connection;

    if (!authority) {
        return false;
    }
    label = hf_authority_label(authority, HF_BLOB_DERIVATION);
    if (authority->derivation || authority->derivation_error) {
        return hf_error_set(error, HF_ERROR_EXISTS,
                            "%s: there is a derivation key already; what it derived would be lost",
                            label);
    }
    connection = hf_authority_connection(authority, error);
    blob = connection ? hf_authority_derivation_new(connection, &authority->approver, error) : NULL;
    if (!blob || !hf_blob_create(blob, authority->fd, HF_BLOB_DERIVATION, label, error)) {
        return false;
    }
    printf("%s: derivation key made%s\n", authority->path,
           authority->approval && authority->approval->signature[HF_USE_DERIVE]
               ? ""
               : "; run holdfast-authority approve before it is used");
    return true;
}
