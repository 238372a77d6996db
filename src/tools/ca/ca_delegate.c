/*
 * ca_delegate.c - `holdfast-ca delegate`: a delegation request in a file, its certificate in another.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/file.h"
#include "pki/delegation.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_core.h"
#include "tools/common/parcel.h"

static void report(const char *out, const HfCaDelegated *delegated)
{
    g_autofree char *subject = hf_certificate_subject_text(delegated->certificate);

    printf("%s: %s to %s (%s%s%s%s)\n", out,
           delegated->renewal ? "delegation renewed" : "delegated", subject,
           hf_rooted_text(delegated->rooted), delegated->environment ? ", environment " : "",
           delegated->environment ? delegated->environment : "",
           hf_delegation_has_identity_keys(delegated->certificate) ? ", also IAK and IDevID" : "");
    if (delegated->rooted == HF_ROOTED_HARDWARE && !delegated->ek_challenged) {
        printf("note: nothing proves that the host's attestation key is in the TPM of its "
               "endorsement key\n");
    }
}

bool hf_ca_command_delegate(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "request");
    const char *out = hf_options_string(options, "out");
    g_autoptr(HfCaDir) ca = hf_ca_open(options, error);
    g_autoptr(HfCaRules) rules = hf_ca_rules_new();
    g_autoptr(HfCaDelegated) delegated = NULL;
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GBytes) pem = NULL;

    file = ca ? hf_file_read(path, HF_PARCEL_FILE_MAX, error) : NULL;
    if (!file || !hf_ca_rules_read_delegation(rules, options, ca, error)) {
        return false;
    }
    delegated = hf_ca_delegate(ca, rules, file, path, error);
    pem = delegated ? hf_ca_delegated_pem(ca, delegated) : NULL;
    if (!pem ||
        !hf_file_replace(out, g_bytes_get_data(pem, NULL), g_bytes_get_size(pem), 0644, error)) {
        return false;
    }
    report(out, delegated);
    return true;
}
