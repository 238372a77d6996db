/*
 * store_linear.h - swtpm's linear store: all blobs of a TPM in one regular file or block device.
 *
 * The layout is that of linear_map.h, the blobs in it are files as in a directory (format.h).
 * swtpm writes over a blob in place. Here a blob never moves into space that is in use: it is
 * written to free space and synced, then the header, which fits into one sector, is written and
 * synced. A crash at any moment leaves the header of before or that of after, and each with all of
 * its blobs. So the file holds two copies of the largest blob; the space of the old one is used by
 * the next write. Where a device is too small for that, a write fails and the old blob stays.
 *
 * The header is read anew for every access: with a shared file, another process may have written
 * while this one had given the lock up. Before space that looks free is first written to, the header
 * that says so is made durable, for it may be that of a process that died before it did so. A new
 * store begins with a header of its own.
 *
 * A file or device is made a store only when there is nothing on it (medium.h), or a store that was
 * erased; with anything else on it, it is refused and left alone.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_STORE_LINEAR_H
#define HOLDFAST_STATE_STORE_LINEAR_H

#include "state/store.h"

/* What is there is examined at once. A regular file that is missing is made, empty. */
HfStore *hf_store_linear_open(const char *path, const HfStoreConfig *config, GError **error);

#endif
