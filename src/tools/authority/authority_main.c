/*
 * authority_main.c - holdfast-authority: the virtual manufacturer authority of this host.
 *
 * The way to the sub-commands; what they do is in authority_NAME.c, their options are in
 * authority_options.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/log.h"
#include "crypto/memory.h"
#include "sandbox/sandbox.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_options.h"

static bool run(const HfOptions *options, bool *ret_works, GError **error)
{
    switch (hf_options_command(options)->bit) {
    case HF_AUTHORITY_INIT: return hf_authority_command_init(options, error);
    case HF_AUTHORITY_APPROVER_KEY: return hf_authority_command_approver_key(options, error);
    case HF_AUTHORITY_APPROVE: return hf_authority_command_approve(options, error);
    case HF_AUTHORITY_DERIVATION: return hf_authority_command_derivation(options, error);
    case HF_AUTHORITY_SIGN_APPROVAL: return hf_authority_command_sign_approval(options, error);
    case HF_AUTHORITY_BUMP: return hf_authority_command_bump(options, error);
    case HF_AUTHORITY_PCRS: return hf_authority_command_pcrs(options, error);
    case HF_AUTHORITY_REQUEST: return hf_authority_command_request(options, error);
    case HF_AUTHORITY_RESPOND: return hf_authority_command_respond(options, error);
    case HF_AUTHORITY_REGISTER: return hf_authority_command_register(options, error);
    case HF_AUTHORITY_ENROL: return hf_authority_command_enrol(options, error);
    case HF_AUTHORITY_INSTALL: return hf_authority_command_install(options, error);
    default: return hf_authority_command_status(options, ret_works, error);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(HfOptions) options = NULL;
    g_autoptr(GError) error = NULL;
    bool works = true;

    hf_crypto_take_memory();
    if (!hf_sandbox_stage1(&error)) {
        hf_log_error(hf_authority_program.name, error);
        return 1;
    }
    options = hf_options_parse_or_exit(&hf_authority_program, argc, argv);
    if (!run(options, &works, &error)) {
        hf_log_error(hf_authority_program.name, error);
        return hf_error_is(error, HF_ERROR_USAGE) ? 2 : 1;
    }
    return works ? 0 : 1;
}
