/*
 * store-place.c - a file in a directory of its own, and a store in it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "store-place.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

void place_new(Place *place, gconstpointer data)
{
    place->scheme = data ? data : "file";
    place->dir = g_dir_make_tmp("holdfast-store-XXXXXX", NULL);
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

static HfStore *try_open(const Place *place, const HfStoreConfig *config, GError **error)
{
    static const HfStoreConfig plain = { .tpm2 = true }; /* syncs are counted, not made */
    g_autofree char *uri = g_strconcat(place->scheme, "://", place->path, NULL);

    return hf_store_open_uri(uri, config ? config : &plain, error);
}

HfStore *place_open(const Place *place, const HfStoreConfig *config)
{
    GError *error = NULL;
    HfStore *store = try_open(place, config, &error);

    g_assert_no_error(error);
    return store;
}

void place_refuses(const Place *place, HfErrorCode code, const char *words)
{
    GError *error = NULL;

    g_assert_null(try_open(place, NULL, &error));
    expect_error(error, code, words);
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

void store_lacks(HfStore *store, HfStateKind kind)
{
    GError *error = NULL;
    int64_t size = 0;

    g_assert_null(store->class->load(store, kind, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, hf_state_kind_name(kind));
    g_assert_true(store->class->stat(store, kind, &size, &error));
    g_assert_cmpint(size, ==, -1);
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

int place_in_child(int (*body)(const Place *), const Place *place)
{
    int status = 0;
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        alarm(60);
        _exit(body(place));
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
