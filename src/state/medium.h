/*
 * medium.h - one file or block device that holds a whole TPM: opened with care, read and written at
 * offsets.
 *
 * Below the stores that keep all blobs of a TPM in one place (linear, slots). Opened once, before
 * confinement; in service only pread, pwrite, fdatasync and fstat are made on the held descriptor.
 * A regular file may not be a symbolic link; a block device may be reached over one, as udev and
 * LVM name them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_MEDIUM_H
#define HOLDFAST_STATE_MEDIUM_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct HfMedium HfMedium;

/* What writes: pwrite and fdatasync, or in a test something that keeps a record, or fails. */
typedef struct {
    ssize_t (*write)(void *user, int fd, const void *data, size_t n, off_t offset);
    int (*sync)(void *user, int fd);
} HfMediumOps;

typedef struct {
    bool look_only;  /* do not make the file when it is missing: it is then empty */
    bool mode_given; /* mode of a file that is made: exact; else 0640 & ~umask */
    mode_t mode;
    bool fsync;             /* false: hf_medium_sync does nothing */
    const HfMediumOps *ops; /* NULL: the system's */
    void *user;             /* for ops */
} HfMediumConfig;

/* Makes the file, durably, when it is missing; its directory must exist. HF_ERROR_INVALID for what
 * is neither a regular file nor a block device. */
HfMedium *hf_medium_open(const char *path, const HfMediumConfig *config, GError **error);
void hf_medium_free(HfMedium *medium);

const char *hf_medium_path(const HfMedium *medium);
/* A block device: its size cannot change. */
bool hf_medium_fixed(const HfMedium *medium);
bool hf_medium_size(const HfMedium *medium, uint64_t *ret_size, GError **error);

/* Exactly n bytes; fewer being there is HF_ERROR_INVALID. */
bool hf_medium_read(const HfMedium *medium, uint64_t offset, void *buffer, size_t n,
                    GError **error);
/* All of them. A regular file grows as needed; what a failure has written is not undone. */
bool hf_medium_write(HfMedium *medium, uint64_t offset, const void *data, size_t n, GError **error);
/* What was written is on disk. */
bool hf_medium_sync(HfMedium *medium, GError **error);

/* Nothing is on it: every byte among its first 4 MiB and last 128 KiB is zero. There every file
 * system, volume manager and partition table keeps something (the first 192 bytes alone would not
 * tell: ext4 leaves them zero). */
bool hf_medium_blank(const HfMedium *medium, bool *ret_blank, GError **error);

/* record_lock.h, on the file itself. */
bool hf_medium_lock(HfMedium *medium, unsigned retries, GError **error);
void hf_medium_unlock(HfMedium *medium);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfMedium, hf_medium_free)

#endif
