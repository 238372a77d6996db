/*
 * engine_seed.c - an endorsement seed of the caller's in a TPM that was manufactured a moment ago.
 *
 * The state that libtpms has stored is patched in one place and started from. Whatever is not
 * exactly as expected, before or after, ends with the TPM off and nothing that could be taken for
 * the result: keys that are almost reproducible would be worse than none. That keys do come out as
 * they always did is for the caller to see, with a known seed, before it relies on it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine_private.h"
#include "engine/permanent_layout.h"

G_STATIC_ASSERT(HF_ENDORSEMENT_SEED_SIZE == HF_SEED_SIZE);

/* Versions of libtpms with which the patch was tried: 0.9 to 0.11. */
#define OLDEST_KNOWN 0x000900u
#define FIRST_UNKNOWN 0x000c00u

bool hf_engine_seed_known(uint32_t version, GError **error)
{
    return (version >= OLDEST_KNOWN && version < FIRST_UNKNOWN) ||
           hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "reproducible endorsement keys: libtpms 0.9 to 0.11 expected, found %u.%u",
                        version >> 16, (version >> 8) & 0xff);
}

static HfSecret *take_state(GError **error)
{
    unsigned char *data = NULL;
    uint32_t size = 0;
    HfSecret *state = NULL;

    if (TPMLIB_GetState(TPMLIB_STATE_PERMANENT, &data, &size) == TPM_SUCCESS && data) {
        state = hf_secret_copy(data, size);
        explicit_bzero(data, size);
    } else {
        hf_error_set(error, HF_ERROR_TPM, "the engine does not give its permanent state");
    }
    free(data);
    return state;
}

static bool is_zero(const uint8_t *seed)
{
    static const uint8_t zero[HF_SEED_SIZE];

    return hf_secret_equal(seed, zero, sizeof zero);
}

/* Layout of a state whose seeds and proofs are six different ones. */
static bool read_state(const HfSecret *state, HfPermanentLayout *layout, GError **error)
{
    if (!hf_permanent_layout(state->data, state->size, layout, error)) {
        return false;
    }
    if (layout->compat_level != HF_SEED_COMPAT_LEVEL) {
        return hf_error_set(
            error, HF_ERROR_UNSUPPORTED,
            "this libtpms makes endorsement keys in another way: level %u expected, "
            "found %u",
            HF_SEED_COMPAT_LEVEL, layout->compat_level);
    }
    for (unsigned i = 0; i < HF_SEEDS; i++) {
        const uint8_t *seed = state->data + layout->at[i];

        if (is_zero(seed)) {
            return hf_error_set(error, HF_ERROR_TPM, "a seed or proof of the new TPM is zero");
        }
        for (unsigned j = 0; j < i; j++) {
            if (hf_secret_equal(seed, state->data + layout->at[j], HF_SEED_SIZE)) {
                return hf_error_set(error, HF_ERROR_TPM,
                                    "two seeds or proofs of the new TPM are the same");
            }
        }
    }
    return true;
}

/* Off, and on again with `patched`. */
static bool restart(HfEngine *engine, const HfSecret *patched, GError **error)
{
    hf_engine_power_off(engine);
    return hf_engine_set_blob(engine, HF_BLOB_PERMANENT, patched->data, patched->size, error) ==
               TPM_SUCCESS &&
           hf_engine_power_on(engine, false, error) == TPM_SUCCESS;
}

/* What libtpms has made of it: the endorsement seed as given, the other five untouched. */
static bool check_result(const HfSecret *patched, GError **error)
{
    g_autoptr(HfSecret) now = take_state(error);
    HfPermanentLayout before;
    HfPermanentLayout after;

    if (!now || !read_state(patched, &before, error) || !read_state(now, &after, error)) {
        return false;
    }
    for (unsigned i = 0; i < HF_SEEDS; i++) {
        if (!hf_secret_equal(patched->data + before.at[i], now->data + after.at[i], HF_SEED_SIZE)) {
            return hf_error_set(error, HF_ERROR_TPM,
                                "the new TPM did not take the endorsement seed as it was given");
        }
    }
    return true;
}

static bool set_seed(HfEngine *engine, const HfSecret *seed, GError **error)
{
    g_autoptr(HfSecret) state = NULL;
    HfPermanentLayout layout;

    if (engine->version != HF_TPM_2_0 || !engine->running || !engine->pristine) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "an endorsement seed can be given to a TPM 2.0 only that was made just "
                            "now");
    }
    if (seed->size != HF_SEED_SIZE || is_zero(seed->data)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "endorsement seed: %u bytes expected, not all zero, found %zu",
                            HF_SEED_SIZE, seed->size);
    }
    if (!hf_engine_seed_known(TPMLIB_GetVersion(), error)) {
        return false;
    }
    state = take_state(error);
    if (!state || !read_state(state, &layout, error)) {
        return false;
    }
    memcpy(state->data + layout.at[HF_SEED_ENDORSEMENT], seed->data, HF_SEED_SIZE);
    return restart(engine, state, error) && check_result(state, error);
}

bool hf_engine_set_endorsement_seed(HfEngine *engine, const HfSecret *seed, GError **error)
{
    if (!set_seed(engine, seed, error)) {
        hf_engine_power_off(engine);
        return false;
    }
    return true;
}
