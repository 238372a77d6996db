/*
 * cert_tool.h - swtpm_cert: one certificate from the command line.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_LOCALCA_CERT_TOOL_H
#define HOLDFAST_TOOLS_LOCALCA_CERT_TOOL_H

#include "base/options.h"
#include "base/secret.h"

extern const HfProgram hf_cert_program;

/* The program under its own name; returns the exit code. */
int hf_cert_tool_main(int argc, char **argv);

/* The same for swtpm_localca, in its process: `password` (NULL: none) is the signing key's, beside
 * what argv says. Prints nothing. */
bool hf_cert_tool_issue(int argc, char **argv, const HfSecret *password, GError **error);

/* Whether argv is a command line of swtpm_cert, complete or not. */
bool hf_cert_tool_check(int argc, char **argv, GError **error);

#endif
