/*
 * setup_run.h - one run of holdfast-setup after its options are understood.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_SETUP_RUN_H
#define HOLDFAST_TOOLS_SETUP_SETUP_RUN_H

#include "tools/setup/engine_child.h"
#include "tools/setup/setup_options.h"

/* The two engines of a run: one makes, the other checks. Both are started before the process opens
 * anything, so neither inherits a file, a key or a connection. */
typedef struct {
    HfEngineChild *maker;
    HfEngineChild *checker;
} HfEngines;

/* The state directory is opened, locked, and replaced only when everything else has been done. Says
 * what it does on the log. *ret_kept: there was a TPM already, and it was left alone. */
bool hf_setup_run(const HfSetupPlan *plan, const HfEngines *engines, bool *ret_kept,
                  GError **error);

#endif
