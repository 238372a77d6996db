/*
 * ca_init.c - `holdfast-ca init`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/error.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_dir.h"
#include "tools/ca/ca_key.h"

bool hf_ca_command_init(const HfOptions *options, GError **error)
{
    const char *dir = hf_options_string(options, "dir");
    const HfCaInit in = {
        .algorithm = hf_options_string(options, "key-algorithm"),
        .key = hf_options_string(options, "root-key"),
        .certificate = hf_options_string(options, "root-certificate"),
        .root = {
            .organization = hf_options_string(options, "organization"),
            .common_name = hf_options_string(options, "subject"),
            .not_before = g_get_real_time() / G_USEC_PER_SEC,
            .days = (unsigned)hf_options_int(options, "root-days"),
        },
    };
    HfSecret *pin = NULL;

    if (in.key && hf_options_has(options, "key-algorithm")) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--key-algorithm: not with --root-key, a key in a TPM is p256");
    }
    if (in.certificate && (!in.key || hf_ca_key_is_tpm(in.key))) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            in.key ? "--root-certificate: not with a key in a TPM, which is new"
                                   : "--root-certificate: only with --root-key");
    }
    if (!hf_ca_pin(options, &pin, error) || !hf_ca_dir_create(dir, &in, pin, error)) {
        return false;
    }
    printf("%s: CA made, its certificate is %s/root.pem\n", dir, dir);
    return true;
}
