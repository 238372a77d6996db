/*
 * reproducible.h - endorsement keys that can be made again: the seed, and why it is believed.
 *
 * The seed comes from the derivation key in the host TPM (tools/common/authority_dir.h) and the
 * bytes of a file that describes the virtual machine. Whether this libtpms makes the keys from it
 * that every other makes is tried first with known answers; what was made is made once more from
 * nothing but the seed in a second process.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_REPRODUCIBLE_H
#define HOLDFAST_TOOLS_SETUP_REPRODUCIBLE_H

#include "tools/setup/manufacture.h"

/* The endorsement seed of plan->reproducible_from on this host:
 *     HKDF-SHA512(ikm = TPM2_HMAC(derivation key, SHA-256(contents of the file)), no salt,
 *                 info = "vtpm-epseed-v1" ‖ u8 1 ‖ "tcg-ek", 64 bytes)
 * 1 is the level of key derivation in the engine (HF_SEED_COMPAT_LEVEL), "tcg-ek" the set of
 * templates. Errors as of hf_authority_open and hf_authority_derive. */
HfSecret *hf_reproducible_seed(const HfSetupPlan *plan, GError **error);

/* Known answers for the kinds of key that the plan has: HF_ERROR_UNSUPPORTED naming the first kind
 * that this libtpms makes otherwise, or that has no known answer. The engine is off and empty
 * before and after. */
bool hf_reproducible_rehearse(const HfSetupPlan *plan, HfEngineChild *engine, GError **error);

/* Makes the plan's endorsement and identity keys from the seed again and compares them with those
 * in `made`. The engine is off and empty before and after. */
bool hf_reproducible_check(const HfSetupPlan *plan, const HfSecret *seed, const HfManufacture *made,
                           HfEngineChild *engine, GError **error);

#endif
