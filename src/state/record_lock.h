/*
 * record_lock.h - swtpm's lock: a POSIX record lock for writing over a whole file.
 *
 * It belongs to the process: a child does not inherit it, and it is lost when any descriptor of the
 * file is closed in the process.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_RECORD_LOCK_H
#define HOLDFAST_STATE_RECORD_LOCK_H

#include <glib.h>
#include <stdbool.h>

#define HF_RECORD_LOCK_INTERVAL_MS 10

/* Tries every 10 ms, `retries` times after the first. HF_ERROR_BUSY when another process has it,
 * with its number when the kernel knows it. fd is open for writing. */
bool hf_record_lock(int fd, unsigned retries, const char *label, GError **error);
void hf_record_unlock(int fd);

#endif
