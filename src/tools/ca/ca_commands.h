/*
 * ca_commands.h - the sub-commands of holdfast-ca, one function each.
 *
 * Each gets the parsed options, prints its result on stdout and returns false with *error when it
 * refuses or fails. Options are declared in ca_main.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_COMMANDS_H
#define HOLDFAST_TOOLS_CA_CA_COMMANDS_H

#include "base/error.h"
#include "base/options.h"

bool hf_ca_command_init(const HfOptions *options, GError **error);
bool hf_ca_command_nonce(const HfOptions *options, GError **error);
bool hf_ca_command_challenge(const HfOptions *options, GError **error);
bool hf_ca_command_delegate(const HfOptions *options, GError **error);
bool hf_ca_command_certify(const HfOptions *options, GError **error);
bool hf_ca_command_issuer(const HfOptions *options, GError **error);
bool hf_ca_command_issue(const HfOptions *options, GError **error);
bool hf_ca_command_revoke(const HfOptions *options, GError **error);
bool hf_ca_command_crl(const HfOptions *options, GError **error);
bool hf_ca_command_serve(const HfOptions *options, GError **error);
/* HF_ERROR_AUTH: the log is not whole. */
bool hf_ca_command_audit(const HfOptions *options, GError **error);
bool hf_ca_command_list(const HfOptions *options, GError **error);

#endif
