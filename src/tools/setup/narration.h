/*
 * narration.h - what a run tells on the log.
 *
 * Under the name swtpm_setup it is that program's lines, because scripts look for them; otherwise
 * our own.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_NARRATION_H
#define HOLDFAST_TOOLS_SETUP_NARRATION_H

#include "tools/setup/manufacture.h"

void hf_say_begin(const HfSetupPlan *plan);
/* failed: nothing was stored. */
/* active: what the TPM says of its profile, {} where libtpms has none. */
void hf_say_profile(const HfSetupPlan *plan, const char *active);
void hf_say_end(const HfSetupPlan *plan, bool failed, bool changed);
void hf_say_kept(const HfSetupPlan *plan); /* there is a TPM, nothing to do */

/* row NULL: the storage primary key. */
void hf_say_key(const HfSetupPlan *plan, const HfEkRow *row, uint32_t handle);
/* row NULL: the platform certificate. */
void hf_say_certificate(const HfSetupPlan *plan, const HfEkRow *row, const HfMadeIndex *index);
void hf_say_chain(uint32_t index);
void hf_say_banks(const HfSetupPlan *plan, bool changed, const char *active, const char *all);
/* TPM 1.2 */
void hf_say_ek12(const HfSetupPlan *plan);
void hf_say_owned(const HfSetupPlan *plan);
void hf_say_locked(const HfSetupPlan *plan);

#endif
