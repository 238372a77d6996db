/*
 * blob_file.c - vma.blob and derive.blob.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/blob_file.h"

#include "base/file.h"
#include "tools/common/parcel.h"

enum { PUBLIC_AREA, PRIVATE_AREA, CREATION_DATA, CREATION_HASH, CREATION_TICKET, PARTS };

static const HfParcelItem items[PARTS] = {
    [PUBLIC_AREA] = { "public area", 1, 1024 },
    [PRIVATE_AREA] = { "private area", 1, 2048 },
    [CREATION_DATA] = { "creation data", 1, 2048 },
    [CREATION_HASH] = { "creation hash", 32, 64 },
    [CREATION_TICKET] = { "creation ticket", 8, 128 },
};

static const HfParcelFormat format = {
    .magic = "HFKEYBLB",
    .version = 1,
    .what = "key blob",
    .items = items,
    .count = PARTS,
};

HfKeyBlob *hf_blob_load(int dir, const char *name, const char *label, GError **error)
{
    GBytes *values[PARTS] = { NULL };
    g_autoptr(GBytes) file = hf_file_read_at(dir, name, HF_PARCEL_FILE_MAX, label, error);
    HfKeyBlob *blob;

    if (!file || !hf_parcel_read(&format, file, label, values, error)) {
        return NULL;
    }
    blob = g_new0(HfKeyBlob, 1);
    blob->public_area = values[PUBLIC_AREA];
    blob->private_area = values[PRIVATE_AREA];
    blob->creation_data = values[CREATION_DATA];
    blob->creation_hash = values[CREATION_HASH];
    blob->creation_ticket = values[CREATION_TICKET];
    return blob;
}

static GBytes *bytes_of(const HfKeyBlob *blob)
{
    GBytes *const values[PARTS] = {
        [PUBLIC_AREA] = blob->public_area,         [PRIVATE_AREA] = blob->private_area,
        [CREATION_DATA] = blob->creation_data,     [CREATION_HASH] = blob->creation_hash,
        [CREATION_TICKET] = blob->creation_ticket,
    };

    return hf_parcel_write(&format, values);
}

bool hf_blob_save(const HfKeyBlob *blob, int dir, const char *name, const char *label,
                  GError **error)
{
    g_autoptr(GBytes) file = bytes_of(blob);

    return hf_file_replace_at(dir, name, g_bytes_get_data(file, NULL), g_bytes_get_size(file), 0600,
                              label, error);
}

bool hf_blob_create(const HfKeyBlob *blob, int dir, const char *name, const char *label,
                    GError **error)
{
    g_autoptr(GBytes) file = bytes_of(blob);

    return hf_file_create_at(dir, name, g_bytes_get_data(file, NULL), g_bytes_get_size(file), 0600,
                             label, error);
}
