/*
 * store_slots.h - our own store for the quickest durable write: two states in turn in one regular
 * file or block device (slot_format.h).
 *
 * A save writes the whole state, with the next number, to the slot that does not hold the current
 * one, and syncs: one pwrite and one fdatasync. A crash leaves a slot whose digest is not right, and
 * the other one. The first save after the lock was taken first makes durable what it found, for that
 * may come from a process that died before it did so.
 *
 * While the lock is held what was read is remembered; without it every access reads anew. The lock
 * is always taken when asked for, whatever the configuration says.
 * A file or device is made a store only when there is nothing on it (medium.h).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_STORE_SLOTS_H
#define HOLDFAST_STATE_STORE_SLOTS_H

#include "state/store.h"

/* What is there is examined at once. A regular file that is missing is made, empty. */
HfStore *hf_store_slots_open(const char *path, const HfStoreConfig *config, GError **error);

#endif
