/*
 * state_copy.c - reads all of a TPM's state, writes it, reads it back.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/state_copy.h"

#include "base/error.h"

/* The permanent state last. */
static const HfStateKind order[] = { HF_STATE_VOLATILE, HF_STATE_SAVESTATE, HF_STATE_PERMANENT };

struct HfStateCopy {
    GBytes *blob[HF_STATE_COUNT]; /* NULL: there is none */
};

void hf_state_copy_free(HfStateCopy *copy)
{
    for (unsigned i = 0; copy && i < HF_STATE_COUNT; i++) {
        g_clear_pointer(&copy->blob[i], g_bytes_unref);
    }
    g_free(copy);
}

static HfStateCopy *read_all(HfStore *store, const char *name, GError **error)
{
    g_autoptr(HfStateCopy) copy = g_new0(HfStateCopy, 1);
    for (unsigned i = 0; i < HF_STATE_COUNT; i++) {
        g_autoptr(GError) local = NULL;
        copy->blob[i] = store->class->load(store, i, &local);
        if (!copy->blob[i] && !hf_error_is(local, HF_ERROR_NOT_FOUND)) {
            g_propagate_prefixed_error(error, g_steal_pointer(&local), "%s: %s: ", name,
                                       hf_state_kind_name(i));
            return NULL;
        }
    }
    return g_steal_pointer(&copy);
}

HfStateCopy *hf_state_copy_take(HfStore *from, const char *name, GError **error)
{
    g_autoptr(HfStateCopy) copy = read_all(from, name, error);
    if (copy && !copy->blob[HF_STATE_PERMANENT]) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "%s: there is no TPM to copy", name);
        return NULL;
    }
    return g_steal_pointer(&copy);
}

static bool same(const GBytes *a, const GBytes *b)
{
    return (!a && !b) || (a && b && g_bytes_equal(a, b));
}

/* What a copy that was interrupted has left is part of this one; anything else is somebody's. */
static bool check_target(const HfStateCopy *from, const HfStateCopy *to, const char *name,
                         GError **error)
{
    if (to->blob[HF_STATE_PERMANENT]) {
        return hf_error_set(error, HF_ERROR_EXISTS, "%s: there is a TPM already", name);
    }
    for (unsigned i = 0; i < HF_STATE_COUNT; i++) {
        if (to->blob[i] && !same(to->blob[i], from->blob[i])) {
            return hf_error_set(error, HF_ERROR_EXISTS, "%s: there is the %s of another TPM", name,
                                hf_state_kind_name(i));
        }
    }
    return true;
}

bool hf_state_copy_put(const HfStateCopy *copy, HfStore *to, const char *name, GError **error)
{
    g_autoptr(HfStateCopy) before = read_all(to, name, error);
    if (!before || !check_target(copy, before, name, error)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        size_t size = 0;
        GBytes *blob = copy->blob[order[i]];
        const void *data = blob ? g_bytes_get_data(blob, &size) : NULL;
        if (data && !to->class->save(to, order[i], data, size, error)) {
            g_prefix_error(error, "%s: %s: ", name, hf_state_kind_name(order[i]));
            return false;
        }
    }
    g_autoptr(HfStateCopy) after = read_all(to, name, error);
    for (unsigned i = 0; after && i < HF_STATE_COUNT; i++) {
        if (!same(copy->blob[i], after->blob[i])) {
            return hf_error_set(error, HF_ERROR_IO, "%s: the %s reads back differently", name,
                                hf_state_kind_name(i));
        }
    }
    return after != NULL;
}
