/*
 * setup_profile.h - which profile a new TPM 2.0 gets, and which there are.
 *
 * A profile is named by an option, else by the configuration, else there is none and libtpms takes
 * "null". --profile-name looks for NAME.json where the site (local_profiles_dir) and the
 * distribution keep theirs, then among the ones built into libtpms; "local:", "distro:" and
 * "builtin:" before the name say where alone to look. What a profile means is libtpms' own affair
 * (engine/engine_profile.h).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_SETUP_PROFILE_H
#define HOLDFAST_TOOLS_SETUP_SETUP_PROFILE_H

#include "tools/setup/engine_child.h"
#include "tools/setup/setup_options.h"

/* Fills plan->profile and plan->profile_removal; plan->profile stays NULL where none was asked for,
 * and for a TPM that is not made. Without profiles in libtpms those of the configuration are left
 * alone, with a warning. engine: asked what libtpms has. */
bool hf_setup_profile_choose(HfSetupPlan *plan, const HfOptions *options,
                             const HfSetupConfig *config, HfEngineChild *engine, GError **error);

/* --print-profiles, to standard output: the site's, the distribution's, libtpms' as one JSON object.
 * Files that hold no profile are left out, with a warning. */
bool hf_setup_profiles_print(const HfSetupConfig *config, HfEngineChild *engine, GError **error);

/* The names of those built into libtpms; empty when it has none. Caller frees. */
char **hf_setup_profile_names(HfEngineChild *engine, GError **error);

#endif
