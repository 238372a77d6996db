/*
 * ca_main.c - holdfast-ca: the fleet's side.
 *
 * The way to the sub-commands; what they do is in ca_NAME.c, their options are in ca_options.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/log.h"
#include "crypto/memory.h"
#include "sandbox/sandbox.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_options.h"

static bool run(const HfOptions *options, GError **error)
{
    switch (hf_options_command(options)->bit) {
    case HF_CA_INIT: return hf_ca_command_init(options, error);
    case HF_CA_CHALLENGE: return hf_ca_command_challenge(options, error);
    case HF_CA_SERVE: return hf_ca_command_serve(options, error);
    case HF_CA_NONCE: return hf_ca_command_nonce(options, error);
    case HF_CA_CERTIFY: return hf_ca_command_certify(options, error);
    case HF_CA_DELEGATE: return hf_ca_command_delegate(options, error);
    case HF_CA_REVOKE: return hf_ca_command_revoke(options, error);
    case HF_CA_CRL: return hf_ca_command_crl(options, error);
    case HF_CA_ISSUER: return hf_ca_command_issuer(options, error);
    case HF_CA_ISSUE: return hf_ca_command_issue(options, error);
    case HF_CA_AUDIT: return hf_ca_command_audit(options, error);
    default: return hf_ca_command_list(options, error);
    }
}

static int exit_code(const HfOptions *options, const GError *error)
{
    if (hf_options_command(options)->bit == HF_CA_AUDIT && hf_error_is(error, HF_ERROR_AUTH)) {
        return 3;
    }
    return hf_error_is(error, HF_ERROR_USAGE) ? 2 : 1;
}

int main(int argc, char **argv)
{
    g_autoptr(HfOptions) options = NULL;
    g_autoptr(GError) error = NULL;

    hf_crypto_take_memory();
    if (!hf_sandbox_stage1(&error)) {
        hf_log_error(hf_ca_program.name, error);
        return 1;
    }
    options = hf_options_parse_or_exit(&hf_ca_program, argc, argv);
    if (!run(options, &error)) {
        hf_log_error(hf_ca_program.name, error);
        return exit_code(options, error);
    }
    return 0;
}
