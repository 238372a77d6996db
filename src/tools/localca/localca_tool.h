/*
 * localca_tool.h - swtpm_localca: the certificates of one TPM from the CA of this host.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_LOCALCA_LOCALCA_TOOL_H
#define HOLDFAST_TOOLS_LOCALCA_LOCALCA_TOOL_H

#include "base/options.h"

HfProgram hf_localca_program(void);
/* Returns the exit code. */
int hf_localca_main(int argc, char **argv);

#endif
