/*
 * leftovers.h - files that must be gone when the process ends: sockets and the pid file.
 *
 * Each is remembered as its directory and itself, both held open, and its name, so that it is found
 * after the sandbox closed the file system, and a file that somebody else has put there since is
 * left alone.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_LEFTOVERS_H
#define HOLDFAST_EMULATOR_LEFTOVERS_H

#include <glib.h>
#include <stdbool.h>

typedef struct HfLeftovers HfLeftovers;

HfLeftovers *hf_leftovers_new(void);
/* Removes what was added, then forgets it. NULL allowed. */
void hf_leftovers_free(HfLeftovers *leftovers);

/* `path` exists now. */
bool hf_leftovers_add(HfLeftovers *leftovers, const char *path, GError **error);
/* The directories, for the sandbox; borrowed, *ret_count of them. */
const int *hf_leftovers_dirs(const HfLeftovers *leftovers, size_t *ret_count);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfLeftovers, hf_leftovers_free)

#endif
