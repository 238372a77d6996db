/*
 * permanent_layout.h - where the primary seeds are in the permanent state that libtpms has just
 * made.
 *
 * libtpms has no call that sets a seed, so the state it stores is patched (engine_seed.c). The
 * reader knows the formats of libtpms 0.9 to 0.11 and takes nothing else: every magic, every
 * version, every size and the nesting of the blocks must be as they are there. A TPM whose
 * hierarchies have auth values or policies is not a new one and is refused too.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_ENGINE_PERMANENT_LAYOUT_H
#define HOLDFAST_ENGINE_PERMANENT_LAYOUT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_SEED_SIZE 64u

/* In the order of the state. */
typedef enum {
    HF_SEED_ENDORSEMENT,
    HF_SEED_STORAGE,
    HF_SEED_PLATFORM,
    HF_SEED_PLATFORM_PROOF,
    HF_SEED_STORAGE_PROOF,
    HF_SEED_ENDORSEMENT_PROOF,
    HF_SEEDS
} HfSeed;

typedef struct {
    size_t at[HF_SEEDS];  /* offsets of HF_SEED_SIZE bytes each */
    uint8_t compat_level; /* of the endorsement seed: how keys are made from it */
} HfPermanentLayout;

/* HF_ERROR_UNSUPPORTED naming what is not as it is known. */
bool hf_permanent_layout(const void *data, size_t size, HfPermanentLayout *ret_layout,
                         GError **error);

#endif
