/*
 * ca_issue.c - `holdfast-ca issuer` and `issue`: one issuer of EK certificates for the fleet.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/file.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_issuer.h"
#include "tools/ca/ca_voucher.h"

bool hf_ca_command_issuer(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaDir) ca = hf_ca_open(options, error);
    g_autofree char *name = NULL;

    if (!ca || !hf_ca_issuer_make(ca, hf_options_string(options, "issuer-key"),
                                  hf_options_string(options, "key-algorithm"), &name, error)) {
        return false;
    }
    printf("%s: the fleet's issuer made, CN=%s\n", ca->path, name);
    return true;
}

bool hf_ca_command_issue(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "request");
    const char *out = hf_options_string(options, "out");
    g_autoptr(HfCaDir) ca = hf_ca_open(options, error);
    g_autoptr(GPtrArray) vmas = ca ? hf_ca_voucher_load(options, "vma", error) : NULL;
    g_autoptr(GBytes) file = vmas ? hf_file_read(path, HF_CERTIFICATE_FILE_MAX, error) : NULL;
    g_autoptr(HfCaEk) ek =
        file ? hf_ca_issue(ca, file, path, vmas, hf_options_flag(options, "hardware-only"), error)
             : NULL;
    g_autoptr(GBytes) pem = ek ? hf_ca_ek_pem(ek) : NULL;

    if (!pem ||
        !hf_file_replace(out, g_bytes_get_data(pem, NULL), g_bytes_get_size(pem), 0644, error)) {
        return false;
    }
    printf("%s: %s of a %s TPM%s\n", out, hf_chain_kind_text(ek->kind), hf_rooted_text(ek->rooted),
           ek->again ? ", issued before" : "");
    return true;
}
