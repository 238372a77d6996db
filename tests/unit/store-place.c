/*
 * store-place.c - a file in a directory of its own, and a linear store in it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "store-place.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/file.h"

void place_new(Place *place, gconstpointer data)
{
    (void)data;
    place->dir = g_dir_make_tmp("holdfast-linear-XXXXXX", NULL);
    g_assert_nonnull(place->dir);
    place->path = g_build_filename(place->dir, "state", NULL);
}

void place_free(Place *place, gconstpointer data)
{
    (void)data;
    (void)g_remove(place->path);
    g_assert_cmpint(g_rmdir(place->dir), ==, 0);
    g_free(place->path);
    g_free(place->dir);
}

HfStore *place_open(const Place *place, const HfStoreConfig *config)
{
    static const HfStoreConfig plain = { .tpm2 = true }; /* syncs are counted, not made */
    GError *error = NULL;
    g_autofree char *uri = g_strconcat("file://", place->path, NULL);
    HfStore *store = hf_store_open_uri(uri, config ? config : &plain, &error);

    g_assert_no_error(error);
    return store;
}

void store_saves(HfStore *store, HfStateKind kind, const void *data, size_t size)
{
    GError *error = NULL;

    g_assert_true(store->class->save(store, kind, data, size, &error));
    g_assert_no_error(error);
}

void store_removes(HfStore *store, HfStateKind kind)
{
    GError *error = NULL;

    g_assert_true(store->class->remove(store, kind, &error));
    g_assert_no_error(error);
}

void store_loads(HfStore *store, HfStateKind kind, const void *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) blob = store->class->load(store, kind, &error);

    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(blob, NULL), g_bytes_get_size(blob), data, size);
}

void expect_error(GError *error, HfErrorCode code, const char *words)
{
    g_assert_error(error, HF_ERROR, (int)code);
    if (!strstr(error->message, words)) {
        g_error("\"%s\" does not say \"%s\"", error->message, words);
    }
    g_error_free(error);
}

GByteArray *place_content(const Place *place)
{
    char *text = NULL;
    gsize size = 0;

    g_assert_true(g_file_get_contents(place->path, &text, &size, NULL));
    return g_byte_array_new_take((guint8 *)text, size);
}

void place_put(const Place *place, const void *data, size_t size)
{
    hf_autofd int fd = open(place->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(hf_fd_write_all(fd, data, size, place->path, NULL));
}
