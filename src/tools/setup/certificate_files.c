/*
 * certificate_files.c - hidden files first, their names last.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/certificate_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define FILE_MODE 0640

typedef struct {
    const char *name; /* in the EK table */
    char *hidden;
    char *label;
} Pending;

struct HfCertificateFiles {
    int dir;
    GPtrArray *pending; /* Pending; what is still under its hidden name */
};

static void pending_free(void *data)
{
    Pending *pending = data;
    g_free(pending->hidden);
    g_free(pending->label);
    g_free(pending);
}

void hf_certificate_files_free(HfCertificateFiles *files)
{
    if (!files) {
        return;
    }
    for (unsigned i = 0; i < files->pending->len; i++) {
        const Pending *pending = g_ptr_array_index(files->pending, i);
        unlinkat(files->dir, pending->hidden, 0);
    }
    g_ptr_array_unref(files->pending);
    hf_fd_close(&files->dir);
    g_free(files);
}

static bool prepare(HfCertificateFiles *files, const char *dir, const HfMadeIndex *index,
                    GError **error)
{
    g_autofree char *label = g_build_filename(dir, index->certifies->file, NULL);
    g_autofree char *hidden =
        g_strdup_printf(".%s.%08x%08x", index->certifies->file, g_random_int(), g_random_int());
    size_t size;
    const uint8_t *data = g_bytes_get_data(index->content, &size);
    data += index->header;
    size -= index->header;
    if (!hf_file_create_at(files->dir, hidden, data, size, FILE_MODE, label, error)) {
        return false;
    }
    Pending *pending = g_new0(Pending, 1);
    pending->name = index->certifies->file;
    pending->hidden = g_steal_pointer(&hidden);
    pending->label = g_steal_pointer(&label);
    g_ptr_array_add(files->pending, pending);
    return true;
}

HfCertificateFiles *hf_certificate_files_prepare(const char *dir, const HfManufacture *made,
                                                 GError **error)
{
    g_autoptr(HfCertificateFiles) files = g_new0(HfCertificateFiles, 1);
    files->pending = g_ptr_array_new_with_free_func(pending_free);
    files->dir = hf_dir_open(dir, error);
    if (files->dir < 0) {
        return NULL;
    }
    for (unsigned i = 0; i < made->indices->len; i++) {
        const HfMadeIndex *index = g_ptr_array_index(made->indices, i);
        if (index->certifies && !prepare(files, dir, index, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&files);
}

bool hf_certificate_files_publish(HfCertificateFiles *files, GError **error)
{
    while (files->pending->len > 0) {
        const Pending *pending = g_ptr_array_index(files->pending, 0);
        if (renameat(files->dir, pending->hidden, files->dir, pending->name) != 0) {
            return hf_error_errno(error, errno, "cannot write \"%s\"", pending->label);
        }
        g_ptr_array_remove_index(files->pending, 0);
    }
    return fsync(files->dir) == 0 ||
           hf_error_errno(error, errno, "cannot make the certificate files durable");
}
