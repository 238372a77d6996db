/*
 * replacement.c - the two steps of replacement.h, and the way back from the second.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/replacement.h"

#include "base/error.h"

static const HfStateKind passing[] = { HF_STATE_VOLATILE, HF_STATE_SAVESTATE };

typedef struct {
    GBytes *old[G_N_ELEMENTS(passing)]; /* NULL: there was none, or it could not be read */
} Kept;

static void kept_clear(Kept *kept)
{
    for (size_t i = 0; i < G_N_ELEMENTS(passing); i++) {
        g_clear_pointer(&kept->old[i], g_bytes_unref);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Kept, kept_clear)

static void put_back(HfStore *store, const Kept *kept, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(passing); i++) {
        size_t size = 0;
        const uint8_t *data = kept->old[i] ? g_bytes_get_data(kept->old[i], &size) : NULL;
        if (kept->old[i] && !store->class->save(store, passing[i], data, size, NULL)) {
            g_prefix_error(
                error, "the old TPM is kept, but its %s is lost: ", hf_state_kind_name(passing[i]));
        }
    }
}

/* A save that fails after its rename (the directory could not be synced) has replaced the TPM. */
static bool is_stored(HfStore *store, const HfSecret *permanent)
{
    g_autoptr(GBytes) stored = store->class->load(store, HF_STATE_PERMANENT, NULL);
    size_t size = 0;
    const void *data = stored ? g_bytes_get_data(stored, &size) : NULL;
    return size == permanent->size && hf_secret_equal(data, permanent->data, size);
}

bool hf_replacement_commit(HfStore *store, const HfSecret *permanent, GError **error)
{
    g_auto(Kept) kept = { 0 };
    for (size_t i = 0; i < G_N_ELEMENTS(passing); i++) {
        kept.old[i] = store->class->load(store, passing[i], NULL);
        if (!store->class->remove(store, passing[i], error)) {
            put_back(store, &kept, error);
            return false;
        }
    }
    if (!store->class->save(store, HF_STATE_PERMANENT, permanent->data, permanent->size, error)) {
        if (!is_stored(store, permanent)) {
            put_back(store, &kept, error);
        }
        return false;
    }
    return true;
}
