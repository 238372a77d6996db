/*
 * disk.h - a directory as a disk may hold it: what was synced, and of the rest any choice.
 *
 * The model promises less than any file system does. On disk after a crash is what was synced;
 * beyond that each sector of 512 bytes of each write, each new size of a file and each change of a
 * directory entry may be there or not, in any combination. Only a rename is whole: both names or
 * neither. fsync and fdatasync of a file cover its content, fsync of a directory its entries.
 *
 * Files are flat: the entries of one directory. Calls on other files are not its business.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_DISK_H
#define HOLDFAST_TESTS_DISK_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace.h"

typedef struct Disk Disk;

/* A directory with nothing in it, by its inode. */
Disk *disk_new(uint64_t directory);
void disk_free(Disk *disk);

/* One call. `strings` is what follows the record. False: it was about other files. */
bool disk_call(Disk *disk, const TraceRecord *record, const uint8_t *strings);

/* Of what is not synced: how many pieces there are to choose from. */
unsigned disk_pieces(const Disk *disk);

/* Name -> GBytes, of a crash after which of the pieces those are there that `chosen` (one byte a
 * piece) says; NULL: all, which is what other processes see and a killed one leaves. */
GHashTable *disk_files(const Disk *disk, const uint8_t *chosen);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Disk, disk_free)

#endif
