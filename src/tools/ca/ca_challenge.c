/*
 * ca_challenge.c - `holdfast-ca challenge` and `nonce`: what a host must answer before anything is
 * delegated to it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/file.h"
#include "tools/ca/ca_act.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_core.h"
#include "tools/ca/ca_nonce.h"
#include "tools/common/parcel.h"

bool hf_ca_command_challenge(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "request");
    const char *out = hf_options_string(options, "out");
    g_autoptr(HfCaDir) ca = hf_ca_open(options, error);
    g_autoptr(HfCaRules) rules = hf_ca_rules_new();
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GBytes) challenge = NULL;
    g_autofree char *vouched = NULL;

    if (!ca || !hf_ca_rules_read_voucher(rules, options, error)) {
        return false;
    }
    file = hf_file_read(path, HF_PARCEL_FILE_MAX, error);
    challenge = file ? hf_ca_challenge(ca, rules, file, path, &vouched, error) : NULL;
    if (!challenge || !hf_file_replace(out, g_bytes_get_data(challenge, NULL),
                                       g_bytes_get_size(challenge), 0644, error)) {
        return false;
    }
    printf("%s: %s%s\n", out,
           vouched ? "a challenge for the host TPM; its endorsement key: "
                   : "a nonce alone: the host is software-rooted",
           vouched ? vouched : "");
    return true;
}

bool hf_ca_command_nonce(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaDir) ca = hf_ca_open(options, error);
    g_autoptr(HfCaNonce) nonce = ca ? hf_ca_nonce_new() : NULL;
    g_autofree char *hex = NULL;
    hf_autofd int lock = -1;

    if (!nonce) {
        return false;
    }
    lock = hf_ca_act_begin(ca, error);
    if (lock < 0 || !hf_ca_nonce_give(ca, nonce, error)) {
        return false;
    }
    hex = hf_hex(g_bytes_get_data(nonce->nonce, NULL), g_bytes_get_size(nonce->nonce));
    printf("%s\n", hex);
    return true;
}
