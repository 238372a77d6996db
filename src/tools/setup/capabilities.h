/*
 * capabilities.h - what this build and its engine can do, for --print-capabilities and the plan.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_CAPABILITIES_H
#define HOLDFAST_TOOLS_SETUP_CAPABILITIES_H

#include "base/options.h"
#include "tools/setup/engine_child.h"

/* Bits of the largest RSA key the engine makes. */
bool hf_capabilities_rsa_limit(HfEngineChild *engine, unsigned *ret_bits, GError **error);
/* One line of JSON on standard output, in swtpm_setup's shape. */
bool hf_capabilities_print(const HfProgram *program, HfEngineChild *engine, GError **error);

#endif
