/*
 * authority_commands.h - the sub-commands of holdfast-authority, one function each.
 *
 * Each gets the parsed options, prints its result on stdout and returns false with *error when it
 * refuses or fails; nothing is left half done then. Options are declared in authority_main.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_COMMANDS_H
#define HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_COMMANDS_H

#include "base/options.h"
#include "base/error.h"

bool hf_authority_command_init(const HfOptions *options, GError **error);
bool hf_authority_command_approver_key(const HfOptions *options, GError **error);
bool hf_authority_command_approve(const HfOptions *options, GError **error);
bool hf_authority_command_derivation(const HfOptions *options, GError **error);
bool hf_authority_command_sign_approval(const HfOptions *options, GError **error);
bool hf_authority_command_bump(const HfOptions *options, GError **error);
bool hf_authority_command_pcrs(const HfOptions *options, GError **error);
bool hf_authority_command_request(const HfOptions *options, GError **error);
bool hf_authority_command_respond(const HfOptions *options, GError **error);
bool hf_authority_command_register(const HfOptions *options, GError **error);
bool hf_authority_command_enrol(const HfOptions *options, GError **error);
bool hf_authority_command_install(const HfOptions *options, GError **error);
/* *ret_works: the authority can issue certificates now. */
bool hf_authority_command_status(const HfOptions *options, bool *ret_works, GError **error);

#endif
