/*
 * store.c - what all stores share: the names of blobs and how a store is named on a command line.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "state/store.h"
#include "state/store_linear.h"
#include "state/store_slots.h"

const char *hf_state_kind_name(HfStateKind kind)
{
    static const char *const names[HF_STATE_COUNT] = { "permall", "volatilestate", "savestate" };

    g_assert(kind < HF_STATE_COUNT);
    return names[kind];
}

HfMedium *hf_store_medium_open(const char *path, const HfStoreConfig *config, GError **error)
{
    const HfMediumConfig medium = {
        .look_only = config->look_only,
        .mode_given = config->mode_given,
        .mode = config->mode,
        .fsync = config->fsync,
        .ops = config->medium_ops,
        .user = config->medium_user,
    };

    return hf_medium_open(path, &medium, error);
}

HfStore *hf_store_open_uri(const char *uri, const HfStoreConfig *config, GError **error)
{
    const char *rest = strstr(uri, "://");

    if (!rest) {
        return hf_store_dir_open(uri, config, error);
    }
    rest += strlen("://");
    if (g_str_has_prefix(uri, "dir://")) {
        return hf_store_dir_open(rest, config, error);
    }
    if (g_str_has_prefix(uri, "file://")) {
        return hf_store_linear_open(rest, config, error);
    }
    if (g_str_has_prefix(uri, "slots://")) {
        return hf_store_slots_open(rest, config, error);
    }
    hf_error_set(error, HF_ERROR_INVALID,
                 "%s: unknown kind of store, expected dir://DIRECTORY, file://FILE or slots://FILE",
                 uri);
    return NULL;
}
