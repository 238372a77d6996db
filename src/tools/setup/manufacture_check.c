/*
 * manufacture_check.c - a second engine looks at what the first one made, before it is stored.
 *
 * It starts from nothing but the permanent blob, as the emulator will. What it does with the blob
 * is thrown away.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/manufacture.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"

#define CHECK_FAILED "the finished TPM does not pass its check: "

static bool check_key(const HfTransport *tpm, const HfMadeKey *key, GError **error)
{
    HfPublic found;
    if (!hf_tpm_read_public(tpm, key->handle, &found, error)) {
        return false;
    }
    HfTpmName made = hf_public_name(&key->public);
    HfTpmName loaded = hf_public_name(&found);
    if (made.size != loaded.size || memcmp(made.data, loaded.data, made.size) != 0) {
        return hf_error_set(error, HF_ERROR_INVALID, "it is not the key that was made");
    }
    return true;
}

static bool check_certificate(const HfMadeIndex *index, GBytes *stored, GError **error)
{
    g_autoptr(HfOutline) certificate = hf_outline_new(stored, index->title, error);
    if (!certificate) {
        return false;
    }
    return hf_certifies(certificate, index->spki) ||
           hf_error_set(error, HF_ERROR_INVALID, "it certifies another key than the TPM's");
}

static bool check_index(const HfTransport *tpm, const HfMadeIndex *index, GError **error)
{
    HfNvPublic public;
    if (!hf_tpm_nv_read_public(tpm, index->index, &public, error)) {
        return false;
    }
    if (public.attributes != index->attributes) {
        return hf_error_set(error, HF_ERROR_INVALID, "attributes 0x%08x, expected 0x%08x",
                            public.attributes, index->attributes);
    }
    g_autoptr(GBytes) stored =
        hf_tpm_nv_read_size(tpm, index->index, NULL, index->index, public.size, error);
    if (!stored) {
        return false;
    }
    if (!g_bytes_equal(stored, index->content)) {
        return hf_error_set(error, HF_ERROR_INVALID, "it does not hold what was written");
    }
    return !index->certifies || check_certificate(index, stored, error);
}

/* All questions at once: each takes longer on its way than in the TPM. */
static void ask_ahead(const HfManufacture *made, HfEngineChild *engine)
{
    const HfTransport ahead = hf_engine_child_ahead(engine);
    HfPublic key;
    HfNvPublic public;
    for (unsigned i = 0; i < made->keys->len; i++) {
        const HfMadeKey *one = g_ptr_array_index(made->keys, i);
        (void)hf_tpm_read_public(&ahead, one->handle, &key, NULL);
    }
    for (unsigned i = 0; i < made->indices->len; i++) {
        const HfMadeIndex *one = g_ptr_array_index(made->indices, i);
        (void)hf_tpm_nv_read_public(&ahead, one->index, &public, NULL);
        (void)hf_tpm_nv_read_size(&ahead, one->index, NULL, one->index,
                                  g_bytes_get_size(one->content), NULL);
    }
}

static bool check_contents(const HfManufacture *made, const HfTransport *tpm, GError **error)
{
    for (unsigned i = 0; i < made->keys->len; i++) {
        const HfMadeKey *key = g_ptr_array_index(made->keys, i);
        if (!check_key(tpm, key, error)) {
            g_prefix_error(error, "%s key at 0x%08x: ", key->title, key->handle);
            return false;
        }
    }
    for (unsigned i = 0; i < made->indices->len; i++) {
        const HfMadeIndex *index = g_ptr_array_index(made->indices, i);
        if (!check_index(tpm, index, error)) {
            g_prefix_error(error, "%s, NV index 0x%08x: ", index->title, index->index);
            return false;
        }
    }
    HfPcrSelection banks;
    if (!hf_tpm_get_pcrs(tpm, &banks, error)) {
        return false;
    }
    return hf_pcr_selection_equal(&banks, &made->banks) ||
           hf_error_set(error, HF_ERROR_INVALID, "PCR banks: not those that were activated");
}

static bool check_profile(const HfManufacture *made, HfEngineChild *engine, GError **error)
{
    g_autofree char *found = hf_engine_child_info(engine, HF_ENGINE_INFO_PROFILE, error);
    return found && (!made->profile || strcmp(made->profile, found) == 0 ||
                     hf_error_set(error, HF_ERROR_INVALID,
                                  "another profile than it was made with: %s", found));
}

bool hf_manufacture_check(const HfManufacture *made, HfEngineChild *engine, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);
    if (!hf_engine_child_power_on(engine, made->permanent, error) ||
        !check_profile(made, engine, error) || !hf_tpm_startup(&tpm, TPM2_SU_CLEAR, error)) {
        g_prefix_error(error, CHECK_FAILED);
        return false;
    }
    ask_ahead(made, engine);
    if (!check_contents(made, &tpm, error)) {
        g_prefix_error(error, CHECK_FAILED);
        return false;
    }
    return true;
}
